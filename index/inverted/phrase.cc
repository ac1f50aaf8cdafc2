#include "index/inverted/phrase.h"

#include <algorithm>
#include <cstddef>

namespace vouch {

uint32_t CountPhrase(std::span<const uint32_t> tokens, std::span<const uint32_t> words,
                     uint32_t slop, std::vector<bool>* marks) {
  uint32_t count = 0;
  if (words.empty()) return 0;
  std::vector<size_t> places(words.size());
  for (size_t start = 0; start < tokens.size(); ++start) {
    if (tokens[start] != words[0]) continue;
    const size_t end = std::min(tokens.size(), start + words.size() + slop);
    size_t place = start;
    size_t found = 0;
    // The nearest next word never leaves less room for those after it than a farther one.
    for (; found < words.size(); ++found, ++place) {
      while (place < end && tokens[place] != words[found]) ++place;
      if (place == end) break;
      places[found] = place;
    }
    if (found < words.size()) continue;
    ++count;
    if (marks == nullptr) continue;
    for (size_t marked : places) (*marks)[marked] = true;
  }
  return count;
}

}  // namespace vouch
