#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "index/dense_offload.h"
#include "index/gpu/dense_unit.h"
#include "index/gpu/gpu_search.h"
#include "index/gpu/gpu_status.h"
#include "index/gpu/micro_batcher.h"

namespace vouch {

struct GpuDenseOptions {
  LedgerLimits limits = {};
  BatchLimits batch = {};
  // What columns may take of each device; 0: nine tenths of what is free on it at the beginning.
  uint64_t memory_limit_bytes = 0;
  // How often it is looked at what is worth placing; 0: only when PlaceDue is called. Less: sooner placed, more looking.
  std::chrono::milliseconds placement_period{1000};
  size_t batches_at_once = 2;  // on a device: copies of one go on while another is computed
  // Searches of fewer allowed rows of a segment are done by the processor, in less time than a device's answer takes.
  uint64_t few_rows = 2048;
  // Tenant and collection: placed before all others, whether searched or not.
  std::set<std::pair<std::string, std::string>> pinned = {};
  int copies = 1;  // of each column, on as many devices
  // Whether devices help to build graphs, cells and product codes. Sooner built; but then the bytes of graphs follow from the device,
  // too, and from whether it had the room: equal rows may give other graphs, with the same scores.
  bool builds = false;
  // So many nodes get their links in one go, of so many groups at most. More: the device is waited for less often, and builds are ended
  // later.
  size_t build_nodes = 32'768;
  size_t build_groups = 64;
  std::map<std::string, double> weights = {};  // of tenants, in sharing a device's time; 1 where there is none
  // A search waits so long for its device, and is done by the processor then. More: fewer are done twice where a device is busy, but
  // all wait longer for one that hangs.
  std::chrono::milliseconds patience{1'000};
  // A device that is at one batch for so long is taken for lost.
  std::chrono::milliseconds answer_limit{10'000};
  std::function<void(const std::string& message)> warn = {};  // on any thread; may be empty
};

// Searches sealed segments on devices: places their columns by the ledger, collects searches into batches, and leaves to the
// processor what a device does not take or fails in. Thread safe. Outlives the databases that use it.
//
// Invariants:
// 1. Every search that a device began is answered: by it, or by the processor, whatever fails meanwhile.
// 2. Hits have the engine's scores, and are those that the processor finds: exactly, where every allowed row is compared or the
//    field has an inverted file, but for what is placed as codes.
// 3. A column is uploaded, searched and freed without a lock that a search here or a write waits for.
// 4. A lost device is asked nothing any more, until the program starts again.
class GpuDense final : public DenseOffloads {
 public:
  GpuDense(std::vector<std::unique_ptr<GpuDevice>> devices, GpuDenseOptions options);
  ~GpuDense() override;

  std::shared_ptr<SegmentOffload> ForCollection(const std::string& tenant, const std::string& collection) override;
  // Places, and evicts, what is due now; how many moves it made. `seconds` since the last time.
  size_t PlaceDue(double seconds);
  GpuStatus Status() const;

 private:
  friend class CollectionOffload;
  friend class DeviceSearch;
  struct Slot {
    std::unique_ptr<GpuDevice> device;
    std::unique_ptr<MicroBatcher> batcher;
    std::atomic<bool> lost{false};
    std::atomic<int> failures{0};  // of batches, one after the other
    mutable std::mutex mu;
    std::string why_lost;  // guarded by mu
    // The batch that was seen to hang, by when it began, and when that was first seen; guarded by mu.
    std::chrono::steady_clock::time_point hanging = {}, seen_hanging = {};
  };
  struct Counters {
    std::atomic<uint64_t> searches{0}, not_placed{0}, crowded{0}, out_of_memory{0}, failed{0}, lost{0};
    std::atomic<uint64_t> placements{0}, evictions{0}, refusals{0}, fragmented{0}, builds{0};
  };

  // A segment's field as a unit; null: it cannot be placed.
  std::shared_ptr<DenseUnit> AddUnit(const std::string& tenant, const std::string& collection, const std::string& field_name,
                                     const SegmentPtr& segment, size_t field);
  std::unique_ptr<OffloadedSearch> Begin(const std::shared_ptr<DenseUnit>& unit, const SegmentOffload::Request& request);
  std::chrono::nanoseconds RunBatch(size_t device, const BatchKey& key, std::span<const MicroBatcher::Item> items);
  void Lose(size_t device, const std::string& why);
  // Where the device hangs; whether it is lost. Two looks must have found the same batch over the limit: where the whole process stood
  // still, the device answers between them.
  bool LoseIfItHangs(size_t device);
  // As the system counts its GPUs.
  int OrdinalOf(size_t device) const { return slots_[device]->device->properties().ordinal; }
  void CountFailure(const absl::Status& status);
  void Warn(const std::string& message) const;

  // --- placing
  std::vector<std::shared_ptr<DenseUnit>> UnitsNow();
  void MeasureUnits(double seconds);
  bool Make(const DeviceLedger::Move& move, std::vector<std::shared_ptr<DenseUnit>>& units);
  void Upload(const std::shared_ptr<DenseUnit>& unit, DeviceLedger::Place place);
  void Loop();

  // --- builds (gpu_builds.cc): by the device that has the most room just now. The ledger sees what they take as another process's.
  // RESOURCE_EXHAUSTED or UNIMPLEMENTED: none has, or can.
  Slot* Roomiest(const GpuShape& shape);
  void NoteBuildFailed(Slot& slot, const absl::Status& status);
  absl::StatusOr<std::vector<std::vector<uint32_t>>> ChooseLinks(const DenseColumn& column, std::span<const NodeGroups> levels,
                                                                 const LinkCounts& counts, const BuildProgress& progress);
  absl::Status ChooseLinksOf(const NodeGroups& groups, const LinkCounts& counts, const BuildProgress& progress, GpuDevice& device,
                             const GpuColumn& column, std::span<uint32_t> links) const;
  absl::StatusOr<std::vector<uint32_t>> Assign(const CodeRecords& records, uint32_t count, int threads,
                                               const std::function<void(uint32_t, CodeQuery&)>& query);
  absl::Status FindEntries(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest);

  const GpuDenseOptions options_;
  const std::shared_ptr<LedgerBooks> books_;
  std::vector<std::unique_ptr<Slot>> slots_;
  uint64_t largest_budget_ = 0;
  Counters counters_;
  std::atomic<uint64_t> next_unit_{1};
  std::atomic<size_t> next_entries_{0};  // whose turn it is to find entries

  std::mutex place_mu_;  // held by one round of placing
  mutable std::mutex units_mu_;
  std::map<uint64_t, std::shared_ptr<DenseUnit>> units_;  // guarded by units_mu_

  std::mutex loop_mu_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by loop_mu_
  std::thread loop_;
};

}  // namespace vouch
