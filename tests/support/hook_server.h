#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vouch {

// An HTTP server on loopback that takes webhooks and answers as the test says. Thread safe.
class HookServer {
 public:
  struct Request {
    std::string path;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
  };
  struct Reply {
    int status = 200;
    std::string body = {};
    int delay_ms = 0;  // before it is sent
  };
  // Called for each POST with its number, from 0, on the server's threads.
  using Handler = std::function<Reply(size_t number, const Request& request)>;

  explicit HookServer(Handler handler);
  ~HookServer();
  HookServer(const HookServer&) = delete;
  HookServer& operator=(const HookServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT/events"
  std::vector<Request> requests() const;
  // Waits for so many requests; false where they do not come within ten seconds.
  bool Await(size_t count) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vouch
