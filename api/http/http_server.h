#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "api/server.h"

namespace vouch {

struct HttpServerOptions {
  std::string listen = {};        // "HOST:PORT", port 0: the system chooses
  uint32_t max_message_mb = 64;   // of one request, head and body; more gets 413
  uint32_t connections = 256;     // at a time, a thread each; one more gets 503 at once
  // How long server-sent events, once they have begun, are silent before a comment goes out, so that no proxy takes the
  // connection for dead. Less: more bytes; more: proxies with short times cut it.
  std::chrono::milliseconds keep_alive = std::chrono::seconds(15);
};

// HTTP/1.1 beside the gRPC services, which it calls in process: so both have the same limits and
// say the same.
//   /healthz, /readyz, /metrics        the process lives; it takes calls; what it counts
//   /v1/chat/completions, /v1/models, /v1/embeddings   as OpenAI's API has them
//   /vouch/v1/SERVICE/METHOD           every gRPC method, its messages as JSON
//
// Threads: one a connection, and while it calls one of the services another one there. What streams
// keeps both. A client that goes ends its call within some 20 ms.
class HttpServer {
 public:
  // Listens and serves. `server` outlives it. INVALID_ARGUMENT: the address. UNAVAILABLE: it cannot
  // be listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           Server& server);
  // Shuts down.
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
  virtual std::string address() const = 0;
  // Takes no more connections, ends the idle ones, waits for requests that run: shut `server` down
  // first, and they end.
  virtual void Shutdown() = 0;
};

}  // namespace vouch
