#pragma once

#include <vector>

#include "bench/ann_data.h"
#include "bench/ann_engine.h"

namespace vouch {

// Fills the engines' points: medians of kAnnTurns turns on one thread; in each turn all engines
// take all efs, one after the other. More than one engine, and all of one process are measured side
// by side.
void Sweep(std::vector<AnnEngine>& engines, const AnnData& data, const RowLists& truth);

// What builds cost and QPS where each engine's line through its points crosses a recall, against
// the engine named hnswlib; then the points themselves.
void PrintSweep(const std::vector<AnnEngine>& engines);

// The first point of at least this recall, the last one where there is none.
const AnnPoint& FirstAbove(const std::vector<AnnPoint>& points, double recall);

}  // namespace vouch
