#include "tests/crash/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

namespace vouch {

std::unique_ptr<ServerProcess> ServerProcess::StartAt(const std::string& address, const std::string& binary,
                                                      const std::string& data_dir, const std::string& log_path,
                                                      const std::vector<std::string>& flags) {
  std::vector<std::string> words = {binary, "serve", "--data", data_dir, "--listen", address};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(log);
  return std::unique_ptr<ServerProcess>(new ServerProcess(pid, address));
}

std::unique_ptr<ServerProcess> ServerProcess::Start(const std::string& binary, const std::string& data_dir,
                                                    const std::string& log_path,
                                                    const std::vector<std::string>& flags) {
  const std::string port_file = data_dir + ".port";
  ::unlink(port_file.c_str());
  std::vector<std::string> all_flags = {"--port-file", port_file};
  all_flags.insert(all_flags.end(), flags.begin(), flags.end());
  std::unique_ptr<ServerProcess> server = StartAt("127.0.0.1:0", binary, data_dir, log_path, all_flags);
  // The port file is there once the server takes calls; nothing else tells another process.
  for (int tries = 0; tries < 30'000; ++tries) {
    std::ifstream in(port_file);
    std::string port;
    if (in >> port && !port.empty() && in.peek() == '\n') {
      server->address_ = "127.0.0.1:" + port;
      return server;
    }
    if (::waitpid(server->pid_, nullptr, WNOHANG) == server->pid_) {
      server->pid_ = 0;
      return nullptr;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return nullptr;
}

ServerProcess::~ServerProcess() { Kill(); }

void ServerProcess::Kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

int ServerProcess::Stop() {
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
  return status;
}

}  // namespace vouch
