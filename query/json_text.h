#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vouch {

// JSON texts, changed and taken apart without a loss: a number keeps its digits, keys their order.
// All texts are valid JSON in UTF-8, of bounded depth.

// RFC 7396, "JSON Merge Patch": an object changes the keys that it names, and a null removes one;
// anything else takes the target's place. Of a key that stands twice in an object the last counts.
std::string MergePatch(std::string_view target, std::string_view patch);

// `object` without the key at the path, whose dots step into objects; the object itself where it has
// none there.
std::string RemoveKey(std::string_view object, std::string_view path);

// An object's keys and the texts of their values; of a key that stands twice the last.
std::vector<std::pair<std::string, std::string>> SplitObject(std::string_view object);

// The same text in one line: without the white space between its tokens.
std::string OneLine(std::string_view json);

}  // namespace vouch
