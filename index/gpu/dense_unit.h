#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "index/dense/vector_codes.h"
#include "index/gpu/device_ledger.h"
#include "index/gpu/gpu_device.h"
#include "index/segment.h"

namespace vouch {

// The ledger with its lock. No other lock is taken while it is held.
struct LedgerBooks {
  explicit LedgerBooks(LedgerLimits limits) : ledger(std::move(limits)) {}
  std::mutex mu;
  DeviceLedger ledger;  // guarded by mu
};

// A column on a device, in the ledger's books as long as it is there.
class PlacedColumn {
 public:
  PlacedColumn(std::shared_ptr<const GpuColumn> column, DeviceLedger::Place place, std::shared_ptr<LedgerBooks> books)
      : column_(std::move(column)), place_(place), books_(std::move(books)) {}
  PlacedColumn(const PlacedColumn&) = delete;
  PlacedColumn& operator=(const PlacedColumn&) = delete;
  ~PlacedColumn() {
    column_.reset();
    const std::lock_guard lock(books_->mu);
    books_->ledger.Release(place_);
  }
  const GpuColumn& column() const { return *column_; }
  int device() const { return place_.device; }

 private:
  std::shared_ptr<const GpuColumn> column_;
  const DeviceLedger::Place place_;
  const std::shared_ptr<LedgerBooks> books_;
};

// One dense field of a sealed segment: what is placed as a whole. Thread safe.
class DenseUnit {
 public:
  struct Name {
    uint64_t id = 0;
    std::string tenant = {};
    std::string collection = {};
    std::string field = {};
  };
  DenseUnit(Name name, SegmentPtr segment, size_t field, const GpuShape& shape);

  const Name& name() const { return name_; }
  const Segment& segment() const { return *segment_; }
  size_t field() const { return field_; }
  const DenseColumn& column() const { return segment_->dense[field_]; }
  const Ivf* ivf() const { return segment_->IvfOf(field_); }
  const GpuShape& shape() const { return shape_; }
  // By which a query of codes is encoded: the graph's own, or those that Source made; null before it did.
  std::shared_ptr<const VectorCodes> codes() const;
  // The nodes that are allowed, `count` at most, ascending; the same list for all that ask for this bitmap while one of them has it.
  std::shared_ptr<const std::vector<uint32_t>> NodesOf(const std::shared_ptr<const Bitmap>& allowed, uint64_t count) const;
  // Of the cell's codes; of product codes only.
  uint32_t first_block(uint32_t cell) const { return first_block_[cell]; }

  // What to upload: one upload at a time reads it. It stops with CANCELLED once the unit is retired.
  GpuSource Source() const;

  // Its segment is searched no more.
  void Retire() { retired_ = true; }
  bool retired() const { return retired_; }
  // Source found that its codes would not find what is near: it is placed no more.
  bool unsuitable() const { return unsuitable_; }

  // --- what it is worth
  void NoteAsked() { asked_.fetch_add(1, std::memory_order_relaxed); }
  void NoteSearchedHere(std::chrono::nanoseconds took);
  // Takes in what was asked since the last time, `seconds` ago; processor nanoseconds a second that placing it saves.
  double MeasureBenefit(double seconds);
  uint64_t asked() const { return asked_.load(std::memory_order_relaxed); }
  double benefit() const { return benefit_.load(std::memory_order_relaxed); }

  // --- where it lies
  void Add(std::shared_ptr<const PlacedColumn> placed);
  // From the device; the column goes with the last search of it. False: it did not lie there.
  bool Remove(int device);
  std::vector<std::shared_ptr<const PlacedColumn>> placed() const;

 private:
  GpuSource SourceOfCells() const;
  absl::StatusOr<std::shared_ptr<const VectorCodes>> FitCodes() const;

  const Name name_;
  const SegmentPtr segment_;
  const size_t field_;
  const GpuShape shape_;
  std::vector<uint32_t> first_block_;
  std::atomic<bool> retired_{false};
  mutable std::atomic<bool> unsuitable_{false};
  std::atomic<uint64_t> asked_{0};
  std::atomic<double> here_ns_{0};  // of a search on the processor, a moving mean; 0: none was done yet
  std::atomic<double> benefit_{0};
  uint64_t measured_ = 0;  // searches taken in; MeasureBenefit's
  double rate_ = 0;        // searches a second, a moving mean; MeasureBenefit's
  mutable std::mutex mu_;
  std::vector<std::shared_ptr<const PlacedColumn>> placed_;  // guarded by mu_
  mutable std::shared_ptr<const VectorCodes> fitted_;        // guarded by mu_; of an inverted file's vectors
  struct Listed {
    std::weak_ptr<const Bitmap> allowed;
    std::weak_ptr<const std::vector<uint32_t>> nodes;
  };
  mutable std::vector<Listed> listed_;  // guarded by mu_
};

// How a segment's field would be placed: its vectors; product codes where it has them; codes, where these are shorter and no device
// holds its vectors, of a graph or of cells whose vectors can be coded (IVF-SQ). No value: it cannot be.
std::optional<GpuShape> ChooseShape(const Segment& segment, size_t field, const std::function<bool(const GpuShape&)>& fits);

}  // namespace vouch
