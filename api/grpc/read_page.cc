#include "api/grpc/read_page.h"

#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "query/cursor.h"

namespace vouch {

absl::StatusOr<ReadAt> ReadAtOf(const std::string& at) {
  return at.empty() ? ReadAt{} : ReadAt::Parse(at);
}

absl::StatusOr<Version> ResolveRead(const Collection& collection, const std::string& at,
                                    const std::string& cursor) {
  const absl::StatusOr<ReadAt> read_at = ReadAtOf(at);
  if (!read_at.ok()) return read_at.status();
  if (cursor.empty()) return collection.Resolve(*read_at);
  const absl::StatusOr<Cursor> decoded = DecodeCursor(cursor);
  if (!decoded.ok()) return decoded.status();
  if (std::holds_alternative<ReadAt::Latest>(read_at->at)) return decoded->version;
  const absl::StatusOr<Version> version = collection.Resolve(*read_at);
  if (!version.ok()) return version.status();
  if (*version != decoded->version) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cursor: it reads version ", decoded->version.value, ", but `at` names version ",
        version->value, "; leave `at` empty with a cursor"));
  }
  return version;
}

}  // namespace vouch
