#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/query_tree.h"
#include "storage/ids.h"

namespace vouch {

// How hybrid retrieval fuses the text leg and the dense leg of a collection.
struct FusionSettings {
  FusionMethod method = FusionMethod::kZScore;
  double text_weight = 1;  // 0 … 1
  double dense_weight = 1;
  bool by_reliability = true;  // FuseNode::by_reliability
  // Of the legs that feedback adds, as a share of their leg's weight; 0: none are added.
  double feedback_weight = 1;
  // Of a leg of phrases (PhraseLeg), as a share of the text leg's weight; 0: there is none.
  double phrase_weight = 0;
  friend bool operator==(const FusionSettings&, const FusionSettings&) = default;
};

// "z_score, text 1, dense 0.5 by reliability, feedback 1": for people.
std::string FormatFusion(const FusionSettings& settings);

// What `vouch tune fusion` learned, and from what.
struct TunedFusion {
  FusionSettings settings = {};
  std::string judgements = {};  // content hash of the queries and judgements
  Version tuned_at = {};        // the version that they were run at
  std::string embedder = {};
  uint64_t queries = 0;
  uint32_t folds = 0;
  // Means of nDCG@10 over the queries, each in the fold where it was not learned from; and of the
  // legs and the default.
  double tuned = 0;
  double text = 0;
  double dense = 0;
  double standard = 0;
  friend bool operator==(const TunedFusion&, const TunedFusion&) = default;
};

// From which version on retrieval is fused how.
struct FusionEntry {
  Version from_version = {};  // of the commit that stored it
  bool removed = false;  // the default holds again
  TunedFusion tuned = {};     // unless removed
  // "fusion#" and the content hash of what was learned; empty where removed.
  std::string id() const;
  friend bool operator==(const FusionEntry&, const FusionEntry&) = default;
};

// The document key that holds a collection's history of fusions. The list only grows, so that its
// latest value answers for every version: a question at an older version is fused as it was then.
inline constexpr std::string_view kFusionHistoryKey = "fusion";

// [{"from_version": 7, "method": "z_score", …}, {"from_version": 9, "removed": true}], ascending by
// version.
std::string EncodeFusionHistory(std::span<const FusionEntry> entries);
// DATA_LOSS names the entry. Versions ascend strictly from 1 or more; numbers are finite and in
// range.
absl::StatusOr<std::vector<FusionEntry>> DecodeFusionHistory(std::string_view json);

// The entry that holds at a version; null where the default does.
const FusionEntry* FindFusionAt(std::span<const FusionEntry> entries, Version at);

}  // namespace vouch
