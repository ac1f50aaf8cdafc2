#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vouch {

// An HTTP server on loopback that answers what the test says: stands for a server of the OpenAI
// wire format. Thread safe.
class ModelServer {
 public:
  struct Request {
    std::string path;
    std::string authorization;
    std::string body;
  };
  struct Reply {
    int status = 200;
    std::string body;
    std::map<std::string, std::string> headers = {};
  };
  // Called for each POST with its number, from 0, on the server's threads.
  using Handler = std::function<Reply(size_t number, const Request& request)>;

  explicit ModelServer(Handler handler);
  ~ModelServer();
  ModelServer(const ModelServer&) = delete;
  ModelServer& operator=(const ModelServer&) = delete;

  std::string base_url() const;  // "http://127.0.0.1:PORT/v1"
  std::vector<Request> requests() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The reply of a well-behaved embeddings server: for each input text the vector that `embed` gives,
// in reverse order (a client must go by index).
std::string EmbeddingsReply(const std::string& request_body,
                            const std::function<std::vector<float>(const std::string&)>& embed,
                            bool base64 = false);

}  // namespace vouch
