#include "tests/support/model_server.h"

#include <httplib.h>

#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/escaping.h"

namespace vouch {

class ModelServer::Impl {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)) {
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      Answer(request, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that would be lost
  }
  ~Impl() {
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
    const Request seen{request.path, request.get_header_value("Authorization"), request.body};
    size_t number = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      number = requests_.size();
      requests_.push_back(seen);
    }
    const Reply reply = handler_(number, seen);
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name, value);
    response.set_content(reply.body, "application/json");
  }

  const Handler handler_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mu_;
  std::vector<Request> requests_;  // guarded by mu_
};

ModelServer::ModelServer(Handler handler) : impl_(std::make_unique<Impl>(std::move(handler))) {}
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

}  // namespace vouch
