#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace vouch {

// What is wrong with a command line that does not parse, and what to do: the mistake, the nearest
// command or option, an example. Ends with a line break.
std::string ExplainUsage(const CLI::App& app, int argc, const char* const* argv,
                         const CLI::ParseError& error);

}  // namespace vouch
