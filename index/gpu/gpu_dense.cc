#include "index/gpu/gpu_dense.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "index/gpu/collection_offload.h"

namespace vouch {
namespace {

constexpr double kMemoryPart = 0.9;    // of a device, where no limit is set
constexpr int kMostFailures = 8;       // of batches one after the other: then the device is taken for lost

}  // namespace

// A search that waits for a device.
class DeviceSearch final : public OffloadedSearch {
 public:
  DeviceSearch(GpuDense& dense, size_t device, std::shared_ptr<GpuSearchItem> item)
      : dense_(dense),
        device_(device),
        item_(std::move(item)),
        deadline_(absl::Now() + absl::FromChrono(dense.options_.patience)) {}
  ~DeviceSearch() override {
    if (!awaited_) dense_.slots_[device_]->batcher->LetGo(*item_);
  }

  absl::StatusOr<bool> Await(const CancelToken& cancel, TopHits& top, DenseSegmentStats& stats) override {
    awaited_ = true;
    const CancelToken limited(deadline_, [&cancel] { return !cancel.Check().ok(); });
    absl::Status status = dense_.slots_[device_]->batcher->Await(*item_, limited);
    if (absl::Status asked = cancel.Check(); !asked.ok()) return asked;
    if (absl::IsDeadlineExceeded(status)) {
      if (!dense_.LoseIfItHangs(device_)) {
        ++dense_.counters_.crowded;
        return false;
      }
      status = absl::UnavailableError("the device is lost");
    }
    if (status.ok()) status = item_->status;
    if (!status.ok()) {
      dense_.CountFailure(status);
      return false;
    }
    if (status = PushFound(*item_, top, stats); !status.ok()) return status;
    ++dense_.counters_.searches;
    return true;
  }

