#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/schema.h"

namespace vouch {

// Stands in a row's values after the words of each text: it keeps phrases from running on into the next text of an array,
// and a text without any word from being no value. No word is empty.
inline constexpr std::string_view kEndOfText = "";

// The words of a text as a payload field of type text compares them (index/inverted/analyzer.h), in its order, without stop
// words. The field must be validated; a language that is not known gives no words.
std::vector<std::string> WordsOf(const PayloadField& field, std::string_view text);

// What WordsOf depends on: equal ids, equal words.
std::string WordsId(const PayloadField& field);

}  // namespace vouch
