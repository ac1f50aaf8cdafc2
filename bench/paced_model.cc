#include "bench/paced_model.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace vouch {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

std::string Chunk(const std::string& data) {
  char head[32];
  std::snprintf(head, sizeof(head), "%zx\r\n", data.size());
  return head + data + "\r\n";
}

std::string Event(const std::string& json) { return Chunk("data: " + json + "\n\n"); }

// Whole once the body is as long as its head says.
bool ReadRequest(int fd) {
  std::string request;
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got <= 0) return false;
    request.append(buffer, static_cast<size_t>(got));
    const size_t end = request.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const size_t at = request.find("Content-Length: ");
    const size_t length =
        at == std::string::npos ? 0 : std::strtoull(request.c_str() + at + 16, nullptr, 10);
    if (request.size() >= end + 4 + length) return true;
  }
}

}  // namespace

int ConnectTo(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

bool WriteAll(int fd, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t put = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (put <= 0) return false;
    at += static_cast<size_t>(put);
  }
  return true;
}

PacedModel::PacedModel(Pace pace) : pace_(std::move(pace)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 512) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("paced_model");
    std::exit(1);
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { Accept(); });
}

PacedModel::~PacedModel() {
  ::shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  ::close(listener_);
  for (std::thread& connection : connections_) connection.join();
}

void PacedModel::Accept() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard<std::mutex> lock(mu_);
    connections_.emplace_back([this, fd] { Serve(fd); });
  }
}

void PacedModel::Serve(int fd) {
  const int yes = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  if (ReadRequest(fd) &&
      WriteAll(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
                   "chunked\r\nConnection: close\r\n\r\n")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pace_.before_first_ms));
    bool there = true;
    for (int i = 0; i < pace_.events && there; ++i) {
      if (i == 0) first_event_.store(std::chrono::steady_clock::now());
      there = WriteAll(fd, Event(R"({"choices":[{"index":0,"delta":{"content":")" + pace_.text +
                                 R"("}}]})"));
      if (i + 1 < pace_.events)
        std::this_thread::sleep_for(std::chrono::milliseconds(pace_.between_ms));
    }
    (void)WriteAll(fd, Event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") +
                           Event(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9}})") +
                           Event("[DONE]") + "0\r\n\r\n");
  }
  ::close(fd);
}

}  // namespace vouch
