#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}

namespace vouch {

// Looks through RocksDB's write-ahead logs and its manifest before RocksDB does, and tells damage
// from a torn tail.
//
// Why: no recovery mode of RocksDB's does it. kPointInTimeRecovery drops everything after a flipped
// bit without a word, acknowledged commits too; kAbsoluteConsistency refuses what a power loss
// leaves behind; kTolerateCorruptedTailRecords takes a flipped length near the end for a torn tail,
// and refuses a tail whose pages reached the disk out of order.
//
// How: every write is synced before the next one starts, so a power loss can tear only the last
// record, which nobody was told of. A record that does not read, with the start of another one
// after it, is therefore damage: DATA_LOSS. One with nothing after it is a torn tail, which RocksDB
// then drops. What stays undetected: damage to the very last record of the last log, since that
// looks just like a torn one; a store that was closed in order has nothing in its logs.
//
// Logs below the number that the manifest keeps from on are left alone, as RocksDB does: all of
// theirs is in tables, they only wait to be deleted, and where one was deleted before another, what
// is left does not follow on.
//
// The format is RocksDB's "Write Ahead Log File Format": blocks of 32 KiB with records of a masked
// CRC-32C, a length, a kind (full, first, middle, last) and the bytes.
absl::Status CheckLogs(rocksdb::Env& env, const std::string& path);

// What one log holds; `read_block` gives its blocks of kLogBlockBytes one by one, the last one
// shorter, then empty.
inline constexpr size_t kLogBlockBytes = 32768;
struct LogScan {
  std::optional<uint64_t> bad_offset;  // of the first record that does not read
  bool record_after_bad = false;       // a whole record starts after it
  std::optional<uint64_t>
      first_sequence;          // of the first batch that reads; only in write-ahead logs
  uint64_t next_sequence = 0;  // after the last batch that reads before bad_offset
  // What the record at bad_offset has where its sequence number belongs. Nothing vouches for it;
  // nullopt where those bytes are missing, or zero as in a page that was never written.
  std::optional<uint64_t> bad_sequence;
};
// Given the first bytes (256, or all where it is shorter) of each record that reads, in order.
using RecordVisitor = std::function<void(std::string_view head)>;
LogScan ScanLog(const std::function<std::string_view()>& read_block,
                const RecordVisitor& visit = nullptr);

// The number of the first log that is needed, where this record of a manifest (the start of a
// RocksDB VersionEdit, 7.8) says one; 0 where it says none or does not read.
uint64_t MinLogToKeep(std::string_view edit);

}  // namespace vouch
