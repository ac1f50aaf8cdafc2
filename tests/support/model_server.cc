#include "tests/support/model_server.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"

namespace vouch {

class ModelServer::Impl {
 public:
  Impl(Handler handler, bool keep_alive) : handler_(std::move(handler)) {
    if (!keep_alive) server_.set_keep_alive_max_count(1);
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      Answer(request, response);
    });
    server_.set_tcp_nodelay(true);  // pieces shall leave as they are written
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that would be lost
  }
  ~Impl() {
    stopping_ = true;
    server_.stop();
    thread_.join();
  }

  int port() const { return port_; }
  std::vector<Request> requests() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return requests_;
  }

 private:
  void Answer(const httplib::Request& request, httplib::Response& response) {
    const Request seen{request.path, request.get_header_value("Authorization"), request.body,
                       request.remote_port, request.get_header_value("Idempotency-Key")};
    size_t number = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      number = requests_.size();
      requests_.push_back(seen);
    }
    const Reply reply = handler_(number, seen);
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name, value);
    if (reply.pieces.empty() && reply.end == End::kClean) {
      response.set_content(reply.body, "application/json");
      return;
    }
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, reply](size_t, httplib::DataSink& sink) { return Stream(reply, sink); });
  }

  bool Stream(const Reply& reply, httplib::DataSink& sink) const {
    for (const Piece& piece : reply.pieces) {
      std::this_thread::sleep_for(std::chrono::milliseconds(piece.pause_ms));
      if (stopping_ || !sink.write(piece.bytes.data(), piece.bytes.size())) return false;
    }
    switch (reply.end) {
      case End::kClean:
        sink.done();
        return true;
      case End::kCut:
        return false;
      case End::kSilent:
        while (!stopping_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return false;
    }
    return false;
  }

  const Handler handler_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mu_;
  std::vector<Request> requests_;  // guarded by mu_
};

ModelServer::ModelServer(Handler handler, bool keep_alive)
    : impl_(std::make_unique<Impl>(std::move(handler), keep_alive)) {}
ModelServer::~ModelServer() = default;

std::string ModelServer::base_url() const {
  return "http://127.0.0.1:" + std::to_string(impl_->port()) + "/v1";
}

std::vector<ModelServer::Request> ModelServer::requests() const { return impl_->requests(); }

std::string EmbeddingsReply(const std::string& request_body,
                            const std::function<std::vector<float>(const std::string&)>& embed,
                            bool base64) {
  const auto request = nlohmann::json::parse(request_body);
  nlohmann::json data = nlohmann::json::array();
  for (size_t i = request["input"].size(); i-- > 0;) {
    const std::vector<float> vector = embed(request["input"][i].get<std::string>());
    nlohmann::json embedding = vector;
    if (base64) {
      embedding = absl::Base64Escape(
          std::string(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)));
    }
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", embedding}});
  }
  return nlohmann::json{{"object", "list"}, {"data", data}, {"model", request["model"]}}.dump();
}

std::string RerankReply(
    const std::string& request_body,
    const std::function<double(const std::string& question, const std::string& text)>& score) {
  const auto request = nlohmann::json::parse(request_body);
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < request["documents"].size(); ++i) {
    const std::string text = request["documents"][i];
    order.emplace_back(-score(request["query"], text), i);
  }
  std::sort(order.begin(), order.end());
  nlohmann::json results = nlohmann::json::array();
  for (const auto& [negated, index] : order) {
    results.push_back({{"index", index}, {"relevance_score", -negated}});
  }
  return nlohmann::json{{"id", "r-1"}, {"model", request["model"]}, {"results", results}}.dump();
}

namespace {

using Json = nlohmann::ordered_json;

std::string ChatEvent(Json choices, Json usage) {
  const Json event = {{"id", "chatcmpl-1"},
                      {"object", "chat.completion.chunk"},
                      {"created", 1},
                      {"model", "served-model"},
                      {"system_fingerprint", "fp_1"},
                      {"choices", std::move(choices)},
                      {"usage", std::move(usage)}};
  return "data: " + event.dump() + "\n\n";
}

Json UsageJson(uint64_t prompt_tokens, uint64_t completion_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens}};
}

}  // namespace

std::string ChatTextEvent(const std::string& text) {
  return ChatEvent(
      Json::array({{{"index", 0}, {"delta", {{"content", text}}}, {"finish_reason", nullptr}}}),
      nullptr);
}

std::string ChatFinishEvent(const std::string& reason) {
  return ChatEvent(
      Json::array({{{"index", 0}, {"delta", Json::object()}, {"finish_reason", reason}}}), nullptr);
}

std::string ChatUsageEvent(uint64_t prompt_tokens, uint64_t completion_tokens) {
  return ChatEvent(Json::array(), UsageJson(prompt_tokens, completion_tokens));
}

ModelServer::Reply ChatStream(const std::string& text, uint64_t prompt_tokens,
                              uint64_t completion_tokens) {
  ModelServer::Reply reply;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size() - 1) + 1;
    reply.pieces.push_back({ChatTextEvent(text.substr(begin, end - begin))});
    begin = end;
  }
  reply.pieces.push_back({ChatFinishEvent()});
  reply.pieces.push_back({ChatUsageEvent(prompt_tokens, completion_tokens)});
  reply.pieces.push_back({kChatDone});
  return reply;
}

std::string ChatReplyBody(const std::string& text, uint64_t prompt_tokens,
                          uint64_t completion_tokens) {
  const Json message = {{"role", "assistant"}, {"content", text}};
  return Json{
      {"id", "chatcmpl-1"},
      {"object", "chat.completion"},
      {"model", "served-model"},
      {"choices", Json::array({{{"index", 0}, {"message", message}, {"finish_reason", "stop"}}})},
      {"usage", UsageJson(prompt_tokens, completion_tokens)}}
      .dump();
}

}  // namespace vouch
