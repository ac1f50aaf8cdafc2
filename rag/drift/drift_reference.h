#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/eval/drift_window.h"
#include "storage/evaluation_records.h"

namespace vouch {

// What windows are compared with: a version of a monitor's reference, which never changes but for rows
// of documents that are forgotten. It holds no texts but sentinels: questions by their answers' ids,
// rows by their numbers, documents by a hash.
struct DriftReference {
  std::string monitor = {};
  uint64_t number = 0;  // from 1
  int64_t created_us = 0;
  std::string collection = {};
  std::string pipeline = {};  // by which its questions were asked; empty: by any
  uint64_t version = 0;   // of the collection, when it was made
  uint64_t rows_end = 0;  // rows from there on were written since
  std::string field = {};
  std::string embedder = {};  // its id at that version
  uint32_t dim = 0;
  int64_t answers_until_us = 0;  // when the last of its questions was asked, by the clock of then
  std::vector<std::string> answers = {};  // whose questions these are, the latest first
  DriftPoints questions = {};             // one an answer
  std::vector<uint64_t> rows = {};
  std::vector<std::string> documents = {};  // DocumentMark of each row's; early records have none
  DriftPoints row_points = {};  // one a row, of one document each
  std::vector<std::string> sentinels = {};
  std::vector<float> sentinel_values = {};  // as they came, dim each; zeros: they say nothing to it
  // How far the same texts lay apart when they were embedded again: 1 - cosine, at most.
  double sentinel_noise = 0;
  // What approximate search found of what exact search found.
  uint64_t recall_questions = 0;  // 0: it was not measured
  double recall = 0;
  double recall_low = 0;

  // Answers that were kept after this one are a window's; empty: all are.
  std::string last_answer() const { return answers.empty() ? "" : answers.front(); }
};

// JSON, vectors as Base64 of little-endian floats.
std::string EncodeDriftReference(const DriftReference& reference);
absl::StatusOr<DriftReference> DecodeDriftReference(std::string_view json);  // DATA_LOSS

// The record that it is kept as, and back. NOT_FOUND.
std::string DriftReferenceName(std::string_view monitor, uint64_t number);
absl::StatusOr<DriftReference> ReadDriftReference(const EvaluationRecords& records,
                                                  std::string_view tenant, std::string_view monitor,
                                                  uint64_t number);

// Half of the hash of a document's id, or of a point's that has no document.
std::string DocumentMark(std::string_view id);
// Which rows of a collection are to go. A document's older rows may not be in the store any more, but
// still in a reference: they are known by its mark.
struct ForgottenRows {
  std::string collection = {};
  std::set<uint64_t> rows = {};
  std::string document = {};  // its id; empty: the rows alone
};
// Erases such rows with their vectors in all references of a tenant and returns how many there were;
// `change` false only counts. References that do not decode are left as they are.
absl::StatusOr<uint64_t> ForgetInReferences(EvaluationRecords& records, std::string_view tenant,
                                            const ForgottenRows& forgotten, bool change);

}  // namespace vouch
