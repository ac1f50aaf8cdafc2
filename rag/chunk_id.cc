#include "rag/chunk_id.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/store.h"

namespace vouch {

PointId ChunkPointId(std::string_view document_id, uint32_t ordinal) {
  std::string id = absl::StrCat(std::string(document_id), "#", ordinal);
  if (id.size() > PointId::kMaxStringBytes) id = absl::StrCat(ContentHash(document_id), "#", ordinal);
  absl::StatusOr<PointId> point = PointId::FromString(id);
  return point.ok() ? *std::move(point) : PointId();
}

}  // namespace vouch
