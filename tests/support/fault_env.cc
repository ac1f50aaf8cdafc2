#include "tests/support/fault_env.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace vouch {

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr uint64_t kNever = UINT64_MAX;
constexpr uint64_t kSectorBytes = 512;

IOStatus NoPower() { return IOStatus::IOError("the power is off"); }

std::string ParentOf(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<std::string> ReadIfThere(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return ReadAll(path);
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

}  // namespace

class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultFileSystem(uint64_t seed)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), random_(seed) {}
  const char* Name() const override { return "FaultFileSystem"; }

  // --- what the test says
  void CrashAfter(uint64_t operations) {
    const std::lock_guard lock(mu_);
    operations_left_ = operations;
  }
  bool crashed() const {
    const std::lock_guard lock(mu_);
    return operations_left_ == 0;
  }
  void SetFreeBytes(std::optional<uint64_t> bytes) {
    const std::lock_guard lock(mu_);
    free_bytes_ = bytes;
  }
  void Recover();

  // --- what files ask
  // False once the power is off.
  bool Tick() {
    const std::lock_guard lock(mu_);
    return TickLocked();
  }
  // How many of `size` bytes may still be written; sets `ok` to false where the power is off.
  size_t TakeSpace(size_t size, bool& ok) {
    const std::lock_guard lock(mu_);
    ok = TickLocked();
    if (!ok) return 0;
    if (!free_bytes_.has_value()) return size;
    const size_t taken = static_cast<size_t>(std::min<uint64_t>(size, *free_bytes_));
    *free_bytes_ -= taken;
    return taken;
  }
  void IgnoreSyncsOf(std::string ending) {
    const std::lock_guard lock(mu_);
    lies_about_ = std::move(ending);
  }
  void MarkSynced(const std::string& path, uint64_t size) {
    const std::lock_guard lock(mu_);
    if (lies_about_.has_value() && path.ends_with(*lies_about_)) return;
    synced_[path] = size;
  }
  void MarkDirectorySynced(const std::string& directory) {
    const std::lock_guard lock(mu_);
    std::erase_if(unsynced_,
                  [&](const EntryChange& change) { return ParentOf(change.path) == directory; });
  }

  // --- rocksdb::FileSystem
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* context) override;
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* context) override;
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override;
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* context) override;
  IOStatus CreateDir(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    if (!Tick()) return NoPower();
    return FileSystemWrapper::CreateDir(path, options, context);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options,
                              IODebugContext* context) override {
    if (!Tick()) return NoPower();
    return FileSystemWrapper::CreateDirIfMissing(path, options, context);
  }

 private:
  bool TickLocked() {
    if (operations_left_ == kNever) return true;
    if (operations_left_ > 0) --operations_left_;
    return operations_left_ > 0;
  }
  // A file that was created, renamed or deleted, in a folder that was not synced since.
  struct EntryChange {
    std::string path = {};
    std::optional<std::string> old_content =
        std::nullopt;               // of `path`, where there was such a file
    std::string renamed_from = {};  // empty: not by a rename
  };

  void CutUnsynced(const std::string& path, uint64_t synced);
  void Undo(const EntryChange& change);

  mutable std::mutex mu_;
  std::mt19937_64 random_;
  uint64_t operations_left_ = kNever;
  std::optional<uint64_t> free_bytes_;
  std::optional<std::string> lies_about_;
  std::map<std::string, uint64_t> synced_;  // bytes that are durable, of files written here
  std::vector<EntryChange> unsynced_;       // in the order in which they were made
};

namespace {

// Counts what is durable of one file.
class FaultFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(std::unique_ptr<rocksdb::FSWritableFile> file, FaultFileSystem& files, std::string path)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files), path_(std::move(path)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    bool ok = false;
    const size_t room = files_.TakeSpace(data.size(), ok);
    if (!ok) return NoPower();
    const IOStatus status =
        FSWritableFileOwnerWrapper::Append(Slice(data.data(), room), options, context);
    if (!status.ok()) return status;
    size_ += room;
    return room == data.size() ? status : IOStatus::NoSpace("the disk is full");
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    if (!files_.Tick()) return NoPower();
    size_ = std::min(size_, size);
    return FSWritableFileOwnerWrapper::Truncate(size, options, context);
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    if (!files_.Tick()) return NoPower();
    files_.MarkSynced(path_, size_);
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Sync(options, context);
  }
  // Starts writing out and promises nothing.
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }

 private:
  FaultFileSystem& files_;
  const std::string path_;
  uint64_t size_ = 0;
};

class FaultDirectory : public rocksdb::FSDirectory {
 public:
  FaultDirectory(FaultFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    if (!files_.Tick()) return NoPower();
    files_.MarkDirectorySynced(path_);
    return IOStatus::OK();
  }

