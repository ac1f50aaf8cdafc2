#pragma once

#include <cstdint>
#include <string_view>

#include "storage/point_id.h"

namespace vouch {

// "DOCUMENT_ID#ORDINAL"; where that is longer than a point's id may be, the content hash of the document's id takes the
// place of the id. The number is always there, so that no two chunks of a collection have one id.
PointId ChunkPointId(std::string_view document_id, uint32_t ordinal);

}  // namespace vouch
