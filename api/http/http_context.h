#pragma once

#include <httplib.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/http/rpc_call.h"

namespace vouch {

class Metrics;

// What the pages answer from. Lives longer than they do.
struct HttpContext {
  std::shared_ptr<grpc::Channel> channel = nullptr;  // of the services, in this process
  std::vector<std::string> services = {};            // "vouch.v1.Answers"
  std::function<bool()> ready = nullptr;             // whether calls are let in
  Metrics* metrics = nullptr;
  std::chrono::milliseconds keep_alive = std::chrono::seconds(15);  // HttpServerOptions
};

// The call's deadline (header `Vouch-Timeout-Ms`, at most and by default kMaxCallTime) and the
// peer's end. INVALID_ARGUMENT: the header is no such number.
inline constexpr absl::Duration kMaxCallTime = absl::Minutes(30);
absl::StatusOr<RpcOptions> RpcOptionsOf(const httplib::Request& request);

// One page each; `body` is the request's, whole. They fill status, headers and body, or leave a
// provider that writes the body as it comes.
void ServeJsonApi(const HttpContext& context, const httplib::Request& request,
                  const std::string& body, httplib::Response* response);
void ServeChatCompletions(const HttpContext& context, const httplib::Request& request,
                          const std::string& body, httplib::Response* response);
void ServeEmbeddings(const HttpContext& context, const httplib::Request& request,
                     const std::string& body, httplib::Response* response);
void ServeModels(const HttpContext& context, const httplib::Request& request,
                 const std::string& body, httplib::Response* response);

}  // namespace vouch
