#include "index/gpu/device_ledger.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr std::chrono::seconds kFirstWait(1);
constexpr int kMostDoublings = 8;

double ByByte(double benefit, uint64_t bytes) { return benefit / static_cast<double>(std::max<uint64_t>(1, bytes)); }

}  // namespace

void DeviceLedger::SetBudget(int device, uint64_t bytes) { devices_[device].budget = bytes; }

void DeviceLedger::SetFree(int device, uint64_t bytes) { devices_[device].free = bytes; }

void DeviceLedger::Lose(int device) {
  Device& lost = devices_[device];
  lost = {.budget = 0, .held = 0, .free = 0, .lost = true};
  for (auto held = held_.begin(); held != held_.end();) held = held->first.device == device ? Forget(held) : std::next(held);
}

std::map<DeviceLedger::Place, DeviceLedger::Held>::iterator DeviceLedger::Forget(std::map<Place, Held>::iterator held) {
  const auto take = [bytes = held->second.bytes](auto& sums, const auto& key) {
    const auto sum = sums.find(key);
    if (sum != sums.end() && (sum->second -= bytes) == 0) sums.erase(sum);
  };
  take(of_tenant_, held->second.tenant);
  take(of_collection_, Collection(held->second.tenant, held->second.collection));
  return held_.erase(held);
}

void DeviceLedger::SetUnit(const LedgerUnit& unit) { units_[unit.id] = unit; }

void DeviceLedger::RemoveUnit(uint64_t unit) {
  units_.erase(unit);
  std::erase_if(refused_, [&](const auto& refused) { return refused.first.unit == unit; });
}

const LedgerShare& DeviceLedger::LimitsOf(const std::string& tenant) const {
  const auto found = limits_.tenants.find(tenant);
  return found == limits_.tenants.end() ? limits_.any_tenant : found->second;
}

const LedgerShare& DeviceLedger::LimitsOf(const Collection& collection) const {
  const auto found = limits_.collections.find(collection);
  return found == limits_.collections.end() ? limits_.any_collection : found->second;
}

uint64_t DeviceLedger::total_budget() const {
  uint64_t total = 0;
  for (const auto& [ordinal, device] : devices_) total += device.budget;
  return total;
}

uint64_t DeviceLedger::FreeOn(const Device& device) const {
  const uint64_t by_budget = device.budget > device.held ? device.budget - device.held : 0;
  return device.free ? std::min(by_budget, *device.free) : by_budget;
}

uint64_t DeviceLedger::RoomFor(const LedgerUnit& unit, int device) const {
  const auto refused = refused_.find({unit.id, device});
  if (refused == refused_.end()) return unit.bytes;
  const uint64_t more = unit.bytes + unit.bytes / 2 * static_cast<uint64_t>(refused->second.for_memory);
  return std::max(unit.bytes, std::min(more, devices_.at(device).budget));
}

uint64_t DeviceLedger::BytesOfTenant(const std::string& tenant) const {
  const auto found = of_tenant_.find(tenant);
  return found == of_tenant_.end() ? 0 : found->second;
}

uint64_t DeviceLedger::BytesOfCollection(const std::string& tenant, const std::string& collection) const {
  const auto found = of_collection_.find({tenant, collection});
  return found == of_collection_.end() ? 0 : found->second;
}

bool DeviceLedger::IsHeld(const Place& place) const {
  const auto found = held_.find(place);
  return found != held_.end() && found->second.state == State::kHeld;
}

std::vector<DeviceLedger::Place> DeviceLedger::held() const {
  std::vector<Place> places;
  for (const auto& [place, held] : held_) {
    if (held.state == State::kHeld) places.push_back(place);
  }
  return places;
}

int DeviceLedger::CopiesOf(uint64_t unit) const {
  const auto first = held_.lower_bound({unit, std::numeric_limits<int>::min()});
  const auto last = held_.upper_bound({unit, std::numeric_limits<int>::max()});
  return static_cast<int>(std::distance(first, last));
}

// Copies share what a unit saves.
double DeviceLedger::BenefitOf(const Place& place) const {
  const auto unit = units_.find(place.unit);
  return unit == units_.end() ? 0 : unit->second.benefit / std::max(1, CopiesOf(place.unit));
}

bool DeviceLedger::IsPinned(uint64_t unit) const {
  const auto found = units_.find(unit);
  return found != units_.end() && found->second.pinned;
}

