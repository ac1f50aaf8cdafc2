#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace vouch {

// How a run of the program ended.
struct ProgramResult {
  int exit_code = -1;  // -1: killed by a signal
  std::string out;
  std::string err;
};

// Runs `vouch` with these words and an environment that holds nothing but `environment` (HOME is
// `home`), as another user where `user` is not 0 (for tests that root runs). Waits for its end.
ProgramResult RunVouch(const std::vector<std::string>& words, const std::string& home,
                       const std::map<std::string, std::string>& environment = {}, uid_t user = 0);

}  // namespace vouch
