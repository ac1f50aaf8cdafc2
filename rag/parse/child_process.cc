#include "rag/parse/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "storage/concat.h"

namespace vouch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxErrorBytes = 4'096;
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kPollMs = 50;  // how soon a cancelled caller is noticed
constexpr char kDefaultPath[] = "/usr/local/bin:/usr/bin:/bin";

absl::Status SystemError(const char* what) {
  return absl::InternalError(Concat(what, ": ", std::strerror(errno)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Set(int fd) {
    Close();
    fd_ = fd;
  }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read;
  Descriptor write;

  bool Open() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return false;
    read.Set(fds[0]);
    write.Set(fds[1]);
    return true;
  }
};

// posix_spawn: the child never runs a line of ours before the program does, whatever threads there are.
int Spawn(const ChildOptions& options, int input, int output, int errors, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  // Ours are closed on exec; those that a library opened otherwise must not reach what parses hostile bytes.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGCHLD}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (options.own_group) {
    posix_spawnattr_setpgroup(&attributes, 0);
    flags |= POSIX_SPAWN_SETPGROUP;
  }
  posix_spawnattr_setflags(&attributes, flags);
  std::vector<std::string> words = {options.program};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const char* const path = std::getenv("PATH");
  std::string environment[] = {Concat("PATH=", path == nullptr ? kDefaultPath : path), "LC_ALL=C",
                               "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1"};
  std::vector<char*> variables;
  for (std::string& variable : environment) variables.push_back(variable.data());
  variables.push_back(nullptr);
  const int error =
      ::posix_spawn(pid, options.program.c_str(), &actions, &attributes, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

// Reads both pipes until they end.
class Reader {
 public:
  Reader(const ChildOptions& options, const CancelToken& cancel,
         const std::function<absl::Status(std::string_view)>& on_output)
      : options_(options), cancel_(cancel), on_output_(on_output), buffer_(kReadBytes, '\0') {}

  absl::Status ReadAll(Descriptor& output, Descriptor& errors, Clock::time_point deadline, ChildEnd* end) {
    while (output.get() >= 0 || errors.get() >= 0) {
      if (absl::Status status = cancel_.Check(); !status.ok()) return status;
      if (Clock::now() >= deadline) {
        return absl::DeadlineExceededError(
            Concat("it took longer than ", FormatSeconds(), ", the limit of one document"));
      }
      pollfd polled[2] = {{.fd = output.get(), .events = POLLIN, .revents = 0},
                          {.fd = errors.get(), .events = POLLIN, .revents = 0}};
      const int ready = ::poll(polled, 2, kPollMs);
      if (ready < 0 && errno != EINTR) return SystemError("poll");
      if (ready <= 0) continue;
      if (polled[0].revents != 0) {
        if (absl::Status status = TakeOutput(output); !status.ok()) return status;
      }
      if (polled[1].revents != 0) TakeErrors(errors, end);
    }
    return absl::OkStatus();
  }

 private:
  std::string FormatSeconds() const { return Concat(options_.time.count() / 1000.0, " s"); }

  absl::Status TakeOutput(Descriptor& output) {
    const ssize_t count = ::read(output.get(), buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) return absl::OkStatus();
    if (count < 0) return SystemError("read");
    if (count == 0) {
      output.Close();
      return absl::OkStatus();
    }
    taken_ += static_cast<uint64_t>(count);
    if (taken_ > options_.output_bytes) {
      return absl::ResourceExhaustedError(
          Concat("it makes more than ", options_.output_bytes, " bytes of output, the limit of one document"));
    }
    return on_output_(std::string_view(buffer_).substr(0, static_cast<size_t>(count)));
  }

  void TakeErrors(Descriptor& errors, ChildEnd* end) {
    const ssize_t count = ::read(errors.get(), buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) return errors.Close();
    const size_t room = kMaxErrorBytes - end->errors.size();
    end->errors.append(buffer_, 0, std::min(room, static_cast<size_t>(count)));
  }

  const ChildOptions& options_;
  const CancelToken& cancel_;
  const std::function<absl::Status(std::string_view)>& on_output_;
  std::string buffer_;
  uint64_t taken_ = 0;
};

// Waits for a child that has closed its output; it is killed where it does not end in time, and its group in any case.
absl::Status Wait(pid_t pid, const ChildOptions& options, const CancelToken& cancel, Clock::time_point deadline,
                  int* state) {
  absl::Status status;
  siginfo_t info = {};
  while (status.ok()) {
    // It stays a zombie, so that its number, which is its group's, is not given to another.
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno != EINTR) {
      return SystemError("waitid");
    }
    if (info.si_pid == pid) break;
    status = cancel.Check();
    if (status.ok() && Clock::now() >= deadline) {
      status = absl::DeadlineExceededError(
          Concat("it took longer than ", options.time.count() / 1000.0, " s, the limit of one document"));
    }
    if (status.ok()) ::usleep(500);
  }
  // With what it started and left behind.
  const bool ended = info.si_pid == pid;
  if ((options.own_group || !ended) && ::kill(options.own_group ? -pid : pid, SIGKILL) != 0 && !ended) return status;
  while (::waitpid(pid, state, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

absl::StatusOr<ChildEnd> RunChild(const ChildOptions& options, const CancelToken& cancel,
                                  const std::function<absl::Status(std::string_view)>& on_output) {
  Descriptor own_input;
  int input = options.input_fd;
  if (input < 0) {
    absl::StatusOr<int> file = MemoryFile(options.input);
    if (!file.ok()) return file.status();
    own_input.Set(*file);
    input = *file;
  }
  Pipe output;
  Pipe errors;
  if (!output.Open() || !errors.Open()) return SystemError("pipe");
  const Clock::time_point deadline = Clock::now() + options.time;
  pid_t pid = 0;
  const int error = Spawn(options, input, output.write.get(), errors.write.get(), &pid);
  if (error == ENOENT) return absl::NotFoundError(Concat("there is no program ", options.program));
  if (error != 0) return absl::InternalError(Concat("cannot start ", options.program, ": ", std::strerror(error)));
  output.write.Close();
  errors.write.Close();
  ChildEnd end;
  absl::Status status = Reader(options, cancel, on_output).ReadAll(output.read, errors.read, deadline, &end);
  if (!status.ok()) {
    // Inside the sandbox nobody may be killed: there it ends with us.
    if (::kill(options.own_group ? -pid : pid, SIGKILL) != 0) return status;
    int state = 0;
    while (::waitpid(pid, &state, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  int state = 0;
  status = Wait(pid, options, cancel, deadline, &state);
  if (!status.ok()) return status;
  if (WIFSIGNALED(state)) end.signal = WTERMSIG(state);
  if (WIFEXITED(state)) end.exit_code = WEXITSTATUS(state);
  return end;
}

absl::StatusOr<int> MemoryFile(std::string_view bytes) {
  Descriptor file(::memfd_create("vouch-document", MFD_CLOEXEC));
  if (file.get() < 0) return SystemError("memfd_create");
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError("cannot write to memory");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return SystemError("lseek");
  const int fd = ::fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return fd < 0 ? absl::StatusOr<int>(SystemError("dup")) : absl::StatusOr<int>(fd);
}

std::string FindProgram(std::string_view name) {
  const char* const path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? kDefaultPath : path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = Concat(rest.substr(0, end), "/", name);
    if (end > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

}  // namespace vouch
