#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace vouch {

// A `vouch serve` of its own on a loopback port that the system chooses. Killed with the object.
class ServerProcess {
 public:
  // Starts and waits until it listens. Null where it ended before; its log then stands in `log_path`.
  static std::unique_ptr<ServerProcess> Start(const std::string& binary, const std::string& data_dir,
                                              const std::string& log_path,
                                              const std::vector<std::string>& flags = {});
  // Starts it on `address` and does not wait.
  static std::unique_ptr<ServerProcess> StartAt(const std::string& address, const std::string& binary,
                                                const std::string& data_dir, const std::string& log_path,
                                                const std::vector<std::string>& flags = {});
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // kill -9, and waits until it is gone.
  void Kill();
  // SIGTERM; returns the exit status.
  int Stop();
  const std::string& address() const { return address_; }
  pid_t pid() const { return pid_; }

 private:
  ServerProcess(pid_t pid, std::string address) : pid_(pid), address_(std::move(address)) {}

  pid_t pid_;
  std::string address_;
};

}  // namespace vouch
