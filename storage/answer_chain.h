#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/answer_digest.h"
#include "storage/answer_records.h"
#include "storage/key_format.h"

namespace vouch {

class Rocks;

// Values of the `answers` family (README.md of this folder).

struct StoredAnswer {
  uint64_t number = 0;
  std::string_view record;
};
std::string EncodeStoredAnswer(uint64_t number, std::string_view record);
// DATA_LOSS naming the answer.
absl::StatusOr<StoredAnswer> DecodeStoredAnswer(std::string_view id, std::string_view value);

struct StoredLink {
  AnswerLink link = {};
  std::string id = {};
  AnswerSalts salts = {};
};
std::string EncodeAnswerLink(const StoredLink& stored);
// DATA_LOSS. That `link.hash` is the right one is not checked.
absl::StatusOr<StoredLink> DecodeAnswerLink(uint64_t number, std::string_view value);

struct ChainTip {
  uint64_t first = 0;  // the first link's number
  uint64_t last = 0;   // first - 1: none yet
  Digest head = {};    // hash of the last link, or what the first one follows
};
std::string EncodeChainTip(const ChainTip& tip);
absl::StatusOr<ChainTip> DecodeChainTip(std::string_view value);

// What the first link of a chain follows: says from which number on answers have links.
Digest ChainStart(TenantNumber tenant, uint64_t first);
// Of all in the link but its hash.
Digest HashLink(TenantNumber tenant, std::string_view id, const AnswerLink& link);

// AnswerRecords::VerifyAnswerChain over the stored bytes.
absl::StatusOr<AnswerChainReport> WalkAnswerChain(
    const Rocks& rocks, TenantNumber tenant,
    const std::function<absl::Status(uint64_t done, uint64_t all)>& progress);

}  // namespace vouch
