#pragma once

#include <string>

namespace vouch {

// What changes from one text to the other, line by line: "- " before lines that go, "+ " before those
// that come, each behind `indent`; equal lines are left out. By a longest common subsequence, in
// O(lines * lines): for texts of some hundred lines.
std::string LineDiff(const std::string& before, const std::string& after, const std::string& indent);

}  // namespace vouch
