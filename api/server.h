#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "rag/llm/model_route.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace vouch {

class HookRunner;
class Metrics;
class Tracer;

struct ServerOptions {
  // "HOST:PORT", port 0: the system chooses; empty: no port, in-process calls only
  std::string listen = {};
  uint32_t max_message_mb = 64;   // of one request or reply, 1 … 1024
  uint32_t request_threads = 64;  // calls that run at a time; more get RESOURCE_EXHAUSTED at once
  // Whether challengers that have won are promoted here, where their experiments ask for it. Not by a process that
  // was not given the hooks of its settings: one of them may be there to refuse.
  bool promotes = true;
};

// INVALID_ARGUMENT names the setting where the address is no "HOST:PORT" or "[IPV6]:PORT".
absl::Status CheckAddress(std::string_view setting, const std::string& address);
// "127.0.0.1" and 7700 of a checked address; an IPv6 host without its brackets.
struct HostAndPort {
  std::string host = {};
  int port = 0;
};
HostAndPort SplitAddress(const std::string& address);
// Why nobody can listen on a checked address, in the system's words and what they mean.
std::string WhyNotListen(const std::string& address);

// All services of vouch.v1 with health and reflection. Thread safe.
//
// Its life: it listens; it opens; it shuts down. Health (of the server and of each service) is
// SERVING only while it is open. Before and after that every call gets UNAVAILABLE, so that a
// caller goes elsewhere or comes again, and nothing is half done.
class Server {
 public:
  // Listens and answers health, and nothing else yet. INVALID_ARGUMENT: the address. UNAVAILABLE:
  // it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<Server>> Listen(const ServerOptions& options);
  // Takes calls from here on. Once; what it is given must outlive the server. `route` may be null:
  // answers are quoted; `tracer`, too: nobody takes spans; `hooks`, too: there are none.
  virtual void Open(Database& database, EmbedderRegistry& embedders,
                    ModelRoute* route = nullptr, Tracer* tracer = nullptr,
                    HookRunner* hooks = nullptr) = 0;
  // From here until it shuts down it also looks, once a minute and in the background, at objectives,
  // spending limits and drift monitors, and starts what their alarms start. After Open. What fails is
  // told to `warn`, and looked at again.
  virtual void Watch(std::function<void(const std::string&)> warn) = 0;
  // Listens and opens.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       Database& database,
                                                       EmbedderRegistry& embedders,
                                                       ModelRoute* route = nullptr,
                                                       HookRunner* hooks = nullptr);
  // Shuts down at once.
  virtual ~Server() = default;

  // The port listened on; 0 without one.
  virtual int port() const = 0;
  // "127.0.0.1:7700", with the port in use.
  virtual std::string address() const = 0;
  // Calls go to the services without a socket, by the same code as from outside.
  virtual std::shared_ptr<grpc::Channel> InProcessChannel() = 0;
  // "vouch.v1.Search": all but health and reflection.
  virtual std::vector<std::string> services() const = 0;
  // Whether calls are let in.
  virtual bool ready() const = 0;
  virtual Metrics& metrics() = 0;
  // The text of /metrics.
  virtual std::string RenderMetrics() = 0;
  // Takes no more requests, lets the running ones finish for up to `grace`, then cancels them,
  // which each notices within some milliseconds. Returns when none runs.
  virtual void Shutdown(absl::Duration grace) = 0;
};

}  // namespace vouch
