#pragma once

namespace vouch {

// Exit codes of the program.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// The whole program: parses the command line, runs the command, prints its error. Returns the exit
// code.
int RunProgram(int argc, char** argv);

}  // namespace vouch
