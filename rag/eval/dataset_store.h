#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/eval/dataset.h"
#include "storage/evaluation_records.h"

namespace vouch {

// One version of a dataset: immutable, numbered from 1.
struct DatasetInfo {
  std::string name = {};
  uint32_t version = 0;
  std::string hash = {};     // ContentHash of EncodeQuestions: the same questions, the same hash
  std::string source = {};   // for people: where it was imported from
  int64_t created_us = 0;
  uint64_t questions = 0;
  uint64_t judged = 0;        // questions with a relevant document or passage
  uint64_t referenced = 0;    // questions with an answer
  uint64_t unanswerable = 0;
  uint64_t judgements = 0;    // on documents and passages
  std::vector<std::string> tags = {};
};

struct Dataset {
  DatasetInfo info = {};
  std::vector<DatasetQuestion> questions = {};
};

// "NAME" or "NAME@VERSION". INVALID_ARGUMENT.
struct DatasetRef {
  std::string name = {};
  uint32_t version = 0;  // 0: the latest
};
absl::StatusOr<DatasetRef> ParseDatasetRef(std::string_view text);

// The datasets of a tenant. Thread safe; borrows the records.
//
// Records: "dataset/NAME/VVVVVVVV" (eight digits) is a version's info as JSON; "content/HASH" its
// questions as EncodeQuestions writes them, kept once however many versions have them. The content
// is written first, so that a version is never without it.
class DatasetStore {
 public:
  DatasetStore(EvaluationRecords& records, std::string tenant)
      : records_(records), tenant_(std::move(tenant)) {}

  // A new version; where the latest has the same questions, that one, and nothing is written.
  // INVALID_ARGUMENT: the name, or a question that may not be kept. `dry_run`: what it would be.
  absl::StatusOr<DatasetInfo> Put(std::string_view name, std::string_view source,
                                  const std::vector<DatasetQuestion>& questions, int64_t now_us,
                                  bool dry_run = false);
  // NOT_FOUND names what there is. DATA_LOSS: the content does not have its hash.
  absl::StatusOr<Dataset> Get(const DatasetRef& ref) const;
  absl::StatusOr<DatasetInfo> GetInfo(const DatasetRef& ref) const;
  // By name, then version.
  absl::StatusOr<std::vector<DatasetInfo>> List() const;

 private:
  absl::StatusOr<std::vector<DatasetInfo>> Versions(std::string_view name) const;

  EvaluationRecords& records_;
  const std::string tenant_;
};

std::string EncodeDatasetInfo(const DatasetInfo& info);
absl::StatusOr<DatasetInfo> DecodeDatasetInfo(std::string_view json);

}  // namespace vouch
