#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>

namespace vouch {

// Times and sizes of one connection.
struct HttpConnectionLimits {
  std::chrono::milliseconds idle = std::chrono::seconds(60);     // between two requests
  std::chrono::milliseconds request = std::chrono::seconds(60);  // from its first byte to its last
  std::chrono::milliseconds write = std::chrono::seconds(30);    // a peer that takes no byte so long
  size_t request_bytes = size_t{64} << 20;                       // of one request, head and body
};

// A connection as cpp-httplib's requests read and write it. It knows its peer: whether it has gone
// is asked while an answer is made. Used by one thread.
//
// Invariants:
// 1. No read waits past the idle or request time, none goes past request_bytes, and none waits on
//    once `stop_fd` can be read.
// 2. No write waits longer than `write` for the peer to take a byte.
class HttpConnection final : public httplib::Stream {
 public:
  // Borrows both descriptors.
  HttpConnection(int fd, int stop_fd, const HttpConnectionLimits& limits);

  // Waits for the first byte of the next request. False: none came in time, the peer has gone, or
  // the server stops.
  bool AwaitRequest();
  // Whether the peer has closed or broken the connection; what closes its sending side has gone.
  bool PeerGone() const;
  // Ends the sending side and takes what the peer still sends, for a moment: bytes that nobody reads
  // would have the system throw away the reply.
  void Linger();
  // The connection ends with the request that is served.
  void CloseAfterThis() { close_ = true; }
  bool closes() const { return close_; }

  // That of the request which this thread serves.
  static HttpConnection& Current();
  class Scope;

  bool is_readable() const override { return begin_ < end_; }
  bool is_writable() const override { return !close_; }
  ssize_t read(char* bytes, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  int socket() const override { return fd_; }

 private:
  using Clock = std::chrono::steady_clock;
  bool Await(short events, Clock::time_point until) const;

  const int fd_;
  const int stop_fd_;
  const HttpConnectionLimits limits_;
  std::array<char, 4096> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t left_bytes_ = 0;           // of this request's
  Clock::time_point request_until_ = {};
  bool close_ = false;
};

// Makes a connection the current one of the thread.
class HttpConnection::Scope {
 public:
  explicit Scope(HttpConnection* connection);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
};

}  // namespace vouch
