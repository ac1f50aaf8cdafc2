#pragma once

#include <string>
#include <string_view>

#include "storage/answer_records.h"
#include "storage/journal.h"

namespace vouch {

// Names and lines of a compliance bundle, shared by who writes and who checks one (README.md of this folder).
inline constexpr std::string_view kBundleFormat = "vouch.bundle/1";
inline constexpr std::string_view kBundleReadme = "README.txt";
inline constexpr std::string_view kBundleManifest = "manifest.json";
inline constexpr std::string_view kBundleSums = "SHA256SUMS";
inline constexpr std::string_view kBundleAnswers = "answers/";
inline constexpr std::string_view kBundleChain = "answers/chain-";  // with the number of the first link
inline constexpr std::string_view kBundleAudit = "audit/";          // with that of the first entry
inline constexpr std::string_view kBundleCommits = "commits/";      // with the number of the first line, from 1
inline constexpr std::string_view kBundleFeedback = "feedback/";    // likewise
inline constexpr std::string_view kBundlePipelines = "pipelines.jsonl";
inline constexpr std::string_view kBundlePromotions = "promotions.jsonl";
inline constexpr std::string_view kBundleReviewers = "reviewers.jsonl";
inline constexpr std::string_view kBundleGates = "gates.jsonl";
inline constexpr std::string_view kBundleDatasets = "datasets.jsonl";
inline constexpr std::string_view kBundleQuestions = "datasets/";  // with the content's hash

// "0000000042": files sort by their numbers.
std::string BundleNumber(uint64_t number);
// The file of an answer's record, by the number of its link.
std::string BundleAnswerPath(uint64_t number);

// A link of the answers' chain as a line; `record` is empty where the bundle has no record of it.
struct BundleLink {
  AnswerProof proof = {};
  std::string record = {};
};
std::string EncodeBundleLink(const BundleLink& link);
// DATA_LOSS says what is wrong.
absl::StatusOr<BundleLink> DecodeBundleLink(std::string_view line, uint64_t tenant);

std::string EncodeBundleEntry(const AuditEntry& entry);
absl::StatusOr<AuditEntry> DecodeBundleEntry(std::string_view line);

}  // namespace vouch