DeviceLedger::Candidates DeviceLedger::ByValue() const {
  Candidates candidates;
  for (const auto& [place, held] : held_) {
    if (held.state != State::kHeld) continue;
    const double benefit = BenefitOf(place);
    candidates.all.push_back({.place = place, .held = &held, .benefit = benefit, .by_byte = ByByte(benefit, held.bytes)});
  }
  std::sort(candidates.all.begin(), candidates.all.end(), [](const Candidate& a, const Candidate& b) {
    return a.by_byte != b.by_byte ? a.by_byte < b.by_byte : a.place < b.place;
  });
  for (const Candidate& candidate : candidates.all) {
    if (IsPinned(candidate.place.unit)) continue;
    const Held& held = *candidate.held;
    candidates.on_device[candidate.place.device].push_back(&candidate);
    candidates.of_tenant[held.tenant].push_back(&candidate);
    candidates.bytes_on_device[candidate.place.device][held.tenant] += held.bytes;
    candidates.bytes_of_tenant[held.tenant] += held.bytes;
    candidates.bytes_of_collection[{held.tenant, held.collection}] += held.bytes;
  }
  return candidates;
}

bool DeviceLedger::MayMakeRoom(const Need& need, const LedgerUnit& unit, int device, const Candidates& candidates) const {
  const auto has = [](const auto& sums, const auto& key, int64_t needed) {
    if (needed <= 0) return true;
    const auto found = sums.find(key);
    return found != sums.end() && found->second >= static_cast<uint64_t>(needed);
  };
  if (!has(candidates.bytes_of_tenant, unit.tenant, need.tenant)) return false;
  if (!has(candidates.bytes_of_collection, Collection(unit.tenant, unit.collection), need.collection)) return false;
  if (need.device <= 0) return true;
  const auto there = candidates.bytes_on_device.find(device);
  if (there == candidates.bytes_on_device.end()) return false;
  uint64_t room = 0;
  for (const auto& [tenant, bytes] : there->second) {
    const uint64_t held = BytesOfTenant(tenant);
    const uint64_t kept = tenant == unit.tenant ? 0 : std::min(held, PartOf(LimitsOf(tenant).share));
    room += std::min(bytes, held - kept);
  }
  return room >= static_cast<uint64_t>(need.device);
}

DeviceLedger::Need DeviceLedger::NeedOf(const LedgerUnit& unit, int device) const {
  const auto lack = [](uint64_t needed, uint64_t there) { return static_cast<int64_t>(needed) - static_cast<int64_t>(there); };
  return {.device = lack(RoomFor(unit, device), FreeOn(devices_.at(device))),
          .tenant = lack(BytesOfTenant(unit.tenant) + unit.bytes, PartOf(LimitsOf(unit.tenant).cap)),
          .collection = lack(BytesOfCollection(unit.tenant, unit.collection) + unit.bytes,
                             PartOf(LimitsOf({unit.tenant, unit.collection}).cap))};
}

bool DeviceLedger::MayGoFor(const Held& victim, const LedgerUnit& unit, uint64_t of_tenant, uint64_t of_collection) const {
  if (victim.tenant != unit.tenant && of_tenant < PartOf(LimitsOf(victim.tenant).share) + victim.bytes) return false;
  const bool same = victim.tenant == unit.tenant && victim.collection == unit.collection;
  return same || of_collection >= PartOf(LimitsOf({victim.tenant, victim.collection}).share) + victim.bytes;
}

