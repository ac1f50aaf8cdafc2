#pragma once

#include <cstdint>
#include <string_view>

namespace vouch {

// About how many tokens a text is, for models whose tokenizer is not known: a word of letters
// counts one token for each four bytes begun, a number one for each three digits begun, any other
// visible character one (outside of ASCII, one for each two bytes begun). On English prose that is
// some 10 to 20 % above what byte-pair tokenizers of 100,000 entries make of it, so that a budget
// errs to the safe side. A function of the bytes alone.
uint64_t EstimateTokens(std::string_view text);

}  // namespace vouch
