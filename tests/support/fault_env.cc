#include "tests/support/fault_env.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <set>
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
constexpr size_t kPageBytes = 4096;

IOStatus NoPower() { return IOStatus::IOError("the power is off"); }

std::string ParentOf(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
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
  void MarkSynced(const std::string& path, uint64_t size) {
    const std::lock_guard lock(mu_);
    synced_[path] = size;
  }
  void MarkDirectorySynced(const std::string& directory) {
    const std::lock_guard lock(mu_);
    std::erase_if(created_, [&](const std::string& path) { return ParentOf(path) == directory; });
    std::erase_if(replaced_, [&](const auto& entry) { return ParentOf(entry.first) == directory; });
  }

  // --- rocksdb::FileSystem
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* context) override;
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* context) override;
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override;
  IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    if (!Tick()) return NoPower();
    return FileSystemWrapper::DeleteFile(path, options, context);
  }
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
  void CutUnsynced(const std::string& path, uint64_t synced);

  mutable std::mutex mu_;
  std::mt19937_64 random_;
  uint64_t operations_left_ = kNever;
  std::optional<uint64_t> free_bytes_;
  std::map<std::string, uint64_t> synced_;        // bytes that are durable, of files written here
  std::set<std::string> created_;                 // entries whose folder was not synced since
  std::map<std::string, std::string> replaced_;   // what a rename replaced, until the folder is synced
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
  const IOStatus status = FileSystemWrapper::NewWritableFile(path, options, &file, context);
  if (!status.ok()) return status;
  *result = std::make_unique<FaultFile>(std::move(file), *this, path);
  const std::lock_guard lock(mu_);
  synced_[path] = 0;
  created_.insert(path);
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
  if (created_.count(to) == 0 && replaced_.count(to) == 0 && std::filesystem::exists(to)) {
    replaced_[to] = ReadAll(to);
  }
  const IOStatus status = FileSystemWrapper::RenameFile(from, to, options, context);
  if (!status.ok()) return status;
  if (replaced_.count(to) == 0) created_.insert(to);
  created_.erase(from);
  if (const auto at = synced_.find(from); at != synced_.end()) {
    synced_[to] = at->second;
    synced_.erase(from);
  }
  return status;
}

// Anything from "just what was synced" to "all of it", as the disk happened to be; in a log, also a page that did not
// make it while a later one did.
void FaultFileSystem::CutUnsynced(const std::string& path, uint64_t synced) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error || size <= synced) return;
  const uint64_t kept = random_() % 2 == 0 ? synced : synced + random_() % (size - synced + 1);
  std::filesystem::resize_file(path, kept, error);
  if (!path.ends_with(".log") || kept == synced || random_() % 2 == 0) return;
  std::string bytes = ReadAll(path);
  const uint64_t hole = synced + random_() % (kept - synced);
  const uint64_t hole_end = std::min<uint64_t>(kept, hole + 1 + random_() % kPageBytes);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(hole),
            bytes.begin() + static_cast<std::ptrdiff_t>(hole_end), '\0');
  WriteAll(path, bytes);
}

void FaultFileSystem::Recover() {
  const std::lock_guard lock(mu_);
  for (const auto& [path, synced] : synced_) CutUnsynced(path, synced);
  std::error_code ignored;
  for (const std::string& path : created_) std::filesystem::remove(path, ignored);
  for (const auto& [path, content] : replaced_) WriteAll(path, content);
  synced_.clear();
  created_.clear();
  replaced_.clear();
  operations_left_ = kNever;
}

struct FaultEnv::Holder {
  std::unique_ptr<rocksdb::Env> env;
};

FaultEnv::FaultEnv(uint64_t seed)
    : files_(std::make_shared<FaultFileSystem>(seed)), holder_(std::make_unique<Holder>()) {
  holder_->env = rocksdb::NewCompositeEnv(files_);
}
FaultEnv::~FaultEnv() = default;

void* FaultEnv::env() { return holder_->env.get(); }
void FaultEnv::CrashAfter(uint64_t operations) { files_->CrashAfter(operations); }
bool FaultEnv::crashed() const { return files_->crashed(); }
void FaultEnv::Recover() { files_->Recover(); }
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
