#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// What was taken out of a collection and why: what the caller is told, and, as the collection's document
// "forgotten/DOCUMENT_ID", the entry that stays. It holds no text of the source.
struct ForgetRecord {
  std::string document = {};
  std::string reason = {};
  std::string subject = {};      // who asked
  int64_t started_us = 0;
  int64_t finished_us = 0;       // 0: not done; the next start of a server, or the same call, goes on
  uint64_t version = 0;          // of the first commit that retired its points
  uint64_t points = 0;           // that were live
  uint64_t rows = 0;             // of all versions, whose content was erased
  std::vector<std::string> sources = {};       // content hashes of what was kept of its bytes and texts, erased
  std::vector<std::string> kept_sources = {};  // likewise, kept: another document has the same bytes
  uint64_t answers = 0;          // of which texts were erased
  uint64_t texts = 0;            // in these
  uint64_t results = 0;          // of evaluations, whose answer was erased
  uint64_t reference_rows = 0;   // of drift references, whose vectors were erased
  bool compacted = false;
};

// What stands in the place of an erased row's payload.
inline constexpr std::string_view kErasedPayload = R"({"erased":true})";

inline constexpr std::string_view kForgottenPrefix = "forgotten/";
std::string ForgottenKey(std::string_view document);

// JSON: the fields by their names, with `format` 1; early ones have no reference_rows.
std::string EncodeForgetRecord(const ForgetRecord& record);
// DATA_LOSS names the key.
absl::StatusOr<ForgetRecord> DecodeForgetRecord(std::string_view json);

}  // namespace vouch
