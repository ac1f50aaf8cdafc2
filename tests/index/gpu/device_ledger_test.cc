#include "index/gpu/device_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>

namespace vouch {
namespace {

using Place = DeviceLedger::Place;
using std::chrono::seconds;

constexpr DeviceLedger::Time kStart{};

// Does what the ledger says until it says nothing more.
void Settle(DeviceLedger& ledger, DeviceLedger::Time now = kStart) {
  for (int i = 0; i < 1000; ++i) {
    const auto move = ledger.NextMove(now);
    if (!move) return;
    for (const Place& place : move->evict) ledger.Release(place);
    if (!move->place) continue;
    ASSERT_TRUE(ledger.Reserve(*move->place).ok());
    ledger.Confirm(*move->place);
  }
  FAIL() << "it never comes to rest";
}

std::vector<uint64_t> HeldUnits(const DeviceLedger& ledger) {
  std::vector<uint64_t> units;
  for (const Place& place : ledger.held()) units.push_back(place.unit);
  return units;
}

LedgerUnit Unit(uint64_t id, uint64_t bytes, double benefit, const std::string& tenant = "t",
                const std::string& collection = "c") {
  return {.id = id, .tenant = tenant, .collection = collection, .bytes = bytes, .benefit = benefit};
}

TEST(DeviceLedger, PlacesWhatSavesMostByByte) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetUnit(Unit(1, 60, 600));   // 10 a byte
  ledger.SetUnit(Unit(2, 50, 1000));  // 20
  ledger.SetUnit(Unit(3, 50, 750));   // 15
  ledger.SetUnit(Unit(4, 10, 0));     // never searched
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), (std::vector<uint64_t>{2, 3}));
  // A little better is not enough to move; much better is.
  ledger.SetUnit(Unit(1, 60, 1000));
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), (std::vector<uint64_t>{2, 3}));
  ledger.SetUnit(Unit(1, 60, 5000));
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), std::vector<uint64_t>{1});
}

TEST(DeviceLedger, PinnedStaysAndComesFirst) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetUnit(Unit(1, 60, 1e9));
  Settle(ledger);
  LedgerUnit pinned = Unit(2, 70, 0);
  pinned.pinned = true;
  ledger.SetUnit(pinned);
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), std::vector<uint64_t>{2});
  pinned.pinned = false;
  ledger.SetUnit(pinned);
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), std::vector<uint64_t>{1});
}

TEST(DeviceLedger, KeepsSharesAndCaps) {
  LedgerLimits limits;
  limits.tenants["small"] = {.share = 0.3, .cap = 0.5};
  limits.collections[{"big", "capped"}] = {.share = 0, .cap = 0.2};
  DeviceLedger ledger(limits);
  ledger.SetBudget(0, 100);
  for (uint64_t i = 0; i < 10; ++i) ledger.SetUnit(Unit(i, 10, 1, "small"));
  Settle(ledger);
  EXPECT_EQ(ledger.BytesOfTenant("small"), 50u) << "its cap";
  for (uint64_t i = 10; i < 30; ++i) ledger.SetUnit(Unit(i, 10, 1000, "big", "capped"));
  Settle(ledger);
  EXPECT_EQ(ledger.BytesOfCollection("big", "capped"), 20u);
  for (uint64_t i = 30; i < 50; ++i) ledger.SetUnit(Unit(i, 10, 1000, "big", "other"));
  Settle(ledger);
  EXPECT_EQ(ledger.BytesOfTenant("small"), 30u) << "its share, whatever others would save";
  EXPECT_EQ(ledger.BytesOfTenant("big"), 70u);
}

TEST(DeviceLedger, SpreadsOverDevicesAndCopies) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetBudget(1, 100);
  for (uint64_t i = 1; i <= 4; ++i) ledger.SetUnit(Unit(i, 40, 100));
  Settle(ledger);
  EXPECT_EQ(ledger.devices().at(0).held, 80u);
  EXPECT_EQ(ledger.devices().at(1).held, 80u);
  for (uint64_t i = 2; i <= 4; ++i) ledger.RemoveUnit(i);
  LedgerUnit copied = Unit(1, 40, 100);
  copied.copies = 2;
  ledger.SetUnit(copied);
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), (std::vector<uint64_t>{1, 1}));
}

