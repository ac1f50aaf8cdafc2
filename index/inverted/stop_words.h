#pragma once

#include <span>
#include <string_view>

namespace vouch {

// Words that say nothing about a text, as they stand after NFKC case folding. English: Lucene's 33.
// Other languages: the commonest function words of the Snowball project's lists. A language without
// a list here has none.
std::span<const std::string_view> StopWords(std::string_view language);

}  // namespace vouch
