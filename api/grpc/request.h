#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "api/grpc/services.h"
#include "api/status.h"
#include "index/cancel.h"
#include "storage/principal.h"

namespace vouch {

inline absl::Time DeadlineOf(const grpc::ServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  const bool bounded = deadline != std::chrono::system_clock::time_point::max();
  return bounded ? absl::FromChrono(deadline) : absl::InfiniteFuture();
}

// CANCELLED where the caller cancelled or its connection is lost, DEADLINE_EXCEEDED, or OK. Asks
// gRPC, which polls the call's queue for that and disturbs other threads.
inline absl::Status CheckCall(const grpc::ServerContext& context) {
  return CancelToken(DeadlineOf(context), [&context] { return context.IsCancelled(); }).Check();
}

// Stops with the caller's deadline, and within 10 ms after the caller cancels or its connection is
// lost: gRPC is asked no more often, and not at all by a request that is done before. Copies may be
// asked by several threads.
inline CancelToken CancelOf(const grpc::ServerContext& context) {
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kAskEvery = std::chrono::milliseconds(10);
  auto next = std::make_shared<std::atomic<Clock::time_point>>(Clock::now() + kAskEvery);
  return CancelToken(DeadlineOf(context), [&context, next = std::move(next)] {
    const Clock::time_point now = Clock::now();
    if (now < next->load(std::memory_order_relaxed)) return false;
    if (context.IsCancelled()) return true;  // and it stays so, however often it is asked
    next->store(now + kAskEvery, std::memory_order_relaxed);
    return false;
  });
}

// As long as the server does not authenticate, every caller is the default principal; nothing that
// a caller claims about itself in metadata is believed.
inline Principal PrincipalOf(const grpc::ServerContext&) { return Principal{}; }

// "tenant/subject", for the audit log.
inline std::string ActorOf(const grpc::ServerContext& context) {
  const Principal principal = PrincipalOf(context);
  return absl::StrCat(principal.tenant, "/", principal.subject);
}

// Runs one request where the gate lets it in: not at all where its deadline has passed while it
// waited. The one boundary at which exceptions of the libraries below (out of memory) become a
// status.
template <class Handler>
grpc::Status Serve(const ServiceContext& services, const grpc::ServerContext& context,
                   Handler&& handler) {
  if (absl::Status status = services.gate->Enter(); !status.ok()) return ToGrpc(status);
  const absl::Cleanup leave = [&services] { services.gate->Leave(); };
  if (context.deadline() < std::chrono::system_clock::now()) {
    return ToGrpc(absl::DeadlineExceededError("the request's deadline passed while it waited"));
  }
  try {
    return ToGrpc(std::forward<Handler>(handler)());
  } catch (const std::bad_alloc&) {
    return ToGrpc(absl::ResourceExhaustedError("the server is out of memory for this request"));
  } catch (const std::exception& error) {
    return ToGrpc(absl::InternalError(absl::StrCat("unexpected: ", error.what())));
  }
}

}  // namespace vouch
