#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace vouch {

// A model server on loopback that writes one event after another at a pace, and notes when each
// stream's first one left.
class PacedModel {
 public:
  struct Pace {
    int before_first_ms = 0;
    int between_ms = 0;
    int events = 1;
    std::string text = {};  // of each event
  };

  explicit PacedModel(Pace pace);
  ~PacedModel();
  PacedModel(const PacedModel&) = delete;
  PacedModel& operator=(const PacedModel&) = delete;

  std::string base_url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }
  // When the last stream's first event was handed to the system.
  std::chrono::steady_clock::time_point first_event() const { return first_event_.load(); }

 private:
  void Accept();
  void Serve(int fd);

  const Pace pace_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> first_event_{};
  std::mutex mu_;
  std::list<std::thread> connections_;  // guarded by mu_
  std::thread accepting_;
};

// A connected socket to a port of loopback; -1 where there is none.
int ConnectTo(int port);
bool WriteAll(int fd, const std::string& bytes);

}  // namespace vouch
