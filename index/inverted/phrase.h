#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vouch {

// At how many tokens a phrase begins: a token that is the first word, and after it, in the order of
// the phrase, the others, with at most `slop` tokens between first and last that are none of them
// (the places of first and last differ by at most words − 1 + slop). `tokens` and `words` are numbers
// that are equal where the terms are. With `marks`, of as many values as tokens, sets those that
// take part; of several ways to the end of a phrase the nearest words count.
uint32_t CountPhrase(std::span<const uint32_t> tokens, std::span<const uint32_t> words,
                     uint32_t slop, std::vector<bool>* marks = nullptr);

}  // namespace vouch
