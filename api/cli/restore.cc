#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "storage/store.h"

namespace vouch {
namespace {

// Bytes of the files in a folder that is being written.
uint64_t BytesIn(const std::string& path) {
  uint64_t bytes = 0;
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator(path, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    std::error_code gone;
    const uint64_t size = at->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

// Of the backup; 0 where it cannot be told.
uint64_t BytesOf(const std::string& directory, uint32_t id) {
  const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(directory);
  if (!backups.ok() || backups->empty()) return 0;
  for (const BackupInfo& backup : *backups) {
    if (backup.id == id) return backup.size_bytes;
  }
  return id == 0 ? backups->back().size_bytes : 0;
}

absl::Status RunRestore(Invocation& invocation, const std::string& directory,
                        const std::string& target, uint32_t id) {
  std::error_code error;
  if (std::filesystem::exists(target, error) && !std::filesystem::is_empty(target, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", target, "' is not an empty folder; a restore never overwrites anything"));
  }
  // It is made with the store, so that a mistake leaves no empty folder. Index files are made anew when the store is opened.
  const std::string store = target + "/store";
  Progress progress = invocation.MakeProgress();
  absl::Status status;
  {
    const uint64_t total = BytesOf(directory, id);
    const ProgressWatch watch(progress, "restoring", [&store, total] {
      return total == 0 ? -1.0 : static_cast<double>(BytesIn(store + ".restoring")) / total;
    });
    status = RestoreBackup(directory, id, store);
  }
  progress.Clear();
  if (!status.ok()) return status;
  Print(invocation.json
            ? FormatJson({{"restored", target}})
            : absl::StrCat("restored to ", target, "; use it by --data ", target, "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddRestoreCommand(CLI::App& app, Invocation& invocation) {
  auto directory = std::make_shared<std::string>();
  auto target = std::make_shared<std::string>();
  auto id = std::make_shared<uint32_t>(0);
  CLI::App* command =
      AddCommand(app, invocation, CommandKind::kOffline,
                 {"restore", "Put a backup into an empty or missing folder",
                  "  vouch restore /var/backups/vouch --to restored --backup 3"},
                 [=, &invocation] { return RunRestore(invocation, *directory, *target, *id); });
  command->add_option("directory", *directory, "folder of the backups")->required();
  command->add_option("--to", *target, "folder for the store")->required()->type_name("DIR");
  command->add_option("--backup", *id, "which one (default the newest)")
      ->check(CLI::PositiveNumber);
}

}  // namespace vouch
