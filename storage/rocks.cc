#include "storage/rocks.h"

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/manifest_mark.h"
#include "storage/rocks_options.h"
#include "storage/rocks_slice.h"
#include "storage/wal_check.h"

namespace vouch {

namespace {

// What stands in the folder before RocksDB touches it.
struct Folder {
  bool has_store = false;      // a CURRENT file
  bool has_leftovers = false;  // files of a store without CURRENT
};

absl::StatusOr<Folder> LookAt(rocksdb::Env& env, const std::string& path) {
  Folder folder;
  std::vector<std::string> names;
  const rocksdb::Status status = env.GetChildren(path, &names);
  if (status.IsNotFound() || status.IsPathNotFound()) return folder;
  if (!status.ok()) {
    const rocksdb::Status exists = env.FileExists(path);
    if (exists.IsNotFound()) return folder;
    return FromRocks(status, Concat("cannot list ", path));
  }
  for (const std::string& name : names) {
    if (name == "CURRENT") folder.has_store = true;
    // MANIFEST is written before CURRENT, so that one alone is a creation that was cut short.
    if (absl::EndsWith(name, ".sst")) folder.has_leftovers = true;
  }
  return folder;
}

absl::Status OpenError(const rocksdb::Status& status, const std::string& path) {
  const std::string text = status.ToString();
  if (status.IsIOError() && absl::StrContains(text, "/LOCK")) {
    return absl::FailedPreconditionError(
        Concat("the store ", path, " is in use by another process: ", text));
  }
  // A file that the manifest names and that is gone, and options or comparators that do not match, mean damage here:
  // LookAt has seen a store.
  if (status.IsNotFound() || status.IsPathNotFound() || status.IsInvalidArgument() ||
      absl::StrContains(text, "No such file or directory")) {
    return absl::DataLossError(Concat("the store ", path, " is damaged: ", text));
  }
  return FromRocks(status, Concat("cannot open the store ", path));
}

}  // namespace

// Marks how far the manifest stands after each flush. Called by RocksDB's threads, without its
// locks.
class Rocks::FlushListener final : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo&) override {
    if (closing_) return;
    const std::lock_guard lock(mu_);
    // The mark that stands there is right as well, and says less.
    (void)WriteSyncedMark(*db);
  }
  // The flushes of a closing store are followed by the mark that it was closed.
  void Stop() { closing_ = true; }

 private:
  std::atomic<bool> closing_ = false;
  std::mutex mu_;  // one writer of the file
};

absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = Concat(what, ": ", status.ToString());
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsInvalidArgument() || status.IsNotSupported()) return absl::InternalError(message);
  return absl::UnavailableError(message);
}

absl::StatusOr<std::unique_ptr<Rocks>> Rocks::Open(const RocksOptions& options) {
  rocksdb::DBOptions db_options = RocksDbOptions(options);
  rocksdb::Env& env = *db_options.env;
  absl::StatusOr<Folder> folder = LookAt(env, options.path);
  if (!folder.ok()) return folder.status();
  if (!folder->has_store) {
    if (folder->has_leftovers) {
      return absl::DataLossError(
          Concat("the store ", options.path, " has data files but no CURRENT file"));
    }
    if (!options.create_if_missing || options.read_only) {
      return absl::NotFoundError(Concat("no store in ", options.path));
    }
    if (auto s = env.CreateDirIfMissing(options.path); !s.ok()) {
      return FromRocks(s, Concat("cannot make the folder ", options.path));
    }
  } else if (auto s = CheckLogs(env, options.path); !s.ok()) {
    return s;
  }

  // A newer program's families are opened too, so that the format number can be read and named.
  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
  if (folder->has_store) {
    names.clear();
    const auto s = rocksdb::DB::ListColumnFamilies(db_options, options.path, &names);
    if (!s.ok()) return OpenError(s, options.path);
  }
  for (const std::string_view ours : kFamilyNames) {
    if (std::find(names.begin(), names.end(), ours) == names.end()) {
      // A read-only store cannot add a family.
      if (options.read_only) {
        return absl::DataLossError(
            Concat("the store ", options.path, " has no column family ", ours));
      }
      names.emplace_back(ours);
    }
  }
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) {
    const auto at = std::find(kFamilyNames.begin(), kFamilyNames.end(), name);
    const auto family = at == kFamilyNames.end() ? Family::kAudit
                                                 : static_cast<Family>(at - kFamilyNames.begin());
    families.emplace_back(name, RocksFamilyOptions(options, family, cache));
  }
  std::unique_ptr<Rocks> rocks(new Rocks);
  rocks->read_only_ = options.read_only;
  rocks->cache_ = std::move(cache);
  rocks->flush_listener_ = std::make_shared<FlushListener>();
  db_options.listeners.push_back(rocks->flush_listener_);
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status =
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(db_options, options.path, families, &handles, &db)
          : rocksdb::DB::Open(db_options, options.path, families, &handles, &db);
  if (!status.ok()) return OpenError(status, options.path);
  rocks->db_.reset(db);
  rocks->handles_.resize(kFamilyNames.size());
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const auto at = std::find(kFamilyNames.begin(), kFamilyNames.end(), handle->GetName());
    if (at == kFamilyNames.end()) {
      rocks->other_handles_.push_back(handle);
    } else {
      rocks->handles_[static_cast<size_t>(at - kFamilyNames.begin())] = handle;
    }
  }
  if (auto s = rocks->CheckFormat(options.read_only); !s.ok()) return s;
  if (!options.read_only) (void)WriteSyncedMark(*db);  // without it, damage may go unnoticed
  return rocks;
}

