#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace vouch {

// Parts of all devices' budgets, 0 to 1.
struct LedgerShare {
  double share = 0;  // kept for it: others' columns do not drive out what it holds within this part
  double cap = 1;    // it holds no more than this
};

struct LedgerLimits {
  std::map<std::string, LedgerShare> tenants = {};
  std::map<std::pair<std::string, std::string>, LedgerShare> collections = {};  // by tenant and name
  LedgerShare any_tenant = {};      // where `tenants` has none
  LedgerShare any_collection = {};
};

// A column that a device may hold.
struct LedgerUnit {
  uint64_t id = 0;
  std::string tenant = {};
  std::string collection = {};
  uint64_t bytes = 0;
  bool pinned = false;  // placed before all that are not, and driven out by none of them
  // What it saves while it is placed: processor time, as nanoseconds a second. 0: it is not placed by itself.
  double benefit = 0;
  int copies = 1;  // on as many devices, so that these share its searches
};

// Says which columns lie on which device. It keeps books and moves nothing: whoever moves asks NextMove, and tells what came of it.
//
// Not thread safe; times come with the calls.
//
// Invariants:
// 1. What is held on a device and what is reserved there is at most its budget, and a tenant and a collection hold no more than their
//    caps, unless a budget was lowered or a device lost; then NextMove says what is to go.
// 2. NextMove looks at pairs of a unit and a column held only where the unit has room to gain: where what may go is enough, and the
//    least of it is worth less than the unit.
// 3. A pinned unit goes only when it is unpinned, or when a lowered budget, or a cap that is lower with it, leaves it no room.
// 4. A unit is driven out only for pinned ones, or for one that saves kBetter times as much as all that go for it; and for one of
//    another tenant (or collection) only as far as its own keeps its share.
// 5. A move that is offered fits: its evictions make the room, and none of them could stay.
class DeviceLedger {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr double kBetter = 1.25;

  explicit DeviceLedger(LedgerLimits limits) : limits_(std::move(limits)) {}

  void SetBudget(int device, uint64_t bytes);  // adds it, where it is new
  // What the device has free as it is now, where others use it, too: no more is placed there until it is set again.
  void SetFree(int device, uint64_t bytes);
  // Holds nothing any more, and takes nothing.
  void Lose(int device);

  // Adds the unit, or changes what is known of it.
  void SetUnit(const LedgerUnit& unit);
  // It is wanted no more. What it holds counts until it is released.
  void RemoveUnit(uint64_t unit);

  struct Place {
    uint64_t unit = 0;
    int device = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Move {
    std::optional<Place> place = {};  // none: only what goes, since the budget was lowered
    std::vector<Place> evict = {};
  };
  // The best move that there is now: pinned units first, then those that save the most by byte. None: all is as it should be.
  std::optional<Move> NextMove(Time now) const;

  // The unit's bytes are taken there. RESOURCE_EXHAUSTED names the device, what is needed and what is free.
  absl::Status Reserve(const Place& place);
  // It lies there now.
  void Confirm(const Place& place);
  // Its memory there is free again.
  void Release(const Place& place);
  // The device did not take it. It is released and waits twice as long as the last time. `for_memory`: there was no room although there
  // should have been (another process, or memory in pieces), so it needs that much more room to be tried there again.
  void Refuse(const Place& place, Time now, bool for_memory);

  struct Device {
    uint64_t budget = 0;
    uint64_t held = 0;                 // and reserved
    std::optional<uint64_t> free = {};  // as SetFree said, less what was reserved since
    bool lost = false;
  };
  const std::map<int, Device>& devices() const { return devices_; }
  bool IsHeld(const Place& place) const;  // confirmed
  std::vector<Place> held() const;        // confirmed
  uint64_t BytesOfTenant(const std::string& tenant) const;
  uint64_t BytesOfCollection(const std::string& tenant, const std::string& collection) const;
  uint64_t total_budget() const;

 private:
  enum class State : uint8_t { kReserved, kHeld };
  // What a device holds of a unit, as the unit was when it came.
  struct Held {
    std::string tenant;
    std::string collection;
    uint64_t bytes = 0;
    State state = State::kReserved;
  };
  struct Refusal {
    int times = 0;
    int for_memory = 0;  // of these
    Time until;
  };
  // What a placing lacks, in bytes.
  struct Need {
    int64_t device = 0;
    int64_t tenant = 0;
    int64_t collection = 0;
    bool met() const { return device <= 0 && tenant <= 0 && collection <= 0; }
  };

  using Collection = std::pair<std::string, std::string>;  // tenant and name
  // A column that may go for another.
  struct Candidate {
    Place place;
    const Held* held = nullptr;
    double benefit = 0;
    double by_byte = 0;
  };

  const LedgerShare& LimitsOf(const std::string& tenant) const;
  const LedgerShare& LimitsOf(const Collection& collection) const;
  uint64_t PartOf(double part) const { return static_cast<uint64_t>(part * static_cast<double>(total_budget())); }
  uint64_t FreeOn(const Device& device) const;
  uint64_t RoomFor(const LedgerUnit& unit, int device) const;  // with what refusals add
  Need NeedOf(const LedgerUnit& unit, int device) const;
  double BenefitOf(const Place& place) const;  // of what is held; 0 where the unit is wanted no more
  bool IsPinned(uint64_t unit) const;
  int CopiesOf(uint64_t unit) const;
  bool MayGoFor(const Held& victim, const LedgerUnit& unit, uint64_t of_tenant, uint64_t of_collection) const;
  // What is held, least benefit by byte first, and parts of it in that order. Bytes are of those that are not pinned.
  struct Candidates {
    std::vector<Candidate> all;
    std::map<int, std::vector<const Candidate*>> on_device;
    std::map<std::string, std::vector<const Candidate*>> of_tenant;
    std::map<int, std::map<std::string, uint64_t>> bytes_on_device;  // by tenant
    std::map<std::string, uint64_t> bytes_of_tenant;
    std::map<Collection, uint64_t> bytes_of_collection;
  };
  Candidates ByValue() const;
  // Whether as much may go as is needed; it may be yes where shares of collections say no.
  bool MayMakeRoom(const Need& need, const LedgerUnit& unit, int device, const Candidates& candidates) const;
  std::optional<Move> MoveOf(const LedgerUnit& unit, int device, const Candidates& candidates) const;
  std::optional<Move> Relief(const std::vector<Candidate>& by_value) const;
  std::map<Place, Held>::iterator Forget(std::map<Place, Held>::iterator held);

  const LedgerLimits limits_;
  std::map<int, Device> devices_;
  std::map<uint64_t, LedgerUnit> units_;
  std::map<Place, Held> held_;
  std::map<std::string, uint64_t> of_tenant_;      // bytes in held_
  std::map<Collection, uint64_t> of_collection_;
  std::map<Place, Refusal> refused_;
};

}  // namespace vouch
