#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "rag/eval/dataset.h"
#include "rag/eval/retrieval.h"

namespace vouch {

// What a subject says of one question.
struct SubjectResult {
  std::vector<RetrievedChunk> chunks = {};  // best first
  std::optional<Answer> answer = {};        // where the subject answers
  int64_t latency_us = 0;                   // of what a caller would wait for
  // The answer's text as its record has it, where a pipeline's patterns cover places of records; unset: as it is. What is measured
  // is the answer, what is kept of it is this.
  std::optional<std::string> kept_text = {};
};

// The versions that a subject has fixed: with the question, all that a result depends on.
struct SubjectVersions {
  std::string collection = {};
  Version version = {};
  std::string mode = {};
  std::string embedder = {};   // as the last question had it; empty: none was run, or none is used
  std::string fusion = {};     // likewise; empty: the default
  std::string generator = {};  // likewise; empty: no answers
  std::string pipeline = {};   // "support@2"; empty: a collection as it is
  std::string pipeline_hash = {};
};

// What is evaluated: a way from a question to hits, and perhaps to an answer, at fixed versions. All
// methods may be called by several threads.
class EvaluationSubject {
 public:
  virtual ~EvaluationSubject() = default;
  virtual absl::StatusOr<SubjectResult> Run(const DatasetQuestion& question,
                                            const CancelToken& cancel) = 0;
  virtual SubjectVersions versions() const = 0;
  // That judged passages are followed in.
  virtual Collection& collection() = 0;
};

}  // namespace vouch
