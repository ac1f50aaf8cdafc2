// What RocksDB holds in memory, and how it is made less.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>

#include "storage/rocks.h"
#include "storage/store.h"

namespace vouch {

StoreMemory Rocks::Memory() const {
  StoreMemory memory;
  memory.block_cache = cache_->GetUsage();
  for (rocksdb::ColumnFamilyHandle* family : handles_) {
    uint64_t bytes = 0;
    // Those that iterators still read count too.
    if (db_->GetIntProperty(family, rocksdb::DB::Properties::kSizeAllMemTables, &bytes)) memory.memtables += bytes;
    if (db_->GetIntProperty(family, rocksdb::DB::Properties::kEstimateTableReadersMem, &bytes)) {
      memory.table_readers += bytes;
    }
  }
  return memory;
}

void Rocks::SetBlockCacheBytes(size_t bytes) { cache_->SetCapacity(bytes); }

void Rocks::FlushMemtables() {
  if (read_only_) return;
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = false;
  for (rocksdb::ColumnFamilyHandle* family : handles_) {
    // A flush that fails makes the store read-only, and the next write says so.
    db_->Flush(options, family).PermitUncheckedError();
  }
}

}  // namespace vouch
