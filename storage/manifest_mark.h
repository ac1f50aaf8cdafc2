#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace rocksdb {
class DB;
class Env;
}  // namespace rocksdb

namespace vouch {

// What a store says of its manifest, in two small sealed files beside it.
//
// Why: RocksDB appends to the manifest for as long as the store is open, and takes an end that is
// missing or does not read for what a power loss cut short. Where those records had reached the
// disk that is damage, and what RocksDB would make of it is a store without the data files of the
// lost records, which it then deletes; the logs that had their rows are gone already.
//
// `SYNCED`, written when a store has been opened and after each flush, says how much of the
// manifest had reached the disk by then: so much must stand there, byte for byte, and more may.
// `CLOSED`, written when a store was closed in order, says what all of it is: nothing was under
// way.
//
// RocksDB starts a new manifest whenever it opens a store to write, so a mark that names another
// manifest than CURRENT does is an older one and says nothing, as does one that is missing or
// damaged itself.
enum class MarkKind : uint8_t { kSynced, kClosed };
struct ManifestMark {
  std::string manifest = {};  // its file name
  uint64_t size_bytes = 0;
  std::string hash = {};  // ContentHash of its first size_bytes bytes
};
// Of the seal: the two kinds do not pass for each other.
uint64_t SealSeedOf(MarkKind kind);
std::string EncodeManifestMark(MarkKind kind, const ManifestMark& mark);
// nullopt: no mark of this kind.
std::optional<ManifestMark> DecodeManifestMark(MarkKind kind, std::string_view bytes);

// Of an open store; what RocksDB has synced of its manifest by now.
absl::Status WriteSyncedMark(rocksdb::DB& db);
// Of a store that was closed in order.
absl::Status WriteClosedMark(rocksdb::Env& env, const std::string& path);

// DATA_LOSS where a mark is of this manifest, and its bytes are others now.
absl::Status CheckManifestMarks(rocksdb::Env& env, const std::string& path,
                                std::string_view manifest);

}  // namespace vouch
