#pragma once

#include <string>

#include "bench/ann_data.h"

namespace vouch {

// The parts of bench_ann; each builds what it needs, and prints its tables.

// Ours beside the rivals on one thread: builds, recall and QPS by ef.
void CompareEngines(const AnnData& data, const std::string& cache, bool with_faiss);
// Each index kind with some vector types, beside FAISS IVF-PQ fast-scan with refining.
void MeasureKinds(const AnnData& data);
// Filters of falling selectivity, at random and by one half-space, beside no filter and beside
// exact search.
void MeasureFilters(const AnnData& data);
// Batches of 64 on one and on two threads, through the engine. `folder` for the store.
void MeasureBatches(const AnnData& data, const std::string& folder);
// Searches through the engine (store and index) while 1,000 rows a second are written. `folder` for
// the store. `by_processor`: a second is one of the searching thread's processor time, and the
// background gets as much; else one of the clock.
void MeasureWriting(const AnnData& data, const std::string& folder, bool by_processor);
// What rows cost that are not sealed yet.
void MeasureFresh(const AnnData& data);
// After 30 % of the points were deleted and 30 % replaced, beside a fresh build of the points that
// are left.
void MeasureDeletes(const AnnData& data);

}  // namespace vouch
