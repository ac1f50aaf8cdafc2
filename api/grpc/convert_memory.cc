#include "api/grpc/convert.h"

namespace vouch {

void FillServerMemory(const DatabaseMemory& memory, v1::ServerMemory* message) {
  message->set_limit(memory.use.limit);
  message->set_indexes(memory.use.indexes);
  message->set_block_cache(memory.store.block_cache);
  message->set_memtables(memory.store.memtables);
  message->set_table_readers(memory.store.table_readers);
  message->set_reserved(memory.use.reserved);
  message->set_resident(memory.process.resident);
  message->set_anonymous(memory.process.anonymous);
}

}  // namespace vouch
