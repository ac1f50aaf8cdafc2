#pragma once

#include <string>
#include <string_view>

namespace vouch {

// A question in the one spelling that all questions have which ask the same, word for word: white
// space collapsed, marks at its end left out (? ! .), and the first letter of a first word without
// other capitals in lower case. Words, numbers, names, negations, signs, articles and their order are
// kept as they are: "US" is not "us", "C++" not "C", "-5" not "5", "a plan" not "the plan".
//
// `similar`: words of courtesy at its borders ("Hello, …", "Please …", "…, please", "Bitte …") are
// left out, too, and typographic quotation marks, apostrophes and dashes are the plain ones. Nothing
// else: so two questions have the same spelling only where every word that could change what is asked
// for stands in both, in the same order. No model or vector is asked how alike they are, since
// "enable" and "disable", 5 and 6, "is" and "is not" are alike to those.
std::string CanonicalQuestion(std::string_view question, bool similar);

}  // namespace vouch
