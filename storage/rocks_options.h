#pragma once

#include <rocksdb/options.h>

#include "storage/rocks.h"

namespace vouch {

// How RocksDB is set up: for the whole store, and for each family. Only storage/*.cc include this header.
rocksdb::DBOptions RocksDbOptions(const RocksOptions& options);
rocksdb::ColumnFamilyOptions RocksFamilyOptions(const RocksOptions& options, Family family,
                                                const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace vouch
