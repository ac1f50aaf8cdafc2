#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "api/status.h"
#include "index/cancel.h"
#include "storage/principal.h"

namespace vouch {

// Stops with the caller's deadline, and when the caller cancels or its connection is lost.
inline CancelToken CancelOf(const grpc::ServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  const bool bounded = deadline != std::chrono::system_clock::time_point::max();
  return CancelToken(bounded ? absl::FromChrono(deadline) : absl::InfiniteFuture(),
                     [&context] { return context.IsCancelled(); });
}

// As long as the server does not authenticate, every caller is the default principal; nothing that
// a caller claims about itself in metadata is believed.
inline Principal PrincipalOf(const grpc::ServerContext&) { return Principal{}; }

// Runs one request: not at all where its deadline has passed while it waited. The one boundary at
// which exceptions of the libraries below (out of memory) become a status.
template <class Handler>
grpc::Status Serve(const grpc::ServerContext& context, Handler&& handler) {
  if (absl::Status status = CancelOf(context).Check(); !status.ok()) return ToGrpc(status);
  try {
    return ToGrpc(std::forward<Handler>(handler)());
  } catch (const std::bad_alloc&) {
    return ToGrpc(absl::ResourceExhaustedError("the server is out of memory for this request"));
  } catch (const std::exception& error) {
    return ToGrpc(absl::InternalError(absl::StrCat("unexpected: ", error.what())));
  }
}

}  // namespace vouch
