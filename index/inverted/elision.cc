#include "index/inverted/elision.h"

#include <algorithm>
#include <span>

namespace vouch {
namespace {

constexpr std::string_view kFrenchElided[] = {"c", "d",  "j", "jusqu", "l",      "lorsqu", "m",
                                        "n", "qu", "s", "t",     "puisqu", "quoiqu"};
constexpr std::string_view kItalianElided[] = {"agl",  "all",  "c",    "coll", "d", "dagl", "dall",
                                         "degl", "dell", "gl",   "l",    "m", "negl", "nell",
                                         "pell", "s",    "sugl", "sull", "t", "un",   "v"};
constexpr std::string_view kCatalan[] = {"d", "l", "m", "n", "s", "t"};

std::span<const std::string_view> ElidedIn(std::string_view language) {
  if (language == "french") return kFrenchElided;
  if (language == "italian") return kItalianElided;
  if (language == "catalan") return kCatalan;
  return {};
}

}  // namespace

bool CutsElisions(std::string_view language) { return !ElidedIn(language).empty(); }

std::string_view CutElision(std::string_view language, std::string_view word) {
  const std::span<const std::string_view> elided = ElidedIn(language);
  if (elided.empty()) return word;
  const size_t apostrophe = word.find('\'');
  if (apostrophe == std::string_view::npos || apostrophe + 1 == word.size()) return word;
  const std::string_view article = word.substr(0, apostrophe);
  if (std::find(elided.begin(), elided.end(), article) == elided.end()) return word;
  return word.substr(apostrophe + 1);
}

}  // namespace vouch
