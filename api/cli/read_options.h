#pragma once

#include <string>

#include "vouch/v1/search.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

// Options that several reading commands share.
void AddModeOption(CLI::App& command, std::string* mode);
void AddFilterOption(CLI::App& command, std::string* filter);
void AddAtOption(CLI::App& command, std::string* at);

// Of a mode that AddModeOption has checked.
v1::RetrievalMode ModeOf(const std::string& mode);

}  // namespace vouch
