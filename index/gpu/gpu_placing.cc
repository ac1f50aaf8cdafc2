// GpuDense's placing: what the ledger says, done.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/gpu/gpu_dense.h"
#include "index/memory_budget.h"

namespace vouch {
namespace {

constexpr size_t kMostMoves = 256;  // of one round

}  // namespace

void GpuDense::Loop() {
  auto last = std::chrono::steady_clock::now();
  std::unique_lock lock(loop_mu_);
  while (!stop_.wait_for(lock, options_.placement_period, [&] { return stopping_; })) {
    lock.unlock();
    const auto now = std::chrono::steady_clock::now();
    PlaceDue(std::chrono::duration<double>(now - last).count());
    last = now;
    lock.lock();
  }
}

void GpuDense::MeasureUnits(double seconds) {
  std::vector<std::pair<int, absl::StatusOr<GpuMemory>>> memory;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!LoseIfItHangs(i)) memory.emplace_back(static_cast<int>(i), slots_[i]->device->MeasureMemory());
  }
  const std::vector<std::shared_ptr<DenseUnit>> units = UnitsNow();
  std::vector<uint64_t> retired;
  {
    const std::lock_guard lock(books_->mu);
    for (const auto& [device, measured] : memory) {
      if (measured.ok()) books_->ledger.SetFree(device, measured->free);
    }
    for (const std::shared_ptr<DenseUnit>& unit : units) {
      const DenseUnit::Name& name = unit->name();
      if (unit->retired()) {
        books_->ledger.RemoveUnit(name.id);
        retired.push_back(name.id);
        continue;
      }
      if (unit->unsuitable()) {
        books_->ledger.RemoveUnit(name.id);
        continue;
      }
      books_->ledger.SetUnit({.id = name.id,
                              .tenant = name.tenant,
                              .collection = name.collection,
                              .bytes = slots_.front()->device->BytesOf(unit->shape()),
                              .pinned = options_.pinned.contains({name.tenant, name.collection}),
                              .benefit = unit->MeasureBenefit(seconds),
                              .copies = options_.copies});
    }
  }
  for (const std::shared_ptr<DenseUnit>& unit : units) {
    if (!unit->retired()) continue;
    for (const auto& placed : unit->placed()) unit->Remove(placed->device());
  }
  // Segments go with the units, after the lock.
  std::vector<std::shared_ptr<DenseUnit>> gone;
  const std::lock_guard lock(units_mu_);
  for (const uint64_t id : retired) {
    const auto found = units_.find(id);
    if (found == units_.end()) continue;
    gone.push_back(std::move(found->second));
    units_.erase(found);
  }
}

size_t GpuDense::PlaceDue(double seconds) {
  const std::lock_guard placing(place_mu_);
  if (slots_.empty()) return 0;
  MeasureUnits(seconds);
  std::vector<std::shared_ptr<DenseUnit>> units = UnitsNow();
  size_t moves = 0;
  const auto began = std::chrono::steady_clock::now();
  for (; moves < kMostMoves; ++moves) {
    // What took long is measured anew: segments have gone meanwhile, and others are searched.
    const bool stale = std::chrono::steady_clock::now() - began > options_.placement_period;
    if (stale && moves > 0 && options_.placement_period.count() > 0) break;
    std::optional<DeviceLedger::Move> move;
    {
      const std::lock_guard lock(books_->mu);
      move = books_->ledger.NextMove(std::chrono::steady_clock::now());
    }
    if (!move || !Make(*move, units)) break;
  }
  return moves;
}

// False: what is to go is still being searched, and nothing more can be done now.
bool GpuDense::Make(const DeviceLedger::Move& move, std::vector<std::shared_ptr<DenseUnit>>& units) {
  const auto unit_of = [&](uint64_t id) -> std::shared_ptr<DenseUnit> {
    const auto found = std::find_if(units.begin(), units.end(), [&](const auto& unit) { return unit->name().id == id; });
    return found == units.end() ? nullptr : *found;
  };
  for (const DeviceLedger::Place& place : move.evict) {
    // One that is still being searched was taken away before, and is counted once.
    if (const std::shared_ptr<DenseUnit> unit = unit_of(place.unit); unit != nullptr && unit->Remove(place.device)) {
      ++counters_.evictions;
    }
  }
  {
    const std::lock_guard lock(books_->mu);
    for (const DeviceLedger::Place& place : move.evict) {
      if (books_->ledger.IsHeld(place)) return false;
    }
    if (!move.place) return true;
    if (!books_->ledger.Reserve(*move.place).ok()) return false;
  }
  const std::shared_ptr<DenseUnit> unit = unit_of(move.place->unit);
  if (unit == nullptr || unit->retired()) {
    const std::lock_guard lock(books_->mu);
    books_->ledger.RemoveUnit(move.place->unit);
    books_->ledger.Release(*move.place);
    return true;
  }
  Upload(unit, *move.place);
  return true;
}

void GpuDense::Upload(const std::shared_ptr<DenseUnit>& unit, DeviceLedger::Place place) {
  Slot& slot = *slots_[static_cast<size_t>(place.device)];
  const uint64_t bytes = slot.device->BytesOf(unit->shape());
  const auto has_room = [&] {
    const absl::StatusOr<GpuMemory> memory = slot.device->MeasureMemory();
    return memory.ok() && memory->free >= bytes;
  };
  const bool had_room = has_room();
  absl::StatusOr<std::shared_ptr<const GpuColumn>> column = slot.device->Place(unit->shape(), unit->Source());
  if (column.ok()) {
    // From here on the books are told when it goes.
    auto placed = std::make_shared<const PlacedColumn>(*std::move(column), place, books_);
    {
      const std::lock_guard lock(books_->mu);
      books_->ledger.Confirm(place);
    }
    if (slot.lost) return;
    unit->Add(std::move(placed));
    if (slot.lost || unit->retired()) unit->Remove(place.device);
    ++counters_.placements;
    return;
  }
  {
    const std::lock_guard lock(books_->mu);
    books_->ledger.Refuse(place, std::chrono::steady_clock::now(), absl::IsResourceExhausted(column.status()));
    if (unit->unsuitable()) books_->ledger.RemoveUnit(place.unit);
  }
  if (absl::IsUnavailable(column.status())) {
    Lose(static_cast<size_t>(place.device), std::string(column.status().message()));
    return;
  }
  if (absl::IsCancelled(column.status())) return;  // the segment went meanwhile
  ++counters_.refusals;
  const bool fragmented = absl::IsResourceExhausted(column.status()) && had_room && has_room();
  if (fragmented) ++counters_.fragmented;
  Warn(absl::StrCat("GPU ", OrdinalOf(static_cast<size_t>(place.device)), " did not take ",
                    DescribeBytes(bytes), fragmented ? " (as much is free, but in pieces)" : "", " of '", unit->name().collection,
                    "', which the processor goes on to search: ", column.status().message()));
}

}  // namespace vouch