 private:
  FaultFileSystem& files_;
  const std::string path_;
};

}  // namespace

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext* context) {
  if (!Tick()) return NoPower();
  std::unique_ptr<rocksdb::FSWritableFile> file;
  const std::lock_guard lock(mu_);
  EntryChange change{.path = path, .old_content = ReadIfThere(path)};
  const IOStatus status = FileSystemWrapper::NewWritableFile(path, options, &file, context);
  if (!status.ok()) return status;
  *result = std::make_unique<FaultFile>(std::move(file), *this, path);
  synced_[path] = 0;
  unsynced_.push_back(std::move(change));
  return status;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const IOOptions&,
                                       std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) {
  std::string plain = path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  *result = std::make_unique<FaultDirectory>(*this, plain);
  return IOStatus::OK();
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* context) {
  if (!Tick()) return NoPower();
  const std::lock_guard lock(mu_);
  EntryChange change{.path = to, .old_content = ReadIfThere(to), .renamed_from = from};
  const IOStatus status = FileSystemWrapper::RenameFile(from, to, options, context);
  if (!status.ok()) return status;
  unsynced_.push_back(std::move(change));
  synced_.erase(to);
  if (const auto at = synced_.find(from); at != synced_.end()) {
    synced_[to] = at->second;
    synced_.erase(at);
  }
  return status;
}

IOStatus FaultFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                     IODebugContext* context) {
  if (!Tick()) return NoPower();
  const std::lock_guard lock(mu_);
  EntryChange change{.path = path, .old_content = ReadIfThere(path)};
  const IOStatus status = FileSystemWrapper::DeleteFile(path, options, context);
  if (!status.ok()) return status;
  synced_.erase(path);
  unsynced_.push_back(std::move(change));
  return status;
}

// Just what was synced, all of it, or anything between, as the disk happened to be; in a log, also
// sectors that did not make it while a later one did. (A log is synced after each record. A
// manifest may get several before a sync, and RocksDB does not read one with a hole.)
void FaultFileSystem::CutUnsynced(const std::string& path, uint64_t synced) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error || size <= synced) return;
  const uint64_t dice = random_() % 4;
  const uint64_t kept = dice == 0   ? synced
                        : dice == 1 ? size
                                    : synced + random_() % (size - synced + 1);
  std::filesystem::resize_file(path, kept, error);
  if (!path.ends_with(".log") || kept == synced || random_() % 2 == 0) return;
  std::string bytes = ReadAll(path);
  // Disks write whole sectors.
  const uint64_t hole =
      std::max(synced, (synced + random_() % (kept - synced)) / kSectorBytes * kSectorBytes);
  const uint64_t hole_end =
      std::min(kept, (hole / kSectorBytes + 1 + random_() % 8) * kSectorBytes);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(hole),
            bytes.begin() + static_cast<std::ptrdiff_t>(hole_end), '\0');
  WriteAll(path, bytes);
}

void FaultFileSystem::Undo(const EntryChange& change) {
  std::error_code ignored;
  if (!change.renamed_from.empty()) {
    std::filesystem::rename(change.path, change.renamed_from, ignored);
  } else {
    std::filesystem::remove(change.path, ignored);
  }
  if (change.old_content.has_value()) WriteAll(change.path, *change.old_content);
}

// Folders are journalled: of what was not synced in them, the first changes stay and the last are
// undone.
void FaultFileSystem::Recover() {
  const std::lock_guard lock(mu_);
  for (const auto& [path, synced] : synced_) CutUnsynced(path, synced);
  const uint64_t dice = random_() % 4;
  const size_t kept = dice == 0   ? 0
                      : dice == 1 ? unsynced_.size()
                                  : random_() % (unsynced_.size() + 1);
  for (size_t i = unsynced_.size(); i > kept; --i) Undo(unsynced_[i - 1]);
  synced_.clear();
  unsynced_.clear();
  operations_left_ = kNever;
}

namespace {

// RocksDB waits a second after a flush or compaction that failed; here each life of a store ends
// with some of these.
class ShortSleeps : public rocksdb::SystemClockWrapper {
 public:
  ShortSleeps() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ShortSleeps"; }
  void SleepForMicroseconds(int micros) override {
    SystemClockWrapper::SleepForMicroseconds(std::min(micros, 100));
  }
};

class EnvOfFaults : public rocksdb::EnvWrapper {
 public:
  explicit EnvOfFaults(std::shared_ptr<rocksdb::FileSystem> files)
      : EnvWrapper(rocksdb::Env::Default()) {
    file_system_ = std::move(files);
    system_clock_ = std::make_shared<ShortSleeps>();
  }
};

}  // namespace

struct FaultEnv::Holder {
  std::unique_ptr<rocksdb::Env> env;
};

FaultEnv::FaultEnv(uint64_t seed)
    : files_(std::make_shared<FaultFileSystem>(seed)), holder_(std::make_unique<Holder>()) {
  holder_->env = std::make_unique<EnvOfFaults>(files_);
}
FaultEnv::~FaultEnv() = default;

void* FaultEnv::env() { return holder_->env.get(); }
void FaultEnv::CrashAfter(uint64_t operations) { files_->CrashAfter(operations); }
bool FaultEnv::crashed() const { return files_->crashed(); }
void FaultEnv::Recover() { files_->Recover(); }
void FaultEnv::IgnoreSyncsOf(std::string ending) { files_->IgnoreSyncsOf(std::move(ending)); }
void FaultEnv::SetFreeBytes(std::optional<uint64_t> bytes) { files_->SetFreeBytes(bytes); }

bool FlipBit(const std::string& path, uint64_t byte, int bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(byte));
  char c = 0;
  if (!file.get(c)) return false;
  file.seekp(static_cast<std::streamoff>(byte));
  return static_cast<bool>(file.put(static_cast<char>(c ^ (1 << bit))));
}

}  // namespace vouch
