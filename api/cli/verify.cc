#include <CLI/CLI.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "storage/store.h"

namespace vouch {
namespace {

absl::Status RunVerify(Invocation& invocation) {
  absl::StatusOr<Config> config = invocation.LoadSettings();
  if (!config.ok()) return config.status();
  absl::StatusOr<std::string> data_dir = invocation.DataDir(*config);
  if (!data_dir.ok()) return data_dir.status();
  StoreOptions options;
  options.path = *data_dir + "/store";
  options.create_if_missing = false;
  absl::Status there = CheckStoreIn(*data_dir, "--data names the folder");
  if (!there.ok()) return there;
  Progress progress = invocation.MakeProgress();
  absl::StatusOr<VerifyReport> report = VerifyStore(options, [&](const VerifyReport& so_far) {
    progress.Update(absl::StrCat("checked ", FormatCounted(so_far.commits, "commit"), ", ",
                                 FormatCounted(so_far.rows, "row"), ", ",
                                 FormatCounted(so_far.vectors, "vector")),
                    -1);
  });
  progress.Clear();
  if (!report.ok()) return ExplainOpen(report.status(), *data_dir);
  if (invocation.json) {
    Print(FormatJson({{"collections", report->collections},
                      {"commits", report->commits},
                      {"rows", report->rows},
                      {"vectors", report->vectors},
                      {"artifacts", report->artifacts},
                      {"problems", report->problems}}));
  } else {
    for (const std::string& problem : report->problems) Print("problem: " + problem + "\n");
    Print(absl::StrCat("checked ", FormatCounted(report->collections, "collection"), ", ",
                       FormatCounted(report->commits, "commit"), ", ",
                       FormatCounted(report->rows, "row"), ", ",
                       FormatCounted(report->vectors, "vector"), ", ",
                       FormatCounted(report->artifacts, "artifact"), "\n"));
  }
  if (!report->problems.empty()) {
    return absl::DataLossError(absl::StrCat("the store in '", *data_dir, "' has ",
                                            FormatCounted(report->problems.size(), "problem"),
                                            "; restore a backup (`vouch restore`)"));
  }
  if (!invocation.json) Print("the store is sound\n");
  return absl::OkStatus();
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Invocation& invocation) {
  AddCommand(app, invocation, CommandKind::kOffline,
             {"verify", "Check every invariant of a store that no server has open",
              "  vouch verify --data /var/lib/vouch"},
             [&invocation] { return RunVerify(invocation); });
}

}  // namespace vouch
