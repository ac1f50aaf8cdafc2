#include "storage/closed_mark.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks.h"
#include "storage/store.h"

namespace vouch {

namespace {

constexpr uint8_t kMarkFormat = 1;
constexpr uint64_t kMarkSeed = 0x434c4f534544;  // "CLOSED"

std::string MarkPath(const std::string& path) { return path + "/CLOSED"; }

}  // namespace

absl::Status WriteClosedMark(rocksdb::Env& env, const std::string& path) {
  rocksdb::FileSystem& files = *env.GetFileSystem();
  const rocksdb::IOOptions options;
  std::string manifest;
  if (auto s = rocksdb::ReadFileToString(&files, path + "/CURRENT", &manifest); !s.ok()) {
    return FromRocks(s, Concat("cannot read ", path, "/CURRENT"));
  }
  if (!manifest.empty() && manifest.back() == '\n') manifest.pop_back();
  std::string bytes;
  if (auto s = rocksdb::ReadFileToString(&files, Concat(path, "/", manifest), &bytes); !s.ok()) {
    return FromRocks(s, Concat("cannot read ", path, "/", manifest));
  }
  std::string mark;
  PutByte(mark, kMarkFormat);
  PutBlock(mark, manifest);
  PutBe64(mark, bytes.size());
  PutBlock(mark, ContentHash(bytes));
  Seal(mark, kMarkSeed);
  const std::string name = MarkPath(path);
  const std::string temporary = name + ".new";
  std::unique_ptr<rocksdb::FSDirectory> folder;
  rocksdb::IOStatus status =
      rocksdb::WriteStringToFile(&files, mark, temporary, /*should_sync=*/true);
  if (status.ok()) status = files.RenameFile(temporary, name, options, nullptr);
  if (status.ok()) status = files.NewDirectory(path, options, &folder, nullptr);
  if (status.ok()) status = folder->Fsync(options, nullptr);
  return FromRocks(status, Concat("cannot write ", name));
}

absl::Status CheckClosedMark(rocksdb::Env& env, const std::string& path,
                             std::string_view manifest) {
  rocksdb::FileSystem& files = *env.GetFileSystem();
  std::string mark;
  if (!rocksdb::ReadFileToString(&files, MarkPath(path), &mark).ok()) return absl::OkStatus();
  std::string_view content;
  if (!Unseal(mark, kMarkSeed, content)) return absl::OkStatus();
  Decoder decoder(content);
  const bool known = decoder.Byte() == kMarkFormat;
  const std::string_view name = decoder.Block();
  const uint64_t size = decoder.Be64();
  const std::string_view hash = decoder.Block();
  if (!known || !decoder.Done() || name != manifest) return absl::OkStatus();
  std::string bytes;
  if (auto s = rocksdb::ReadFileToString(&files, Concat(path, "/", manifest), &bytes); !s.ok()) {
    return FromRocks(s, Concat("cannot read ", path, "/", manifest));
  }
  if (bytes.size() == size && ContentHash(bytes) == hash) return absl::OkStatus();
  return absl::DataLossError(
      Concat(path, "/", manifest, " is damaged: it has ", bytes.size(),
             " bytes and is not what it was when the store was closed, with ", size, " bytes"));
}

}  // namespace vouch