TEST(DeviceLedger, WaitsAfterARefusalAndAsksForMoreRoom) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetUnit(Unit(1, 40, 10));
  Settle(ledger);
  ledger.SetUnit(Unit(2, 60, 1000));
  auto move = ledger.NextMove(kStart);
  ASSERT_TRUE(move && move->place);
  EXPECT_TRUE(move->evict.empty());
  ASSERT_TRUE(ledger.Reserve(*move->place).ok());
  ledger.Refuse(*move->place, kStart, /*for_memory=*/true);
  EXPECT_EQ(ledger.devices().at(0).held, 40u);
  EXPECT_FALSE(ledger.NextMove(kStart));
  // A second later it is tried with half as much room again, which takes the other's place.
  move = ledger.NextMove(kStart + seconds(1));
  ASSERT_TRUE(move && move->place);
  EXPECT_EQ(move->evict, (std::vector<Place>{{1, 0}}));
  ledger.Release({1, 0});
  ASSERT_TRUE(ledger.Reserve(*move->place).ok());
  ledger.Refuse(*move->place, kStart + seconds(1), /*for_memory=*/true);
  EXPECT_FALSE(ledger.NextMove(kStart + seconds(2))->place->unit == 2) << "it waits twice as long now";
}

// A file that cannot be read needs no more room for it.
TEST(DeviceLedger, ARefusalOfAnotherKindDrivesNothingOut) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetUnit(Unit(1, 40, 10));
  Settle(ledger);
  ledger.SetUnit(Unit(2, 60, 1000));
  auto move = ledger.NextMove(kStart);
  ASSERT_TRUE(move && move->place);
  ASSERT_TRUE(ledger.Reserve(*move->place).ok());
  ledger.Refuse(*move->place, kStart, /*for_memory=*/false);
  EXPECT_FALSE(ledger.NextMove(kStart));
  move = ledger.NextMove(kStart + seconds(1));
  ASSERT_TRUE(move && move->place);
  EXPECT_TRUE(move->evict.empty());
}

TEST(DeviceLedger, HeedsWhatOthersTakeOfTheDevice) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetFree(0, 30);
  ledger.SetUnit(Unit(1, 40, 10));
  ledger.SetUnit(Unit(2, 30, 1));
  Settle(ledger);
  EXPECT_EQ(HeldUnits(ledger), std::vector<uint64_t>{2});
  const absl::Status refused = ledger.Reserve({1, 0});
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find("needs 40"), std::string::npos) << refused;
}

TEST(DeviceLedger, ALostDeviceHoldsNothing) {
  DeviceLedger ledger({});
  ledger.SetBudget(0, 100);
  ledger.SetBudget(1, 50);
  ledger.SetUnit(Unit(1, 40, 10));
  Settle(ledger);
  const std::vector<Place> held = ledger.held();
  ASSERT_EQ(held, (std::vector<Place>{{1, 0}}));
  ledger.Lose(0);
  ledger.Release({1, 0});  // comes late
  Settle(ledger);
  EXPECT_EQ(ledger.held(), (std::vector<Place>{{1, 1}}));
  EXPECT_EQ(ledger.devices().at(0).held, 0u);
}

// Caps are parts of what there is: with a device, they shrink.
TEST(DeviceLedger, CapsHoldAfterALoss) {
  LedgerLimits limits;
  limits.tenants["t"] = {.share = 0, .cap = 0.5};
  limits.collections[{"other", "c"}] = {.share = 0, .cap = 0.2};
  DeviceLedger ledger(limits);
  ledger.SetBudget(0, 100);
  ledger.SetBudget(1, 100);
  for (uint64_t i = 1; i <= 7; ++i) ledger.SetUnit(Unit(i, 10, std::exp2(i)));
  for (uint64_t i = 11; i <= 13; ++i) ledger.SetUnit(Unit(i, 10, std::exp2(i), "other"));
  for (const uint64_t i : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13}) {
    ASSERT_TRUE(ledger.Reserve({i, 1}).ok());
    ledger.Confirm({i, 1});
  }
  EXPECT_FALSE(ledger.NextMove(kStart)) << "nothing is over";
  ledger.Lose(0);
  auto move = ledger.NextMove(kStart);
  ASSERT_TRUE(move && !move->place);
  EXPECT_THAT(move->evict, testing::UnorderedElementsAre(Place{1, 1}, Place{2, 1})) << "what saves least";
  for (const Place& place : move->evict) ledger.Release(place);
  move = ledger.NextMove(kStart);
  ASSERT_TRUE(move && !move->place);
  EXPECT_EQ(move->evict, (std::vector<Place>{{11, 1}}));
  ledger.Release({11, 1});
  EXPECT_FALSE(ledger.NextMove(kStart));
  EXPECT_EQ(ledger.BytesOfTenant("t"), 50u);
  EXPECT_EQ(ledger.BytesOfCollection("other", "c"), 20u);
}

