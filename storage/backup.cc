#include <rocksdb/db.h>
#include <rocksdb/utilities/backup_engine.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "storage/concat.h"
#include "storage/rocks.h"
#include "storage/rocks_store.h"
#include "storage/store.h"

namespace vouch {

namespace {

constexpr uint64_t kProgressBytes = uint64_t{4} << 20;

rocksdb::BackupEngineOptions EngineOptions(const std::string& backup_dir) {
  rocksdb::BackupEngineOptions options(backup_dir);
  options.callback_trigger_interval_size = kProgressBytes;
  return options;
}

absl::StatusOr<bool> IsEmptyOrMissing(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (!error) return true;
  } else if (std::filesystem::is_directory(path, error)) {
    const bool empty = std::filesystem::is_empty(path, error);
    if (!error) return empty;
  } else if (!error) {
    return false;
  }
  return absl::UnavailableError(Concat("cannot look at ", path, ": ", error.message()));
}

// A backup folder has RocksDB's `meta` folder in it.
absl::Status CheckBackupDir(const std::string& backup_dir, bool may_be_empty) {
  if (backup_dir.empty()) return absl::InvalidArgumentError("the backup folder's path is empty");
  absl::StatusOr<bool> empty = IsEmptyOrMissing(backup_dir);
  if (!empty.ok()) return empty.status();
  if (*empty) {
    if (may_be_empty) return absl::OkStatus();
    return absl::NotFoundError(Concat("no backup in ", backup_dir));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(backup_dir + "/meta", ignored)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat(backup_dir, " is not empty and holds no backups"));
}

absl::StatusOr<std::unique_ptr<rocksdb::BackupEngineReadOnly>> OpenForReading(
    const std::string& backup_dir) {
  if (auto s = CheckBackupDir(backup_dir, /*may_be_empty=*/false); !s.ok()) return s;
  rocksdb::BackupEngineReadOnly* engine = nullptr;
  const rocksdb::IOStatus status = rocksdb::BackupEngineReadOnly::Open(
      EngineOptions(backup_dir), rocksdb::Env::Default(), &engine);
  if (!status.ok()) return FromRocks(status, Concat("cannot open the backups in ", backup_dir));
  return std::unique_ptr<rocksdb::BackupEngineReadOnly>(engine);
}

absl::StatusOr<uint32_t> PickBackup(rocksdb::BackupEngineReadOnly& engine,
                                    const std::string& backup_dir, uint32_t id) {
  std::vector<rocksdb::BackupInfo> infos;
  engine.GetBackupInfo(&infos);
  uint32_t newest = 0;
  for (const rocksdb::BackupInfo& info : infos) {
    newest = std::max(newest, info.backup_id);
    if (info.backup_id == id) return id;
  }
  std::vector<rocksdb::BackupID> corrupt;
  engine.GetCorruptedBackups(&corrupt);
  if (std::find(corrupt.begin(), corrupt.end(), id) != corrupt.end()) {
    return absl::DataLossError(Concat("backup ", id, " in ", backup_dir, " is damaged"));
  }
  if (id == 0 && newest != 0) return newest;
  if (newest == 0 && !corrupt.empty()) {
    return absl::DataLossError(Concat("all backups in ", backup_dir, " are damaged"));
  }
  return absl::NotFoundError(
      Concat("no backup ", id == 0 ? "" : Concat(id, " "), "in ", backup_dir,
                   newest == 0 ? "" : Concat("; the newest is ", newest)));
}

}  // namespace

