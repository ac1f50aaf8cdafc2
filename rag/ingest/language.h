#pragma once

#include <string>
#include <string_view>

namespace vouch {

// The language of a text by its ISO 639-1 code ("en", "de"), empty where it says too little or two languages come too close.
// By script where one script is one language's here (Greek, Armenian, Tamil), else by function words: each language has the
// share of the words that are in its list, a word of several lists counting for each in part (Grefenstette 1995, "Comparing
// two language identification schemes"). Knows the languages of the Snowball stemmers. Looks at the first 64 KiB.
std::string DetectLanguage(std::string_view text);

}  // namespace vouch
