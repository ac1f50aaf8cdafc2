#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace vouch {

// For lists that are kept as text: takes a number, or `byte`, from the beginning of `text`; false: it does not stand there.
template <typename Number>
bool TakeNumber(std::string_view* text, Number* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

inline bool TakeByte(std::string_view* text, char byte) {
  if (!text->starts_with(byte)) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace vouch
