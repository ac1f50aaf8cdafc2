#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}

namespace vouch {

// What a store that was closed in order says of its manifest: its name, size and checksum, in the
// sealed file CLOSED.
//
// Why: RocksDB appends to the manifest for as long as the store is open, and takes an end that is
// missing or does not read for what a power loss cut short. After a closing in order nothing was
// under way, so there it is damage; what RocksDB would make of it is a store without the data files
// of the lost records, which it then deletes.
//
// RocksDB starts a new manifest whenever it opens a store to write, so a mark that names another
// manifest than CURRENT does is an older one and says nothing, as does one that is missing or
// damaged itself.
absl::Status WriteClosedMark(rocksdb::Env& env, const std::string& path);

// DATA_LOSS where the mark is of this manifest, and its bytes are others now.
absl::Status CheckClosedMark(rocksdb::Env& env, const std::string& path, std::string_view manifest);

}  // namespace vouch
