#pragma once

#include <string_view>
#include <vector>

#include "nlohmann/json_fwd.hpp"

namespace vouch {

// The values at a dotted path of a payload, in the order of the document, nulls left out. In an
// object, a key equal to the whole rest of the path comes first, else a step into the value under
// the path's first part. An array, on the way or at the end, stands for its elements, however deep
// they are nested; what has no value there gives none. Borrows `payload`.
std::vector<const nlohmann::json*> ValuesAt(const nlohmann::json& payload, std::string_view path);

}  // namespace vouch
