#pragma once

#include "query/database.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace vouch {

class GpuDense;

// What searches the database's segments on GPUs; null: nothing does.
const GpuDense* GpuDenseOf(const Database& database);

// The gauges of the GPUs that the database is searched by; none where it is by none.
void AddGpuMetrics(prometheus::Registry& registry, const Database& database);

}  // namespace vouch
