#include "tests/support/hook_server.h"

#include <httplib.h>

#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace vouch {

class HookServer::Impl {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)) {
    server_.set_keep_alive_max_count(1);
    server_.Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      Answer(request, response);
    });
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
  bool Await(size_t count) const {
    std::unique_lock<std::mutex> lock(mu_);
    return came_.wait_for(lock, std::chrono::seconds(10),
                          [&] { return requests_.size() >= count; });
  }

 private:
  void Answer(const httplib::Request& request, httplib::Response& response) {
    Request seen{.path = request.path, .headers = {}, .body = request.body};
    for (const auto& [name, value] : request.headers) {
      std::string lower;
      for (const char c : name)
        lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      seen.headers[lower] = value;
    }
    size_t number = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      number = requests_.size();
      requests_.push_back(seen);
    }
    came_.notify_all();
    const Reply reply = handler_(number, seen);
    for (int waited = 0; waited < reply.delay_ms && !stopping_; waited += 5)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    response.status = reply.status;
    response.set_content(reply.body, "application/json");
  }

  const Handler handler_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mu_;
  mutable std::condition_variable came_;
  std::vector<Request> requests_;  // guarded by mu_
};

HookServer::HookServer(Handler handler) : impl_(std::make_unique<Impl>(std::move(handler))) {}
HookServer::~HookServer() = default;

std::string HookServer::url() const {
  return "http://127.0.0.1:" + std::to_string(impl_->port()) + "/events";
}
std::vector<HookServer::Request> HookServer::requests() const { return impl_->requests(); }
bool HookServer::Await(size_t count) const { return impl_->Await(count); }

}  // namespace vouch
