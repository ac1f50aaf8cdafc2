#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"

namespace vouch {

struct ChildOptions {
  std::string program = {};               // a path
  std::vector<std::string> arguments = {};  // without the program's name
  std::string input = {};  // not used where input_fd is given
  int input_fd = -1;       // the child's standard input, from its start
  bool own_group = true;   // so that what the child starts ends with it
  std::chrono::milliseconds time = std::chrono::seconds(120);
  uint64_t output_bytes = uint64_t{128} << 20;
};

// How a child ended.
struct ChildEnd {
  int exit_code = 0;   // where signal is 0
  int signal = 0;
  std::string errors = {};  // the first bytes of what it wrote to standard error
};

// Runs a program, gives its output to `on_output` piece by piece, and waits for its end. The child has no environment but
// PATH and the C locale, and of our descriptors only the standard three. It is killed, with its group, where time or
// output run out, the caller cancels, or `on_output` gives an error.
//
// NOT_FOUND: there is no such program. DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED: the limit, by number. Otherwise what
// `cancel` or `on_output` gave.
absl::StatusOr<ChildEnd> RunChild(const ChildOptions& options, const CancelToken& cancel,
                                  const std::function<absl::Status(std::string_view)>& on_output);

// A file in memory that holds the bytes, not inherited by programs; the caller closes it.
absl::StatusOr<int> MemoryFile(std::string_view bytes);

// The path of a program by PATH; empty where there is none.
std::string FindProgram(std::string_view name);

}  // namespace vouch
