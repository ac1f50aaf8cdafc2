#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "index/payload/payload_columns.h"
#include "query/search.h"

namespace vouch {
namespace {

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace

absl::StatusOr<ReadAt> ReadAt::Parse(std::string_view text) {
  if (text.empty() || text == "latest") return ReadAt{Latest{}};
  if (text.front() == '@') {
    absl::StatusOr<int64_t> time_us = ParseDatetime(text.substr(1));
    if (!time_us.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "version '", std::string(text),
          "': after '@' stands a time as 2026-11-23T10:00:00Z: ", time_us.status().message()));
    }
    return ReadAt{AtTime{*time_us}};
  }
  std::string_view digits = text;
  if (digits.front() == 'v') digits.remove_prefix(1);
  if (AllDigits(digits)) {
    uint64_t number = 0;
    if (!absl::SimpleAtoi({digits.data(), digits.size()}, &number)) {
      return absl::InvalidArgumentError(
          absl::StrCat("version '", std::string(text), "' is over 18446744073709551615"));
    }
    return ReadAt{Version(number)};
  }
  return ReadAt{std::string(text)};
}

}  // namespace vouch
