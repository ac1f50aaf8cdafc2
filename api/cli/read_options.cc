#include "api/cli/read_options.h"

#include <CLI/CLI.hpp>

namespace vouch {

void AddModeOption(CLI::App& command, std::string* mode) {
  command
      .add_option("--mode", *mode, "hybrid (default): both of text (BM25) and dense (by meaning)")
      ->check(CLI::IsMember({"hybrid", "text", "dense"}))
      ->type_name("MODE");
}

void AddFilterOption(CLI::App& command, std::string* filter) {
  command.add_option("--filter", *filter, "condition, as \"year >= 2020 and lang in ('en','de')\"")
      ->type_name("EXPR");
}

void AddAtOption(CLI::App& command, std::string* at) {
  command
      .add_option("--at", *at,
                  "latest (default), a version (v12), a tag, or a time (@2026-11-23T10:00:00Z)")
      ->type_name("VERSION");
}

v1::RetrievalMode ModeOf(const std::string& mode) {
  if (mode == "dense") return v1::RETRIEVAL_MODE_DENSE;
  if (mode == "text") return v1::RETRIEVAL_MODE_TEXT;
  return v1::RETRIEVAL_MODE_HYBRID;
}

}  // namespace vouch
