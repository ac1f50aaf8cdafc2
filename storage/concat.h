#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace vouch {

// Abseil's own string_view is another type than std's where the library was built for C++14, as Debian's is. These say
// in one place how to go from one to the other; where both are the same type they cost nothing.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

template <typename T>
decltype(auto) ToAbslPiece(const T& piece) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return ToAbsl(piece);
  } else {
    return (piece);
  }
}

// absl::StrCat that takes std::string_view too.
template <typename... Pieces>
std::string Concat(const Pieces&... pieces) {
  return absl::StrCat(ToAbslPiece(pieces)...);
}

// `text` with what does not print as \xNN, at most `max_bytes` of it: for names from outside in messages.
inline std::string Escape(std::string_view text, size_t max_bytes = 200) {
  std::string escaped = absl::CHexEscape(ToAbsl(text.substr(0, max_bytes)));
  if (text.size() > max_bytes) escaped += "…";
  return escaped;
}

}  // namespace vouch
