#include "storage/manifest_mark.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks.h"
#include "storage/store.h"

namespace vouch {

namespace {

constexpr uint8_t kMarkFormat = 1;
constexpr uint64_t kMaxMarkBytes = 4096;  // far more than a mark has
constexpr uint64_t kClosedSeed = 0x434c4f534544;  // "CLOSED"
constexpr uint64_t kSyncedSeed = 0x53594e434544;  // "SYNCED"

std::string PathOf(MarkKind kind, const std::string& path) {
  return path + (kind == MarkKind::kClosed ? "/CLOSED" : "/SYNCED");
}

absl::StatusOr<std::string> ReadManifest(rocksdb::Env& env, const std::string& path,
                                         std::string_view manifest) {
  std::string bytes;
  const std::string name = Concat(path, "/", manifest);
  const auto status = rocksdb::ReadFileToString(env.GetFileSystem().get(), name, &bytes);
  if (!status.ok()) return FromRocks(status, Concat("cannot read ", name));
  return bytes;
}

absl::Status Write(rocksdb::Env& env, const std::string& path, MarkKind kind,
                   const ManifestMark& mark) {
  rocksdb::FileSystem& files = *env.GetFileSystem();
  const rocksdb::IOOptions options;
  const std::string name = PathOf(kind, path);
  const std::string temporary = name + ".new";
  std::unique_ptr<rocksdb::FSDirectory> folder;
  rocksdb::IOStatus status = rocksdb::WriteStringToFile(&files, EncodeManifestMark(kind, mark),
                                                        temporary, /*should_sync=*/true);
  if (status.ok()) status = files.RenameFile(temporary, name, options, nullptr);
  if (status.ok()) status = files.NewDirectory(path, options, &folder, nullptr);
  if (status.ok()) status = folder->Fsync(options, nullptr);
  return FromRocks(status, Concat("cannot write ", name));
}

}  // namespace

uint64_t SealSeedOf(MarkKind kind) { return kind == MarkKind::kClosed ? kClosedSeed : kSyncedSeed; }

std::string EncodeManifestMark(MarkKind kind, const ManifestMark& mark) {
  std::string bytes;
  PutByte(bytes, kMarkFormat);
  PutBlock(bytes, mark.manifest);
  PutBe64(bytes, mark.size_bytes);
  PutBlock(bytes, mark.hash);
  Seal(bytes, SealSeedOf(kind));
  return bytes;
}

std::optional<ManifestMark> DecodeManifestMark(MarkKind kind, std::string_view bytes) {
  std::string_view content;
  if (!Unseal(bytes, SealSeedOf(kind), content)) return std::nullopt;
  Decoder decoder(content);
  const bool known = decoder.Byte() == kMarkFormat;
  ManifestMark mark;
  mark.manifest = decoder.Block();
  mark.size_bytes = decoder.Be64();
  mark.hash = decoder.Block();
  if (!known || !decoder.Done()) return std::nullopt;
  return mark;
}

absl::Status WriteSyncedMark(rocksdb::DB& db) {
  std::vector<std::string> files;
  ManifestMark mark;
  // The size that RocksDB gives is that of the last sync; bytes after it may still be lost.
  const auto status = db.GetLiveFiles(files, &mark.size_bytes, /*flush_memtable=*/false);
  if (!status.ok()) return FromRocks(status, "cannot list the files of the store");
  for (const std::string& file : files) {
    if (absl::StartsWith(file, "/MANIFEST-")) mark.manifest = file.substr(1);
  }
  absl::StatusOr<std::string> bytes = ReadManifest(*db.GetEnv(), db.GetName(), mark.manifest);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < mark.size_bytes) return absl::InternalError("the manifest is being replaced");
  mark.hash = ContentHash(std::string_view(*bytes).substr(0, mark.size_bytes));
  return Write(*db.GetEnv(), db.GetName(), MarkKind::kSynced, mark);
}

absl::Status WriteClosedMark(rocksdb::Env& env, const std::string& path) {
  ManifestMark mark;
  const std::string current = path + "/CURRENT";
  const auto status = rocksdb::ReadFileToString(env.GetFileSystem().get(), current, &mark.manifest);
  if (!status.ok()) return FromRocks(status, Concat("cannot read ", current));
  if (!mark.manifest.empty() && mark.manifest.back() == '\n') mark.manifest.pop_back();
  absl::StatusOr<std::string> bytes = ReadManifest(env, path, mark.manifest);
  if (!bytes.ok()) return bytes.status();
  mark.size_bytes = bytes->size();
  mark.hash = ContentHash(*bytes);
  return Write(env, path, MarkKind::kClosed, mark);
}

absl::Status CheckManifestMarks(rocksdb::Env& env, const std::string& path,
                                std::string_view manifest) {
  std::optional<std::string> bytes;
  for (const MarkKind kind : {MarkKind::kClosed, MarkKind::kSynced}) {
    std::string sealed;
    uint64_t size = 0;
    const std::string name = PathOf(kind, path);
    if (!env.GetFileSize(name, &size).ok() || size > kMaxMarkBytes) continue;
    if (!rocksdb::ReadFileToString(env.GetFileSystem().get(), name, &sealed).ok()) continue;
    const std::optional<ManifestMark> mark = DecodeManifestMark(kind, sealed);
    if (!mark.has_value() || mark->manifest != manifest) continue;
    if (!bytes.has_value()) {
      absl::StatusOr<std::string> read = ReadManifest(env, path, manifest);
      if (!read.ok()) return read.status();
      bytes = *std::move(read);
    }
    const bool closed = kind == MarkKind::kClosed;
    const bool fits =
        closed ? bytes->size() == mark->size_bytes : bytes->size() >= mark->size_bytes;
    if (fits && ContentHash(std::string_view(*bytes).substr(0, mark->size_bytes)) == mark->hash) {
      continue;
    }
    return absl::DataLossError(
        Concat(path, "/", manifest, " is damaged: it has ", bytes->size(),
               " bytes and is not what it was when the store ",
               closed ? "was closed, with " : "was last flushed, with at least ", mark->size_bytes,
               " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace vouch
