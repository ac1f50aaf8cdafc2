#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/eval/dataset.h"
#include "rag/eval/retrieval.h"

namespace vouch {

// Judgements on chunks (query id → point id → level) as passages of the sources that the chunks were
// cut from at a version: from then on they are about the text, however it is cut. NOT_FOUND: a point
// that is not visible. INVALID_ARGUMENT: a point that no ingested document stands behind.
absl::Status AddChunkJudgements(const Collection& collection, Version at,
                                const Principal& principal, const Qrels& chunks,
                                std::vector<DatasetQuestion>* questions);

// What was retrieved for a question and what is judged, in the units that measures count: documents,
// or, where the question has judged passages, these.
struct JudgedRetrieval {
  std::map<std::string, int> levels = {};     // unit → relevance
  std::map<std::string, double> scores = {};  // unit → score of its best chunk
  std::vector<std::string> ranked = {};       // units, best first, each once
  uint32_t lost_passages = 0;  // whose text is nowhere in the source as it is now
};

// Follows judged passages into what is retrieved. A chunk stands for a passage that overlaps it by
// half of the shorter of the two or more; for several passages, it stands for each. Where a source has
// changed since it was judged, the passage is where its bytes stand in the new source, provided they
// stand there once; else it is lost, and counted. Keeps sources that it has read; used by one thread.
class PassageFollower {
 public:
  explicit PassageFollower(Collection& collection) : collection_(collection) {}

  absl::StatusOr<JudgedRetrieval> Follow(const DatasetQuestion& question,
                                         const std::vector<RetrievedChunk>& chunks);

 private:
  // The passage in the bytes of `source_hash`; nullopt: not there, or several times.
  absl::StatusOr<std::optional<ByteSpan>> Locate(const PassageJudgement& passage,
                                                 const std::string& source_hash);
  absl::StatusOr<const std::string*> Source(const std::string& hash);

  Collection& collection_;
  std::map<std::string, std::string> sources_;
  size_t kept_bytes_ = 0;
};

}  // namespace vouch
