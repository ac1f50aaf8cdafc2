#pragma once

#include <cstddef>
#include <cstdint>
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
    int client_port = 0;  // tells connections apart
    std::string idempotency_key = {};
  };
  // A part of a streamed body; `pause_ms` before it.
  struct Piece {
    std::string bytes;
    int pause_ms = 0;
  };
  enum class End {
    kClean,   // the body ends as HTTP says
    kCut,     // the connection is closed without the body's end
    kSilent,  // nothing more comes, until the server goes
  };
  struct Reply {
    int status = 200;
    std::string body = {};
    std::map<std::string, std::string> headers = {};
    // Where there is any, the body is streamed: these, one write each, and then `end`.
    std::vector<Piece> pieces = {};
    End end = End::kClean;
  };
  // Called for each POST with its number, from 0, on the server's threads.
  using Handler = std::function<Reply(size_t number, const Request& request)>;

  // `keep_alive`: connections may be used again; the server's end then waits for idle ones.
  explicit ModelServer(Handler handler, bool keep_alive = false);
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

// The reply of a well-behaved rerank server of Cohere's or Jina's shape: the score that `score` gives
// to each document, the best first.
std::string RerankReply(
    const std::string& request_body,
    const std::function<double(const std::string& question, const std::string& text)>& score);

// A streamed chat completion, event by event, as a well-behaved server sends it.
std::string ChatTextEvent(const std::string& text);
std::string ChatFinishEvent(const std::string& reason = "stop");
std::string ChatUsageEvent(uint64_t prompt_tokens, uint64_t completion_tokens);
inline constexpr char kChatDone[] = "data: [DONE]\n\n";
// All of it for a text, a word an event.
ModelServer::Reply ChatStream(const std::string& text, uint64_t prompt_tokens,
                              uint64_t completion_tokens);
// The reply to a request that does not stream.
std::string ChatReplyBody(const std::string& text, uint64_t prompt_tokens,
                          uint64_t completion_tokens);

}  // namespace vouch