 private:
  GpuDense& dense_;
  const size_t device_;
  const std::shared_ptr<GpuSearchItem> item_;
  const absl::Time deadline_;  // from when it began: a search of many segments waits no longer than one of one
  bool awaited_ = false;
};

GpuDense::GpuDense(std::vector<std::unique_ptr<GpuDevice>> devices, GpuDenseOptions options)
    : options_(std::move(options)), books_(std::make_shared<LedgerBooks>(options_.limits)) {
  slots_.reserve(devices.size());
  for (size_t i = 0; i < devices.size(); ++i) {
    auto slot = std::make_unique<Slot>();
    slot->device = std::move(devices[i]);
    slot->batcher = std::make_unique<MicroBatcher>(
        options_.batch, options_.batches_at_once,
        [this, i](const BatchKey& key, std::span<const MicroBatcher::Item> items) { return RunBatch(i, key, items); });
    for (const auto& [tenant, weight] : options_.weights) slot->batcher->SetWeight(tenant, weight);
    const absl::StatusOr<GpuMemory> memory = slot->device->MeasureMemory();
    const uint64_t there = memory.ok() ? static_cast<uint64_t>(kMemoryPart * static_cast<double>(memory->free)) : 0;
    const uint64_t budget = options_.memory_limit_bytes == 0 ? there : std::min(options_.memory_limit_bytes, there);
    books_->ledger.SetBudget(static_cast<int>(i), budget);
    largest_budget_ = std::max(largest_budget_, budget);
    slots_.push_back(std::move(slot));
  }
  if (options_.placement_period.count() > 0) loop_ = std::thread([this] { Loop(); });
}

GpuDense::~GpuDense() {
  {
    const std::lock_guard lock(loop_mu_);
    stopping_ = true;
  }
  stop_.notify_all();
  {
    // An upload that runs ends soon.
    const std::lock_guard lock(units_mu_);
    for (const auto& [id, unit] : units_) unit->Retire();
  }
  if (loop_.joinable()) loop_.join();
  // A batch that fails now still finds its batcher.
  for (const std::unique_ptr<Slot>& slot : slots_) slot->batcher->Stop();
  units_.clear();
}

std::shared_ptr<SegmentOffload> GpuDense::ForCollection(const std::string& tenant, const std::string& collection) {
  return std::make_shared<CollectionOffload>(*this, tenant, collection);
}

void GpuDense::Warn(const std::string& message) const {
  if (options_.warn) options_.warn(message);
}

std::shared_ptr<DenseUnit> GpuDense::AddUnit(const std::string& tenant, const std::string& collection,
                                             const std::string& field_name, const SegmentPtr& segment, size_t field) {
  if (slots_.empty()) return nullptr;  // nobody would place it, or let it go
  const auto fits = [this](const GpuShape& shape) { return slots_.front()->device->BytesOf(shape) <= largest_budget_; };
  const std::optional<GpuShape> shape = ChooseShape(*segment, field, fits);
  if (!shape) return nullptr;
  auto unit = std::make_shared<DenseUnit>(
      DenseUnit::Name{.id = next_unit_++, .tenant = tenant, .collection = collection, .field = field_name}, segment, field,
      *shape);
  const std::lock_guard lock(units_mu_);
  units_[unit->name().id] = unit;
  return unit;
}

std::unique_ptr<OffloadedSearch> GpuDense::Begin(const std::shared_ptr<DenseUnit>& unit,
                                                 const SegmentOffload::Request& request) {
  if (unit->unsuitable() || !SuitsDevice(*unit, request.query, request.search, options_.few_rows)) return nullptr;
  if (!request.background) unit->NoteAsked();
  // Of several copies the one where the fewest searches wait.
  std::shared_ptr<const PlacedColumn> best;
  size_t best_waiting = 0;
  for (const std::shared_ptr<const PlacedColumn>& placed : unit->placed()) {
    const Slot& slot = *slots_[static_cast<size_t>(placed->device())];
    if (slot.lost || (request.background && slot.batcher->foreground() > 0)) continue;
    const size_t waiting = slot.batcher->waiting();
    if (best != nullptr && waiting >= best_waiting) continue;
    best = placed;
    best_waiting = waiting;
  }
  if (best == nullptr) {
    if (!request.background) ++counters_.not_placed;
    return nullptr;
  }
  const auto device = static_cast<size_t>(best->device());
  std::shared_ptr<GpuSearchItem> item = MakeGpuSearch(unit, std::move(best), request);
  if (!slots_[device]->batcher->Submit(item)) {
    ++(slots_[device]->lost ? counters_.lost : counters_.crowded);
    return nullptr;
  }
  return std::make_unique<DeviceSearch>(*this, device, std::move(item));
}

std::chrono::nanoseconds GpuDense::RunBatch(size_t device, const BatchKey& key,
                                            std::span<const MicroBatcher::Item> items) {
  Slot& slot = *slots_[device];
  std::vector<GpuQuery> queries;
  std::vector<std::vector<GpuFound>> found(items.size());
  for (const MicroBatcher::Item& item : items) queries.push_back(static_cast<const GpuSearchItem&>(*item).query);
  const GpuColumn& column = static_cast<const GpuSearchItem&>(*items.front()).placed->column();
  const absl::StatusOr<std::chrono::nanoseconds> took = slot.device->Search(column, key.k, queries, found);
  for (size_t i = 0; i < items.size(); ++i) {
    auto& item = static_cast<GpuSearchItem&>(*items[i]);
    item.status = took.status();
    item.found = std::move(found[i]);
  }
  if (took.ok()) {
    slot.failures = 0;
    return *took;
  }
  if (absl::IsUnavailable(took.status())) {
    Lose(device, std::string(took.status().message()));
    return std::chrono::nanoseconds(0);
  }
  const int failures = ++slot.failures;
  // Memory may come back.
  if (failures >= kMostFailures && !absl::IsResourceExhausted(took.status())) {
    Lose(device, absl::StrCat(failures, " batches failed one after the other, the last one so: ", took.status().message()));
  } else if ((failures & (failures - 1)) == 0) {
    Warn(absl::StrCat("GPU ", OrdinalOf(device), " failed in a batch of ", items.size(), ", which the processor answers: ",
                      took.status().message()));
  }
  return std::chrono::nanoseconds(0);
}

void GpuDense::CountFailure(const absl::Status& status) {
  if (absl::IsUnavailable(status)) {
    ++counters_.lost;
  } else if (absl::IsResourceExhausted(status)) {
    ++counters_.out_of_memory;
  } else {
    ++counters_.failed;
  }
}

void GpuDense::Lose(size_t device, const std::string& why) {
  Slot& slot = *slots_[device];
  if (slot.lost.exchange(true)) return;
  {
    const std::lock_guard lock(slot.mu);
    slot.why_lost = why;
  }
  slot.batcher->Close();
  {
    const std::lock_guard lock(books_->mu);
    books_->ledger.Lose(static_cast<int>(device));
  }
  for (const std::shared_ptr<DenseUnit>& unit : UnitsNow()) unit->Remove(static_cast<int>(device));
  Warn(absl::StrCat("GPU ", OrdinalOf(device), " (", slot.device->properties().name,
                    ") is lost: the processor answers instead, until the program starts again: ", why));
}

bool GpuDense::LoseIfItHangs(size_t device) {
  Slot& slot = *slots_[device];
  const std::optional<std::chrono::steady_clock::time_point> began = slot.batcher->OldestRun();
  const auto now = std::chrono::steady_clock::now();
  if (!began || now - *began <= options_.answer_limit) return slot.lost;
  {
    const std::lock_guard lock(slot.mu);
    if (slot.hanging != *began) {
      slot.hanging = *began;
      slot.seen_hanging = now;
    }
    if (now - slot.seen_hanging < options_.patience / 2) return slot.lost;
  }
  Lose(device, absl::StrCat("it gave no answer for ", options_.answer_limit.count(), " ms"));
  return slot.lost;
}

std::vector<std::shared_ptr<DenseUnit>> GpuDense::UnitsNow() {
  const std::lock_guard lock(units_mu_);
  std::vector<std::shared_ptr<DenseUnit>> units;
  for (const auto& [id, unit] : units_) units.push_back(unit);
  return units;
}

GpuStatus GpuDense::Status() const {
  GpuStatus status;
  std::map<int, DeviceLedger::Device> devices;
  {
    const std::lock_guard lock(books_->mu);
    devices = books_->ledger.devices();
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = *slots_[i];
    const MicroBatcher::Counts counts = slot.batcher->counts();
    const DeviceLedger::Device& device = devices[static_cast<int>(i)];
    const std::lock_guard lock(slot.mu);
    status.devices.push_back({.properties = slot.device->properties(),
                              .lost = slot.lost,
                              .why_lost = slot.why_lost,
                              .budget = device.budget,
                              .held = device.held,
                              .free = device.free,
                              .workspace = slot.device->workspace_bytes(),
                              .batches = counts.batches,
                              .searches = counts.searches,
                              .waiting = counts.waiting,
                              .used = counts.used});
  }
  std::vector<std::shared_ptr<DenseUnit>> units;
  {
    const std::lock_guard lock(units_mu_);
    for (const auto& [id, unit] : units_) units.push_back(unit);
  }
  for (const std::shared_ptr<DenseUnit>& unit : units) {
    if (unit->retired()) continue;
    const DenseUnit::Name& name = unit->name();
    GpuStatus::Unit shown{.tenant = name.tenant,
                          .collection = name.collection,
                          .field = name.field,
                          .first_row = unit->segment().rows.begin.value,
                          .vectors = unit->shape().nodes,
                          .content = unit->shape().content,
                          .bytes = slots_.empty() ? 0 : slots_.front()->device->BytesOf(unit->shape()),
                          .pinned = options_.pinned.contains({name.tenant, name.collection}),
                          .searches = unit->asked(),
                          .benefit = unit->benefit() / 1e9};
    for (const auto& placed : unit->placed()) shown.devices.push_back(OrdinalOf(static_cast<size_t>(placed->device())));
    status.units.push_back(std::move(shown));
  }
  status.searches = counters_.searches;
  status.fallbacks = {.not_placed = counters_.not_placed,
                      .crowded = counters_.crowded,
                      .out_of_memory = counters_.out_of_memory,
                      .failed = counters_.failed,
                      .lost = counters_.lost};
  status.placements = counters_.placements;
  status.evictions = counters_.evictions;
  status.refusals = counters_.refusals;
  status.fragmented = counters_.fragmented;
  status.builds = counters_.builds;
  return status;
}

}  // namespace vouch
