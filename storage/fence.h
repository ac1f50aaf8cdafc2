#pragma once

#include <string_view>

namespace vouch {

// While a collection has this document, it takes only commits that change the document itself; others are
// FAILED_PRECONDITION, with its value, for people, as the reason. Decided where commits are ordered, so that who sets it by
// compare and swap knows the collection's last version.
inline constexpr std::string_view kFenceDocument = "fence";

}  // namespace vouch