std::optional<DeviceLedger::Move> DeviceLedger::MoveOf(const LedgerUnit& unit, int device,
                                                       const Candidates& candidates) const {
  Need need = NeedOf(unit, device);
  Move move{.place = Place{unit.id, device}, .evict = {}};
  if (need.met()) return move;
  if (!MayMakeRoom(need, unit, device, candidates)) return std::nullopt;
  const double most_lost =
      unit.pinned ? std::numeric_limits<double>::infinity() : unit.benefit / (CopiesOf(unit.id) + 1) / kBetter;
  // What goes, in bytes.
  std::map<std::string, uint64_t> of_tenant;
  std::map<Collection, uint64_t> of_collection;
  const auto account = [&](const Candidate& candidate, int64_t sign) {
    const Held& held = *candidate.held;
    const int64_t bytes = sign * static_cast<int64_t>(held.bytes);
    if (candidate.place.device == device) need.device -= bytes;
    if (held.tenant == unit.tenant) need.tenant -= bytes;
    if (held.tenant == unit.tenant && held.collection == unit.collection) need.collection -= bytes;
    of_tenant[held.tenant] += static_cast<uint64_t>(bytes);
    of_collection[{held.tenant, held.collection}] += static_cast<uint64_t>(bytes);
  };
  std::vector<const Candidate*> evict;
  // By whatever makes the room: parts of what is worth the least by byte.
  double least_lost_on_device = 0;
  double least_lost_of_tenant = 0;
  // Returns whether to go on.
  const auto consider = [&](const Candidate& candidate) {
    if (need.met()) return false;
    const Place& place = candidate.place;
    const Held& held = *candidate.held;
    const bool same_tenant = held.tenant == unit.tenant;
    const bool same_collection = same_tenant && held.collection == unit.collection;
    const bool on_device = need.device > 0 && place.device == device;
    const bool of_tenant_helps = need.tenant > 0 && same_tenant;
    if (place.unit == unit.id || !(on_device || of_tenant_helps || (need.collection > 0 && same_collection))) return true;
    const Collection collection(held.tenant, held.collection);
    if (!MayGoFor(held, unit, BytesOfTenant(held.tenant) - of_tenant[held.tenant],
                  BytesOfCollection(held.tenant, held.collection) - of_collection[collection])) {
      return true;
    }
    const auto part = [&](int64_t needed) {
      return candidate.by_byte * static_cast<double>(std::min(needed, static_cast<int64_t>(held.bytes)));
    };
    if (on_device) least_lost_on_device += part(need.device);
    if (of_tenant_helps) least_lost_of_tenant += part(need.tenant);
    if (std::max(least_lost_on_device, least_lost_of_tenant) >= most_lost) return false;
    evict.push_back(&candidate);
    account(candidate, 1);
    return true;
  };
  // Where one device, or one tenant, must give all that is needed, nothing of others helps.
  if (need.tenant <= 0 && need.collection <= 0) {
    for (const Candidate* candidate : candidates.on_device.at(device)) {
      if (!consider(*candidate)) break;
    }
  } else if (need.device <= 0) {
    for (const Candidate* candidate : candidates.of_tenant.at(unit.tenant)) {
      if (!consider(*candidate)) break;
    }
  } else {
    for (const Candidate& candidate : candidates.all) {
      if (!IsPinned(candidate.place.unit) && !consider(candidate)) break;
    }
  }
  if (!need.met()) return std::nullopt;
  // What came first may not be needed after all: the most valuable of them stays where it can.
  for (size_t i = evict.size(); i-- > 0;) {
    account(*evict[i], -1);
    if (need.met()) {
      evict.erase(evict.begin() + static_cast<ptrdiff_t>(i));
    } else {
      account(*evict[i], 1);
    }
  }
  double lost = 0;
  for (const Candidate* candidate : evict) {
    move.evict.push_back(candidate->place);
    lost += candidate->benefit;
  }
  return lost < most_lost ? std::optional(move) : std::nullopt;
}

std::optional<DeviceLedger::Move> DeviceLedger::Relief(const std::vector<Candidate>& by_value) const {
  // The least valuable of those that `of` says, pinned ones last, until no more is over; the most valuable of them stays where it can.
  const auto evict = [&](uint64_t held, uint64_t limit, const auto& of) {
    std::vector<const Candidate*> going;
    for (const bool pinned : {false, true}) {
      for (const Candidate& candidate : by_value) {
        if (held <= limit) break;
        if (!of(candidate) || IsPinned(candidate.place.unit) != pinned) continue;
        going.push_back(&candidate);
        held -= candidate.held->bytes;
      }
    }
    Move move;
    for (size_t i = going.size(); i-- > 0;) {
      if (held + going[i]->held->bytes <= limit) {
        held += going[i]->held->bytes;
      } else {
        move.evict.push_back(going[i]->place);
      }
    }
    return move;
  };
  for (const auto& [ordinal, device] : devices_) {
    if (device.held <= device.budget) continue;
    Move move = evict(device.held, device.budget, [device_of = ordinal](const Candidate& one) { return one.place.device == device_of; });
    if (!move.evict.empty()) return move;
  }
  for (const auto& [tenant, bytes] : of_tenant_) {
    const uint64_t cap = PartOf(LimitsOf(tenant).cap);
    if (bytes <= cap) continue;
    Move move = evict(bytes, cap, [&of = tenant](const Candidate& one) { return one.held->tenant == of; });
    if (!move.evict.empty()) return move;
  }
  for (const auto& [collection, bytes] : of_collection_) {
    const uint64_t cap = PartOf(LimitsOf(collection).cap);
    if (bytes <= cap) continue;
    Move move = evict(bytes, cap, [&of = collection](const Candidate& one) {
      return one.held->tenant == of.first && one.held->collection == of.second;
    });
    if (!move.evict.empty()) return move;
  }
  return std::nullopt;
}

