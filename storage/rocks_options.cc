#include "storage/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

namespace vouch {

namespace {

constexpr double kBloomBitsPerKey = 10;
constexpr int kMaxOpenFiles = 1000;
constexpr size_t kMaxInfoLogBytes = size_t{4} << 20;
constexpr size_t kMaxManifestBytes = size_t{16} << 20;

rocksdb::CompressionType BestCompression() {
  const std::vector<rocksdb::CompressionType> supported = rocksdb::GetSupportedCompressions();
  for (const auto type : {rocksdb::kZSTD, rocksdb::kLZ4Compression}) {
    if (std::find(supported.begin(), supported.end(), type) != supported.end()) return type;
  }
  return rocksdb::kNoCompression;
}

}  // namespace

rocksdb::DBOptions RocksDbOptions(const RocksOptions& options) {
  rocksdb::DBOptions db;
  if (options.env != nullptr) db.env = options.env;
  db.create_if_missing = options.create_if_missing;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  // Open has looked through the log itself before (wal_check.h): what is left to RocksDB is to stop at a torn tail.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Bounds what a start has to replay. Families that fill slowly are flushed when the log is over it.
  db.max_total_wal_size = 2 * options.write_buffer_bytes;
  // A store that failed a write stays read-only until it is opened anew; no healing behind our back.
  db.max_bgerror_resume_count = 0;
  db.max_open_files = kMaxOpenFiles;
  db.max_background_jobs = 2;
  // It is read whole after each flush (manifest_mark.h).
  db.max_manifest_file_size = kMaxManifestBytes;
  db.bytes_per_sync = size_t{1} << 20;
  db.max_log_file_size = kMaxInfoLogBytes;
  db.keep_log_file_num = 2;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

rocksdb::ColumnFamilyOptions RocksFamilyOptions(const RocksOptions& options, Family family,
                                                const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions cf;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  cf.write_buffer_size = std::max<size_t>(options.write_buffer_bytes / 4, size_t{1} << 20);
  cf.compression = BestCompression();
  switch (family) {
    case Family::kVectors:
      // Floats do not compress, and whole vectors are read in order.
      cf.compression = rocksdb::kNoCompression;
      cf.write_buffer_size = options.write_buffer_bytes;
      table.block_size = size_t{16} << 10;
      break;
    case Family::kArtifacts:
      cf.compression = rocksdb::kNoCompression;  // already compressed, one by one
      break;
    case Family::kPoints:
    case Family::kCommits:
      // Most ids looked up by a commit are new ones.
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
      cf.memtable_whole_key_filtering = true;
      cf.memtable_prefix_bloom_size_ratio = 0.05;
      break;
    case Family::kCatalog:
    case Family::kRows:
    case Family::kRetired:
    case Family::kDocuments:
    case Family::kAnswers:
    case Family::kEvaluations:
    case Family::kAudit:
      break;
  }
  cf.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return cf;
}

}  // namespace vouch