TEST(DeviceLedger, WhatIsOverGoesAndNoMore) {
  LedgerLimits limits;
  limits.tenants["t"] = {.share = 0, .cap = 0.5};
  DeviceLedger ledger(limits);
  ledger.SetBudget(0, 100);
  ledger.SetBudget(1, 100);
  ledger.SetUnit(Unit(1, 10, 1));
  ledger.SetUnit(Unit(2, 45, 1000));
  ledger.SetUnit(Unit(3, 40, 2000));
  for (const uint64_t i : {1, 2, 3}) {
    ASSERT_TRUE(ledger.Reserve({i, 1}).ok());
    ledger.Confirm({i, 1});
  }
  ledger.Lose(0);
  const auto move = ledger.NextMove(kStart);
  ASSERT_TRUE(move);
  EXPECT_EQ(move->evict, (std::vector<Place>{{2, 1}})) << "the small one can stay";
}

// By pairs of units and columns held, this would take hours: units that are not better by enough, that a cap leaves no room, that
// would have to drive out what is kept for others or pinned.
TEST(DeviceLedger, KeepsBooksOfManyUnits) {
  constexpr uint64_t kUnits = 20'000;
  LedgerLimits limits;
  limits.collections[{"t", "none"}] = {.share = 0, .cap = 0};
  limits.tenants["kept"] = {.share = 0.25, .cap = 0.25};
  DeviceLedger ledger(limits);
  for (int device = 0; device < 4; ++device) ledger.SetBudget(device, kUnits / 8 * 10);
  const auto hold = [&](uint64_t id, int device) {
    ASSERT_TRUE(ledger.Reserve({id, device}).ok());
    ledger.Confirm({id, device});
  };
  for (uint64_t i = 1; i <= kUnits / 2; ++i) {
    LedgerUnit unit = Unit(i, 10, 1000 + static_cast<double>(i), i % 4 == 0 ? "kept" : "t");
    unit.pinned = i % 4 == 1 || i == 2 || i == 3;
    ledger.SetUnit(unit);
    hold(i, static_cast<int>(i % 4));
  }
  for (uint64_t i = kUnits / 2 + 1; i <= kUnits; ++i) ledger.SetUnit(Unit(i, 10, 1001, "t", i % 2 == 0 ? "none" : "c"));
  for (uint64_t i = 1; i <= 1000; ++i) {
    LedgerUnit pinned = Unit(kUnits + i, kUnits / 8 * 10, 1);  // a whole device, and each holds something pinned or kept
    pinned.pinned = true;
    ledger.SetUnit(pinned);
  }
  for (int round = 0; round < 4; ++round) EXPECT_FALSE(ledger.NextMove(kStart));
  ledger.SetUnit(Unit(kUnits - 1, 10, 2000));
  const auto move = ledger.NextMove(kStart);
  ASSERT_TRUE(move && move->place);
  EXPECT_EQ(move->place->unit, kUnits - 1);
  EXPECT_EQ(move->evict, (std::vector<Place>{{6, 2}}));
}

