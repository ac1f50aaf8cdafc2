#pragma once

#include <string>

#include "absl/status/status.h"

namespace vouch {

class Invocation;

// `vouch audit verify --bundle FILE`: without a store and without a server. `head` ("NUMBER:HASH") and `seal` may be empty.
// DATA_LOSS where anything was changed; each problem is printed.
absl::Status VerifyBundle(const Invocation& invocation, const std::string& path, const std::string& head,
                          const std::string& seal);

}  // namespace vouch
