#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/ann_data.h"
#include "index/collection_index.h"

namespace vouch {

inline constexpr int kAnnM = 16;
inline constexpr int kAnnEfConstruction = 200;
inline constexpr int kAnnTurns = 5;  // medians of so many

// What is measured of one engine.
struct AnnPoint {
  int ef = 0;
  double recall = 0;
  double queries_per_second = 0;
};

// On two threads.
struct BuildCost {
  double seconds = 0;            // by the clock
  double processor_seconds = 0;  // of both threads
};

struct AnnEngine {
  std::string name;
  BuildCost build;
  bool built_before = false;    // read from the cache; `build` is that of the run that filled it
  double bytes_per_vector = 0;   // in private memory
  double mapped_per_vector = 0;  // in a file, read through the system's cache
  std::function<void(const float* query, int ef, std::vector<uint64_t>& out)> search;
  std::vector<AnnPoint> points;  // by rising ef
};

// Graphs of hnswlib are kept in `cache` for data sets of a million rows and more, with the seconds
// that building took.
AnnEngine MakeHnswlib(const AnnData& data, const std::string& cache);
AnnEngine MakeFaiss(const AnnData& data);
// Its `ef` is nprobe.
AnnEngine MakeFaissIvfPq(const AnnData& data);

// Our index over rows committed in batches of 500, in a temporary folder that goes with it. Row i
// is point i at first.
class VouchIndex {
 public:
  struct Change {
    uint64_t point = 0;
    const float* vector = nullptr;  // null: the point is deleted
  };

  VouchIndex(size_t dim, uint64_t seal_rows);
  ~VouchIndex();

  // Ends the program where the index refuses.
  void AddRows(const AnnData& data);
  // One commit of at most a few hundred changes.
  void Apply(std::span<const Change> changes);
  // Into one segment.
  BuildCost Optimize();
  void WaitIdle();

  IndexReader Read() const { return index_->Read(index_->latest(), rows_); }
  double BytesPerRow() const;  // in private memory
  double MappedBytesPerRow() const;
  size_t dim() const { return dim_; }
  size_t segments() const { return index_->Status().segments.size(); }
  // The point of a row, as points stand now.
  uint64_t PointOf(uint64_t row) const { return point_of_[row]; }

 private:
  const size_t dim_;
  std::string directory_;
  JobPool pool_{2};
  std::unique_ptr<RowSource> source_;
  std::unique_ptr<CollectionIndex> index_;
  uint64_t version_ = 0;
  uint64_t rows_ = 0;
  std::vector<uint64_t> point_of_;               // by row
  std::vector<std::optional<uint64_t>> row_of_;  // by point
};

// The rows found, best first; ends the program where the search is refused. `stats` may be null.
std::vector<uint64_t> SearchVouch(const IndexReader& reader, const RowMask& mask,
                                  std::span<const float> query, int ef, bool exact,
                                  SearchStats* stats);
RowMask MaskOfAll(const IndexReader& reader);

// `index` outlives the engine.
AnnEngine MakeVouch(const VouchIndex& index, BuildCost build);

double Median(std::vector<double> values);
double SecondsSince(int64_t start_ns);
int64_t NowNs();
// Of the calling thread and of the whole process. What one thread does is timed by its own, so that
// other work on the machine disturbs less; on a quiet one that is the same as the clock's.
double ThreadSeconds();
double ProcessSeconds();

}  // namespace vouch
