#pragma once

#include <string>
#include <vector>

namespace vouch {

// Levenshtein's distance: the letters to insert, remove or replace.
size_t EditDistance(const std::string& a, const std::string& b);

// The name that takes the fewest edits, the first of several; empty where there is none or the best
// takes more than `most`.
std::string NearestName(const std::string& name, const std::vector<std::string>& names,
                        size_t most = std::string::npos);

}  // namespace vouch
