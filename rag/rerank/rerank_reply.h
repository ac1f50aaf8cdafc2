#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// Reads the reply to POST /v1/rerank or /v2/rerank: {"results": [{"index": 1, "relevance_score":
// 0.98}, …]}. Returns `count` finite scores by index. FAILED_PRECONDITION where the reply is no
// JSON, or has another count, an index twice or out of range, or a score that is no finite number;
// the message says which.
absl::StatusOr<std::vector<double>> ParseRerankReply(std::string_view body, size_t count);

}  // namespace vouch
