#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/feedback.h"
#include "storage/commit.h"

namespace vouch {

// A commit as a bundle has it: who wrote how much when. Which rows it retired stays in the store.
struct BundleCommit {
  std::string collection = {};
  uint64_t version = 0;
  int64_t time_us = 0;
  std::string actor = {};
  std::string request_id = {};
  uint64_t rows_added = 0;
  uint64_t rows_retired = 0;
  uint64_t rows_live = 0;  // at that version
};
BundleCommit BundleCommitOf(const std::string& collection, const CommitHeader& header);
std::string EncodeBundleCommit(const BundleCommit& commit);
// DATA_LOSS says what is wrong.
absl::StatusOr<BundleCommit> DecodeBundleCommit(std::string_view line);

// Looks at commits line by line: collections by name, of each the versions without a gap, and the rows that are live what the commit
// before it left, with those added and without those retired.
class CommitHistory {
 public:
  // What is wrong with it, a sentence; empty: nothing.
  std::string Take(const BundleCommit& commit);

 private:
  std::optional<BundleCommit> before_ = {};
};

// Looks at feedback line by line: by answers and then ids, none twice, each on an answer of the bundle, at the time that its id has.
class FeedbackHistory {
 public:
  explicit FeedbackHistory(const std::set<std::string>& answers) : answers_(answers) {}
  // Likewise.
  std::string Take(const Feedback& feedback);

 private:
  const std::set<std::string>& answers_;
  std::optional<Feedback> before_ = {};
};

}  // namespace vouch
