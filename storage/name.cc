#include "storage/name.h"

#include "storage/concat.h"
#include "storage/schema.h"

namespace vouch {

absl::Status CheckName(std::string_view what, std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError(Concat("a ", what, " name is empty"));
  if (name.size() > Limits::kMaxNameBytes) {
    return absl::InvalidArgumentError(Concat(
        "the ", what, " name \"", Escape(name, 40), "\" has ", name.size(),
        " bytes; the limit is ", Limits::kMaxNameBytes));
  }
  const std::string_view::size_type bad = name.find_first_not_of(
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
  if (bad != std::string_view::npos) {
    return absl::InvalidArgumentError(Concat(
        "the ", what, " name \"", Escape(name), "\" has \"",
        Escape(name.substr(bad, 1)), "\" at ", bad, "; allowed are letters, digits, '.', '_' and '-'"));
  }
  if (name.front() == '.' || name.front() == '-') {
    return absl::InvalidArgumentError(
        Concat("the ", what, " name \"", name, "\" starts with '", name.substr(0, 1), "'"));
  }
  return absl::OkStatus();
}

}  // namespace vouch
