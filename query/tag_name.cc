#include "query/tag_name.h"

#include <string>
#include <variant>

#include "query/search.h"
#include "storage/concat.h"

namespace vouch {

absl::Status CheckTagName(std::string_view name) {
  const absl::StatusOr<ReadAt> read = ReadAt::Parse(name);
  if (read.ok() && std::holds_alternative<std::string>(read->at)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("tag '", name,
             "': a tag is not empty, not 'latest', not a number, nor 'v' and a number, "
             "and does not start with '@': these name versions already"));
}

}  // namespace vouch
