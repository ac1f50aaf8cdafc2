#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vouch {

// A place in a text, as an error shows it to people.
struct TextPlace {
  std::string where;  // "at column 12", "at line 2, column 3"; from 1, columns in code points
  std::string
      picture;  // the line and, below it, a caret under the place; long lines are cut around it
};

// `offset` is a byte of `text`, or its size.
TextPlace FindTextPlace(std::string_view text, size_t offset);

}  // namespace vouch
