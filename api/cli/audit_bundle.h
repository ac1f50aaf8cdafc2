#pragma once

#include <string>

#include "absl/status/status.h"

namespace vouch {

class Invocation;

struct BundleOptions {
  std::string path = {};
  // What was kept elsewhere; empty: nothing.
  std::string head = {};    // of the audit log, "NUMBER:HASH"
  std::string expect = {};  // of the answers' chain, likewise
  std::string seal = {};
};

// `vouch audit verify --bundle FILE`: without a store and without a server. DATA_LOSS where anything was changed; each problem is
// printed.
absl::Status VerifyBundle(const Invocation& invocation, const BundleOptions& options);

}  // namespace vouch