std::optional<DeviceLedger::Move> DeviceLedger::NextMove(Time now) const {
  const Candidates candidates = ByValue();
  if (std::optional<Move> relief = Relief(candidates.all)) return relief;
  // Wanted no more.
  for (const auto& [place, held] : held_) {
    if (held.state == State::kHeld && !units_.contains(place.unit)) return Move{.place = {}, .evict = {place}};
  }
  std::vector<const LedgerUnit*> wanted;
  for (const auto& [id, unit] : units_) {
    if (CopiesOf(id) < unit.copies && (unit.pinned || unit.benefit > 0)) wanted.push_back(&unit);
  }
  std::sort(wanted.begin(), wanted.end(), [&](const LedgerUnit* a, const LedgerUnit* b) {
    if (a->pinned != b->pinned) return a->pinned;
    const double by_a = ByByte(a->benefit / (CopiesOf(a->id) + 1), a->bytes);
    const double by_b = ByByte(b->benefit / (CopiesOf(b->id) + 1), b->bytes);
    return by_a != by_b ? by_a > by_b : a->id < b->id;
  });
  for (const LedgerUnit* unit : wanted) {
    std::optional<Move> best;
    double best_lost = 0;
    uint64_t best_free = 0;
    for (const auto& [ordinal, device] : devices_) {
      if (device.lost || held_.contains({unit->id, ordinal}) || RoomFor(*unit, ordinal) > device.budget) continue;
      const auto refused = refused_.find({unit->id, ordinal});
      if (refused != refused_.end() && now < refused->second.until) continue;
      std::optional<Move> move = MoveOf(*unit, ordinal, candidates);
      if (!move) continue;
      // Where the least is lost, and then where the most is free.
      double lost = 0;
      for (const Place& place : move->evict) lost += BenefitOf(place);
      const bool better = !best || move->evict.empty() > best->evict.empty() ||
                          (move->evict.empty() == best->evict.empty() &&
                           (lost != best_lost ? lost < best_lost : FreeOn(device) > best_free));
      if (!better) continue;
      best_lost = lost;
      best_free = FreeOn(device);
      best = std::move(move);
    }
    if (best) return best;
  }
  return std::nullopt;
}

absl::Status DeviceLedger::Reserve(const Place& place) {
  const auto unit = units_.find(place.unit);
  const auto device = devices_.find(place.device);
  if (unit == units_.end() || device == devices_.end() || held_.contains(place)) {
    return absl::FailedPreconditionError(
        absl::StrCat("unit ", place.unit, " is not to be placed on device ", place.device));
  }
  const Need need = NeedOf(unit->second, place.device);
  if (!need.met()) {
    return absl::ResourceExhaustedError(absl::StrCat("device ", place.device, " has ", FreeOn(device->second), " of ",
                                                     device->second.budget, " bytes free; unit ", place.unit, " needs ",
                                                     RoomFor(unit->second, place.device), ", or a cap is reached"));
  }
  held_[place] = {.tenant = unit->second.tenant,
                  .collection = unit->second.collection,
                  .bytes = unit->second.bytes,
                  .state = State::kReserved};
  of_tenant_[unit->second.tenant] += unit->second.bytes;
  of_collection_[{unit->second.tenant, unit->second.collection}] += unit->second.bytes;
  device->second.held += unit->second.bytes;
  if (device->second.free) *device->second.free -= std::min(*device->second.free, unit->second.bytes);
  return absl::OkStatus();
}

void DeviceLedger::Confirm(const Place& place) {
  const auto held = held_.find(place);
  if (held != held_.end()) held->second.state = State::kHeld;
  refused_.erase(place);
}

void DeviceLedger::Release(const Place& place) {
  const auto held = held_.find(place);
  if (held == held_.end()) return;  // the device was lost meanwhile
  Device& device = devices_.at(place.device);
  device.held -= std::min(device.held, held->second.bytes);
  if (device.free) *device.free += held->second.bytes;
  Forget(held);
}

void DeviceLedger::Refuse(const Place& place, Time now, bool for_memory) {
  Release(place);
  if (!units_.contains(place.unit)) return;
  Refusal& refusal = refused_[place];
  refusal.until = now + kFirstWait * (1 << refusal.times);
  refusal.times = std::min(refusal.times + 1, kMostDoublings);
  if (for_memory) refusal.for_memory = std::min(refusal.for_memory + 1, kMostDoublings);
}

}  // namespace vouch
