#include "api/cli/line_diff.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace vouch {

std::string LineDiff(const std::string& before, const std::string& after,
                     const std::string& indent) {
  const std::vector<std::string> a = absl::StrSplit(before, '\n', absl::SkipEmpty());
  const std::vector<std::string> b = absl::StrSplit(after, '\n', absl::SkipEmpty());
  // common[i][j]: lines that a[i …] and b[j …] have in common, in order.
  std::vector<std::vector<uint32_t>> common(a.size() + 1, std::vector<uint32_t>(b.size() + 1, 0));
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i][j] = a[i] == b[j] ? common[i + 1][j + 1] + 1
                                  : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::string diff;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i;
      ++j;
    } else if (j == b.size() || (i < a.size() && common[i + 1][j] >= common[i][j + 1])) {
      absl::StrAppend(&diff, indent, "- ", a[i++], "\n");
    } else {
      absl::StrAppend(&diff, indent, "+ ", b[j++], "\n");
    }
  }
  return diff;
}

}  // namespace vouch
