#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "storage/store.h"
#include "vouch/v1/admin.grpc.pb.h"

namespace vouch {
namespace {

absl::Status RunCreate(Invocation& invocation, const std::string& directory) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Admin::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::BackupRequest request;
  request.set_directory(std::filesystem::absolute(directory).lexically_normal().string());
  Progress progress = invocation.MakeProgress();
  const auto reader = stub->Backup(&context, request);
  v1::BackupReply reply;
  while (reader->Read(&reply)) progress.Update("copying", reply.fraction());
  progress.Clear();
  if (grpc::Status status = reader->Finish(); !status.ok()) return (*connection)->Explain(status);
  Print(invocation.json
            ? FormatJson({{"backup", reply.backup()}, {"directory", request.directory()}})
            : absl::StrCat("backup ", reply.backup(), " written to ", request.directory(), "\n"));
  return absl::OkStatus();
}

absl::Status RunList(Invocation& invocation, const std::string& directory) {
  absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(directory);
  if (!backups.ok()) return backups.status();
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  for (const BackupInfo& backup : *backups) {
    json.push_back(
        {{"backup", backup.id}, {"time_us", backup.time_us}, {"size_bytes", backup.size_bytes}});
    rows.push_back(
        {absl::StrCat(backup.id), FormatTime(backup.time_us), FormatBytes(backup.size_bytes)});
  }
  Print(invocation.json ? FormatJson({{"backups", json}})
        : rows.empty()  ? "no backups\n"
                        : FormatTable({"backup", "time", "size"}, rows));
  return absl::OkStatus();
}

absl::Status RunVerify(Invocation& invocation, const std::string& directory, uint32_t id) {
  absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(directory);
  if (!backups.ok()) return backups.status();
  if (backups->empty())
    return absl::NotFoundError(absl::StrCat("there are no backups in '", directory, "'"));
  if (id == 0) id = backups->back().id;
  Progress progress = invocation.MakeProgress();
  absl::Status status;
  {
    const ProgressWatch watch(progress, "reading the backup", [] { return -1.0; });
    status = VerifyBackup(directory, id);
  }
  progress.Clear();
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson({{"backup", id}, {"intact", true}})
                        : absl::StrCat("backup ", id, " is intact: every file has its checksum\n"));
  return absl::OkStatus();
}

}  // namespace

void AddBackupCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "backup", "Incremental backups of the whole store");
  auto directory = std::make_shared<std::string>();
  auto id = std::make_shared<uint32_t>(0);
  CLI::App* create = AddCommand(
      *group, invocation, CommandKind::kClient,
      {"create", "Back up the store while it serves, into a folder of the server's machine",
       "  vouch backup create /var/backups/vouch"},
      [&invocation, directory] { return RunCreate(invocation, *directory); });
  CLI::App* list =
      AddCommand(*group, invocation, CommandKind::kOffline,
                 {"list", "The backups in a folder", "  vouch backup list /var/backups/vouch"},
                 [&invocation, directory] { return RunList(invocation, *directory); });
  CLI::App* verify =
      AddCommand(*group, invocation, CommandKind::kOffline,
                 {"verify", "Check every file of a backup against its checksum",
                  "  vouch backup verify /var/backups/vouch --backup 3"},
                 [&invocation, directory, id] { return RunVerify(invocation, *directory, *id); });
  for (CLI::App* command : {create, list, verify}) {
    command->add_option("directory", *directory, "folder of the backups")->required();
  }
  verify->add_option("--backup", *id, "which one (default the newest)")->check(CLI::PositiveNumber);
}

}  // namespace vouch
