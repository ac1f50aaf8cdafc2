#include "api/http/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace vouch {
namespace {

thread_local HttpConnection* current = nullptr;

using NameOf = int (*)(int, sockaddr*, socklen_t*);

void ReadAddress(int fd, NameOf name_of, std::string* ip, int* port) {
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  char host[NI_MAXHOST] = "";
  char service[NI_MAXSERV] = "0";
  if (name_of(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    (void)::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof(host), service,
                        sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV);
  }
  *ip = host;
  *port = std::atoi(service);
}

}  // namespace

HttpConnection::HttpConnection(int fd, int stop_fd, const HttpConnectionLimits& limits)
    : fd_(fd), stop_fd_(stop_fd), limits_(limits) {}

HttpConnection::Scope::Scope(HttpConnection* connection) { current = connection; }
HttpConnection::Scope::~Scope() { current = nullptr; }
HttpConnection& HttpConnection::Current() { return *current; }

bool HttpConnection::Await(short events, Clock::time_point until) const {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left < 0) return false;
    // Only reading ends with the server: what is being answered may be written to its end.
    pollfd polled[2] = {{fd_, events, 0}, {stop_fd_, POLLIN, 0}};
    const int ready =
        ::poll(polled, (events & POLLIN) != 0 ? 2 : 1, static_cast<int>(std::min<long>(left, 60'000)));
    if (ready < 0 && errno != EINTR) return false;
    if (polled[0].revents != 0) return true;
    if (polled[1].revents != 0) return false;
    if (ready == 0 && Clock::now() >= until) return false;
  }
}

bool HttpConnection::AwaitRequest() {
  const bool there = begin_ < end_ || Await(POLLIN, Clock::now() + limits_.idle);
  left_bytes_ = limits_.request_bytes;
  request_until_ = Clock::now() + limits_.request;
  return there && !close_;
}

bool HttpConnection::PeerGone() const {
  pollfd polled = {fd_, POLLRDHUP, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void HttpConnection::Linger() {
  constexpr int kMaxReads = 1'000;
  (void)::shutdown(fd_, SHUT_WR);
  const Clock::time_point until = Clock::now() + std::chrono::milliseconds(500);
  for (int i = 0; i < kMaxReads && Await(POLLIN, until); ++i) {
    if (::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) <= 0) return;
  }
}

ssize_t HttpConnection::read(char* bytes, size_t size) {
  if (left_bytes_ == 0) {
    close_ = true;
    return -1;
  }
  if (begin_ == end_) {
    ssize_t got = -1;
    while (Await(POLLIN, request_until_)) {
      got = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got >= 0 || (errno != EINTR && errno != EAGAIN)) break;
    }
    if (got <= 0) {
      close_ = true;
      return got;
    }
    begin_ = 0;
    end_ = static_cast<size_t>(got);
  }
  const size_t taken = std::min({size, end_ - begin_, left_bytes_});
  std::memcpy(bytes, buffer_.data() + begin_, taken);
  begin_ += taken;
  left_bytes_ -= taken;
  return static_cast<ssize_t>(taken);
}

ssize_t HttpConnection::write(const char* bytes, size_t size) {
  size_t written = 0;
  while (written < size) {
    const ssize_t sent =
        ::send(fd_, bytes + written, size - written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      written += static_cast<size_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) ||
        !Await(POLLOUT, Clock::now() + limits_.write)) {
      close_ = true;
      return -1;
    }
  }
  return static_cast<ssize_t>(size);
}

void HttpConnection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ReadAddress(fd_, ::getpeername, &ip, &port);
}

void HttpConnection::get_local_ip_and_port(std::string& ip, int& port) const {
  ReadAddress(fd_, ::getsockname, &ip, &port);
}

}  // namespace vouch