// --- random calls, checked against sums made anew

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {
    limits_.any_tenant.cap = 0.8;
    limits_.tenants["a"] = {.share = 0.25, .cap = 1};
    limits_.tenants["b"] = {.share = 0.1, .cap = 0.5};
    limits_.collections[{"a", "x"}] = {.share = 0.1, .cap = 0.3};
    ledger_ = std::make_unique<DeviceLedger>(limits_);
    for (int device = 0; device < 3; ++device) ledger_->SetBudget(device, 200 + 100 * static_cast<uint64_t>(device));
  }

  void Step() {
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2: {
        const uint64_t id = random_() % 40;
        if (units_.contains(id)) {
          units_[id].benefit = static_cast<double>(random_() % 1000);
          units_[id].pinned = random_() % 15 == 0;
        } else {
          units_[id] = {.id = id,
                        .tenant = std::string(1, static_cast<char>('a' + random_() % 3)),
                        .collection = std::string(1, static_cast<char>('x' + random_() % 2)),
                        .bytes = 5 + random_() % 90,
                        .pinned = random_() % 15 == 0,
                        .benefit = static_cast<double>(random_() % 1000),
                        .copies = random_() % 4 == 0 ? 2 : 1};
        }
        // The bytes of a unit that is held do not change.
        for (const auto& [place, bytes] : held_) {
          if (place.unit != id) continue;
          units_[id].bytes = bytes.bytes;
          units_[id].tenant = bytes.tenant;
          units_[id].collection = bytes.collection;
        }
        return ledger_->SetUnit(units_[id]);
      }
      case 3: {
        const uint64_t id = random_() % 40;
        units_.erase(id);
        return ledger_->RemoveUnit(id);
      }
      case 4: now_ += seconds(random_() % 20); return;
      default: return Move();
    }
  }

  void Check() const {
    std::map<int, uint64_t> by_device;
    std::map<std::string, uint64_t> by_tenant;
    std::map<std::pair<std::string, std::string>, uint64_t> by_collection;
    for (const auto& [place, unit] : held_) {
      by_device[place.device] += unit.bytes;
      by_tenant[unit.tenant] += unit.bytes;
      by_collection[{unit.tenant, unit.collection}] += unit.bytes;
    }
    uint64_t total = 0;
    for (const auto& [ordinal, device] : ledger_->devices()) {
      EXPECT_EQ(device.held, by_device[ordinal]);
      EXPECT_LE(device.held, device.budget);
      total += device.budget;
    }
    const auto part = [&](double share) { return static_cast<uint64_t>(share * static_cast<double>(total)); };
    for (const auto& [tenant, bytes] : by_tenant) {
      EXPECT_EQ(ledger_->BytesOfTenant(tenant), bytes);
      EXPECT_LE(bytes, part(tenant == "a" ? 1.0 : tenant == "b" ? 0.5 : 0.8));
    }
    for (const auto& [name, bytes] : by_collection) {
      EXPECT_EQ(ledger_->BytesOfCollection(name.first, name.second), bytes);
      if (name == std::pair<std::string, std::string>("a", "x")) {
        EXPECT_LE(bytes, part(0.3));
      }
    }
    EXPECT_EQ(ledger_->held().size(), held_.size());
  }

  // Nothing that is wanted would fit where it is without anything going.
  void CheckRest() {
    while (ledger_->NextMove(now_)) Move(/*may_refuse=*/false);
    for (const auto& [id, unit] : units_) {
      int copies = 0;
      for (const auto& [place, held] : held_) copies += place.unit == id ? 1 : 0;
      if (copies >= unit.copies || (!unit.pinned && unit.benefit == 0) || refused_.contains(id)) continue;
      const uint64_t of_tenant = ledger_->BytesOfTenant(unit.tenant) + unit.bytes;
      const uint64_t of_collection = ledger_->BytesOfCollection(unit.tenant, unit.collection) + unit.bytes;
      const double total = static_cast<double>(ledger_->total_budget());
      if (static_cast<double>(of_tenant) > total * (unit.tenant == "a" ? 1.0 : unit.tenant == "b" ? 0.5 : 0.8)) continue;
      if (unit.tenant == "a" && unit.collection == "x" && static_cast<double>(of_collection) > total * 0.3) continue;
      for (const auto& [ordinal, device] : ledger_->devices()) {
        if (held_.contains({id, ordinal})) continue;
        EXPECT_LT(device.budget - device.held, unit.bytes) << "unit " << id << " would fit on device " << ordinal;
      }
    }
    Check();
  }

 private:
  double BenefitOf(const Place& place) const {
    const auto unit = units_.find(place.unit);
    if (unit == units_.end()) return 0;
    int copies = 0;
    for (const auto& [other, held] : held_) copies += other.unit == place.unit ? 1 : 0;
    return unit->second.benefit / std::max(1, copies);
  }

  void Move(bool may_refuse = true) {
    const auto move = ledger_->NextMove(now_);
    if (!move) return;
    double lost = 0;
    for (const Place& place : move->evict) {
      ASSERT_TRUE(held_.contains(place));
      const bool wanted = units_.contains(place.unit);
      if (wanted) {
        EXPECT_FALSE(units_[place.unit].pinned) << "a pinned unit goes";
      }
      EXPECT_TRUE(move->place || !wanted) << "it goes for nothing";
      lost += BenefitOf(place);
    }
    if (move->place) {
      const LedgerUnit& unit = units_.at(move->place->unit);
      int copies = 0;
      for (const auto& [place, held] : held_) copies += place.unit == unit.id ? 1 : 0;
      if (!unit.pinned && !move->evict.empty()) {
        EXPECT_GT(unit.benefit / (copies + 1), DeviceLedger::kBetter * lost);
      }
    }
    for (const Place& place : move->evict) {
      ledger_->Release(place);
      held_.erase(place);
    }
    if (!move->place) return;
    ASSERT_TRUE(ledger_->Reserve(*move->place).ok()) << "the move does not fit";
    if (may_refuse && random_() % 8 == 0) {
      ledger_->Refuse(*move->place, now_, /*for_memory=*/true);
      refused_[move->place->unit] = true;
      return;
    }
    ledger_->Confirm(*move->place);
    held_[*move->place] = units_.at(move->place->unit);
  }

  std::mt19937_64 random_;
  LedgerLimits limits_;
  std::unique_ptr<DeviceLedger> ledger_;
  std::map<uint64_t, LedgerUnit> units_;
  std::map<Place, LedgerUnit> held_;  // as the unit was when it came
  std::map<uint64_t, bool> refused_;  // ever
  DeviceLedger::Time now_{};
};

TEST(DeviceLedger, KeepsItsInvariantsUnderRandomCalls) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Model model(seed);
    for (int step = 0; step < 400; ++step) {
      model.Step();
      model.Check();
      if (testing::Test::HasFailure()) return;
    }
    model.CheckRest();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace vouch