absl::StatusOr<uint32_t> RocksStore::Backup(
    const std::string& backup_dir, const std::function<absl::Status(double fraction)>& progress) {
  if (auto s = CheckBackupDir(backup_dir, /*may_be_empty=*/true); !s.ok()) return s;
  rocksdb::BackupEngine* opened = nullptr;
  rocksdb::IOStatus status = rocksdb::BackupEngine::Open(EngineOptions(backup_dir),
                                                         rocks_->db().GetEnv(), &opened);
  if (!status.ok()) return FromRocks(status, Concat("cannot open the backups in ", backup_dir));
  const std::unique_ptr<rocksdb::BackupEngine> engine(opened);
  uint64_t total_bytes = 0;
  for (size_t family = 0; family < kFamilyNames.size(); ++family) {
    uint64_t bytes = 0;
    rocks_->db().GetIntProperty(rocks_->handle(static_cast<Family>(family)),
                                rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
    total_bytes += bytes;
  }
  uint64_t done_bytes = 0;
  absl::Status stopped;  // by RocksDB's one copying thread, which has ended its work when CreateNewBackup returns
  rocksdb::CreateBackupOptions options;
  options.flush_before_backup = true;
  options.progress_callback = [&] {
    done_bytes += kProgressBytes;
    // Files that are flushed for the backup are not in the total: so the end is told when it is there.
    if (!progress || !stopped.ok()) return;
    stopped = progress(std::min(0.99, static_cast<double>(done_bytes) / static_cast<double>(total_bytes + 1)));
    if (!stopped.ok()) engine->StopBackup();
  };
  rocksdb::BackupID id = 0;
  status = engine->CreateNewBackup(options, &rocks_->db(), &id);
  if (!stopped.ok()) return stopped;
  if (!status.ok()) return FromRocks(status, Concat("cannot write a backup to ", backup_dir));
  // It is done and stays, whatever the caller says now.
  if (progress) progress(1).IgnoreError();
  return id;
}

absl::StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& backup_dir) {
  auto engine = OpenForReading(backup_dir);
  if (!engine.ok()) return engine.status();
  std::vector<rocksdb::BackupInfo> infos;
  (*engine)->GetBackupInfo(&infos);
  std::vector<BackupInfo> backups;
  for (const rocksdb::BackupInfo& info : infos) {
    backups.push_back({info.backup_id, info.timestamp * 1'000'000, info.size});
  }
  return backups;
}

absl::Status VerifyBackup(const std::string& backup_dir, uint32_t id) {
  auto engine = OpenForReading(backup_dir);
  if (!engine.ok()) return engine.status();
  absl::StatusOr<uint32_t> picked = PickBackup(**engine, backup_dir, id);
  if (!picked.ok()) return picked.status();
  const rocksdb::IOStatus status = (*engine)->VerifyBackup(*picked, /*verify_with_checksum=*/true);
  if (status.ok()) return absl::OkStatus();
  const std::string what = Concat("backup ", *picked, " in ", backup_dir, " is damaged");
  // A file that is missing or of another size is damage as well as one with other bytes.
  return absl::DataLossError(Concat(what, ": ", status.ToString()));
}

absl::Status RestoreBackup(const std::string& backup_dir, uint32_t id,
                           const std::string& target_path) {
  auto engine = OpenForReading(backup_dir);
  if (!engine.ok()) return engine.status();
  absl::StatusOr<uint32_t> picked = PickBackup(**engine, backup_dir, id);
  if (!picked.ok()) return picked.status();
  absl::StatusOr<bool> empty = IsEmptyOrMissing(target_path);
  if (!empty.ok()) return empty.status();
  if (!*empty) {
    return absl::FailedPreconditionError(
        Concat("cannot restore into ", target_path, ": it is not empty"));
  }
  // Into a folder beside it first: a restore that is cut short never looks like a store.
  namespace fs = std::filesystem;
  fs::path target = fs::path(target_path);
  if (!target.has_filename()) target = target.parent_path();
  const fs::path partial = target.string() + ".restoring";
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) {
    return absl::UnavailableError(
        Concat("cannot make the folder ", partial.string(), ": ", error.message()));
  }
  const rocksdb::IOStatus status =
      (*engine)->RestoreDBFromBackup(*picked, partial.string(), partial.string());
  if (!status.ok()) {
    fs::remove_all(partial, error);
    if (status.IsNoSpace()) return FromRocks(status, Concat("cannot restore into ", target_path));
    return absl::DataLossError(Concat("cannot restore backup ", *picked, " of ", backup_dir,
                                            ": ", status.ToString()));
  }
  fs::rename(partial, target, error);  // over an empty folder, or none
  if (error) {
    return absl::UnavailableError(Concat("cannot rename ", partial.string(), " to ",
                                               target.string(), ": ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace vouch
