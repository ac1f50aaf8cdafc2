#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vouch {

// What stands in a sentence and must not be made up. A word is a run of ASCII letters and digits,
// of bytes above ASCII, and of single hyphens or apostrophes inside it.

// ASCII letters in lower case.
std::string Lowered(std::string_view text);
// Lowered, without "'s" at the end.
std::set<std::string> WordsIn(std::string_view text);
// Words with a capital after the first letter, or a capital or letter beside a digit ("RocksDB",
// "BM25"); with `capitals` also words that begin with one and do not begin a sentence.
std::vector<std::string> NamesIn(std::string_view text, bool capitals);
// Runs of digits, with "." and ":" between digits kept, and "," between groups of three left out:
// "1,234.5" is "1234.5".
std::set<std::string> NumbersIn(std::string_view text);
// What stands in double quotation marks (" or “ ” or „ “ or « ») and has `min_words` words or more,
// white space collapsed, marks and apostrophes inside made plain.
std::vector<std::string> QuotationsIn(std::string_view text, size_t min_words);
// “, ”, „, « and » as ", ‘ and ’ as '.
std::string PlainQuotationMarks(std::string_view text);
// Whether a word of it denies, in English or German ("not", "never", "cannot", "isn't", "kein").
bool Denies(std::string_view text);
// The end of a list's sign ("- ", "* ", "1. ", "2) ") at a line's beginning; 0 where none stands
// there.
size_t ListSignEnd(std::string_view text, size_t at);

}  // namespace vouch
