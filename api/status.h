#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace vouch {

// The two kinds of status have the same codes (google.rpc.Code). A message is cut at
// kMaxStatusMessageBytes, since gRPC sends it in a header, and percent-encoded: longer ones would
// be lost whole.
inline constexpr size_t kMaxStatusMessageBytes = 2'000;
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace vouch