absl::Status Rocks::CheckFormat(bool read_only) {
  absl::StatusOr<std::optional<std::string>> value = Get(Family::kCatalog, FormatKey());
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    // The format number is the first thing that is written: without it nothing else may be there.
    for (size_t family = 0; family < kFamilyNames.size(); ++family) {
      absl::StatusOr<std::optional<std::string>> last = LastKey(static_cast<Family>(family), "", "");
      if (!last.ok()) return last.status();
      if (last->has_value()) {
        return absl::DataLossError(Concat("the store has no format number, but keys in ",
                                                kFamilyNames[family]));
      }
    }
    return read_only ? absl::OkStatus() : WriteFormat();
  }
  Decoder decoder(**value);
  const uint32_t number = decoder.Be32();
  if (!decoder.Done() || number == 0) {
    return absl::DataLossError("the store's format number does not decode");
  }
  if (number > kFormatNumber) {
    return absl::FailedPreconditionError(
        Concat("the store has format ", number, "; this program reads formats up to ",
                     kFormatNumber, ": use a newer one"));
  }
  // What older formats hold reads as it is; from now on there may be more than their programs know.
  return number == kFormatNumber || read_only ? absl::OkStatus() : WriteFormat();
}

absl::Status Rocks::WriteFormat() {
  std::string number;
  PutBe32(number, kFormatNumber);
  rocksdb::WriteBatch batch;
  batch.Put(handle(Family::kCatalog), FormatKey(), number);
  return Write(batch);
}

Rocks::~Rocks() {
  if (db_ == nullptr) return;
  flush_listener_->Stop();
  // What fails to be flushed is still in the write-ahead log.
  const bool flushed =
      !read_only_ && CheckWritable().ok() && db_->Flush(rocksdb::FlushOptions(), handles_).ok();
  rocksdb::Env& env = *db_->GetEnv();
  const std::string path = db_->GetName();
  for (auto* handle : handles_) {
    if (handle != nullptr) (void)db_->DestroyColumnFamilyHandle(handle);
  }
  for (auto* handle : other_handles_) (void)db_->DestroyColumnFamilyHandle(handle);
  // Without the mark the next start takes it for a power loss, which is no harm.
  if (db_->Close().ok() && flushed) (void)WriteClosedMark(env, path);
}

absl::Status Rocks::CheckWritable() const {
  std::lock_guard lock(mu_);
  if (write_error_.ok()) return absl::OkStatus();
  return absl::UnavailableError(Concat(
      "the store is read-only until it is opened anew, since a write failed: ",
      write_error_.message()));
}

absl::Status Rocks::Write(rocksdb::WriteBatch& batch) {
  if (auto s = CheckWritable(); !s.ok()) return s;
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status status = db_->Write(options, &batch);
  if (status.ok()) return absl::OkStatus();
  absl::Status error = FromRocks(status, "write failed");
  std::lock_guard lock(mu_);
  if (write_error_.ok()) write_error_ = error;
  return error;
}

absl::StatusOr<std::optional<std::string>> Rocks::Get(Family family, std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), handle(family), ToSlice(key), &value);
  if (status.ok()) return value;
  if (status.IsNotFound()) return std::nullopt;
  return FromRocks(status, Concat("cannot read from ",
                                        kFamilyNames[static_cast<size_t>(family)]));
}

absl::StatusOr<std::vector<std::optional<std::string>>> Rocks::MultiGet(
    Family family, const std::vector<std::string_view>& keys) const {
  constexpr size_t kChunk = 1024;
  std::vector<std::optional<std::string>> found(keys.size());
  std::vector<rocksdb::Slice> slices;
  std::vector<rocksdb::PinnableSlice> values(std::min(kChunk, keys.size()));
  std::vector<rocksdb::Status> statuses(values.size());
  for (size_t first = 0; first < keys.size(); first += kChunk) {
    const size_t count = std::min(kChunk, keys.size() - first);
    slices.clear();
    for (size_t i = 0; i < count; ++i) slices.push_back(ToSlice(keys[first + i]));
    db_->MultiGet(rocksdb::ReadOptions(), handle(family), count, slices.data(), values.data(),
                  statuses.data());
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].ok()) {
        found[first + i] = std::string(ToView(values[i]));
      } else if (!statuses[i].IsNotFound()) {
        return FromRocks(statuses[i], Concat("cannot read from ",
                                                   kFamilyNames[static_cast<size_t>(family)]));
      }
      values[i].Reset();
    }
  }
  return found;
}

absl::Status Rocks::Scan(Family family, std::string_view begin, std::string_view end,
                         const Visitor& visit) const {
  rocksdb::ReadOptions options;
  const rocksdb::Slice upper = ToSlice(end);
  if (!end.empty()) options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle(family)));
  for (it->Seek(ToSlice(begin)); it->Valid(); it->Next()) {
    if (!visit(ToView(it->key()), ToView(it->value()))) return absl::OkStatus();
  }
  return FromRocks(it->status(),
                   Concat("cannot scan ", kFamilyNames[static_cast<size_t>(family)]));
}

absl::StatusOr<std::optional<std::string>> Rocks::LastKey(Family family, std::string_view begin,
                                                          std::string_view end) const {
  rocksdb::ReadOptions options;
  const rocksdb::Slice lower = ToSlice(begin);
  const rocksdb::Slice upper = ToSlice(end);
  options.iterate_lower_bound = &lower;
  if (!end.empty()) options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handle(family)));
  it->SeekToLast();
  if (it->Valid()) return std::string(ToView(it->key()));
  if (auto s = FromRocks(it->status(), Concat("cannot scan ",
                                                    kFamilyNames[static_cast<size_t>(family)]));
      !s.ok()) {
    return s;
  }
  return std::nullopt;
}

}  // namespace vouch
