#pragma once

#include "index/dense_offload.h"
#include "query/database.h"

namespace vouch {

// Collections that are opened from here on may be searched there, too; null: no others are. `offloads` outlives the database.
void UseOffloads(Database& database, DenseOffloads* offloads);
// As UseOffloads said; null: none.
DenseOffloads* OffloadsOf(const Database& database);

}  // namespace vouch
