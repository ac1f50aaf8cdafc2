#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/sha256.h"

namespace vouch {

class Store;

// One answer's place in its tenant's chain.
struct AnswerLink {
  uint64_t number = 0;   // ascending by one, in the order in which records were kept
  Digest previous = {};  // hash of the link before it
  Digest content = {};   // DigestAnswer of the record
  Digest hash = {};      // of this link
};

// All that a link's hash is made of, and what the digest of its record is salted with: with the record, and without the
// store, each link can be reckoned again (storage/answer_chain.h).
struct AnswerProof {
  uint64_t tenant = 0;      // the tenant's number
  AnswerLink link = {};
  std::string id = {};      // of the answer
  std::string salts = {};   // AnswerSalts::Encode; an erased text's are gone
};

struct AnswerProblem {
  uint64_t number = 0;    // of the link; 0: it has none
  std::string id = {};    // of the answer, where it is known
  std::string what = {};  // a sentence for people
};

// What is found when a tenant's chain is walked.
struct AnswerChainReport {
  static constexpr size_t kMaxProblems = 1'000;
  static constexpr uint64_t kLinksBetweenProgress = 256;

  uint64_t answers = 0;     // records whose digest was compared with their link
  uint64_t replaced = 0;    // links whose record was written again later, under another link
  uint64_t erased = 0;      // of `answers`, those in which texts were erased
  uint64_t unchained = 0;   // records from before there was a chain: nothing vouches for them
  uint64_t first = 0;       // the first link's number; 0: there is no chain
  uint64_t last = 0;
  Digest head = {};         // hash of the last link
  std::vector<AnswerProblem> problems = {};  // ascending; empty: the chain holds
};

// The answers of a store with what vouches for them. Thread safe; lives as long as the store.
//
// Invariants:
// 1. A record and its link are written at once, with the tip that names the last link: all are there or nothing.
// 2. A link's hash is over its tenant, number, answer's id, the hash of the link before it and the digest of the record. So
//    who knows one hash of the chain knows all records up to it: none of them can be changed, removed, put between or
//    reordered and the hash stay.
// 3. Erasing texts of a record changes neither its digest nor any link's hash.
class AnswerRecords {
 public:
  static AnswerRecords& Of(Store& store);
  virtual ~AnswerRecords() = default;

  // Store::PutAnswer with a salt for what may be erased (AnswerSalts). Durable on return. Of puts at a time, one sync
  // makes several durable.
  virtual absl::StatusOr<AnswerLink> PutAnswerLinked(std::string_view tenant, std::string_view id,
                                                     std::string_view record, std::string_view salt) = 0;
  // nullopt: a record from before there was a chain. NOT_FOUND: no such answer.
  virtual absl::StatusOr<std::optional<AnswerLink>> GetAnswerLink(std::string_view tenant, std::string_view id) const = 0;
  // Erases the texts at `paths` of a record (EraseTexts), durably; returns how many. NOT_FOUND.
  virtual absl::StatusOr<uint32_t> EraseAnswerTexts(std::string_view tenant, std::string_view id,
                                                    const std::set<std::string>& paths) = 0;
  // Walks a tenant's chain as it stands now, every record with it. An error only where nothing can be read; `progress`
  // hears links so far and may end the walk by an error.
  virtual absl::StatusOr<AnswerChainReport> VerifyAnswerChain(
      std::string_view tenant, const std::function<absl::Status(uint64_t done, uint64_t all)>& progress) const = 0;
  // The hash of a link; NOT_FOUND where the chain has none of that number.
  virtual absl::StatusOr<Digest> GetAnswerLinkHash(std::string_view tenant, uint64_t number) const = 0;
  // Calls `visit` with the links from number `first` on, ascending, until it returns false. DATA_LOSS names a link that does
  // not decode.
  virtual absl::Status ScanAnswerLinks(std::string_view tenant, uint64_t first,
                                       const std::function<bool(AnswerProof&&)>& visit) const = 0;
};

}  // namespace vouch
