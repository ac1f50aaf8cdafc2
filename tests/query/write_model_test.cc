// Random writes of every kind against a plain map of points at each version.
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

#include "nlohmann/json.hpp"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

struct ModelPoint {
  Json payload;
  std::vector<float> vector;  // empty: none
  uint64_t written = 0;
  friend bool operator==(const ModelPoint&, const ModelPoint&) = default;
};
using ModelState = std::map<uint64_t, ModelPoint>;

class WriteModelTest : public QueryTest {
 protected:
  WriteModelTest() { seal_rows_ = 60; }

  uint64_t Below(uint64_t n) { return random_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  Json RandomPayload() {
    Json payload = Json::object();
    if (!OneIn(4)) payload["year"] = static_cast<int64_t>(Below(6));
    if (OneIn(2)) payload["lang"] = OneIn(2) ? "de" : "en";
    if (OneIn(2)) payload["deep"] = {{"a", Below(3)}, {"b", Below(3)}};
    return payload;
  }
  Json RandomPatch() {
    Json patch = RandomPayload();
    if (OneIn(3)) patch["lang"] = nullptr;
    if (OneIn(3)) patch["deep"] = {{"a", nullptr}};
    if (patch.empty()) patch["year"] = nullptr;
    return patch;
  }
  std::vector<float> RandomVector() {
    return {static_cast<float>(Below(5)), static_cast<float>(Below(5))};
  }

  PointChange RandomChange() {
    PointChange change;
    change.payload_patch = RandomPatch().dump();
    if (OneIn(4)) change.remove_keys = {"deep.b"};
    if (OneIn(4)) {
      change.vectors.emplace_back("v", RandomVector());
    } else if (OneIn(4)) {
      change.remove_vectors = {"v"};
    }
    return change;
  }
  void Change(ModelPoint& point, const PointChange& change, uint64_t version) {
    for (size_t i = 0; i < change.remove_keys.size(); ++i) {
      if (point.payload.contains("deep")) point.payload["deep"].erase("b");
    }
    point.payload.merge_patch(Json::parse(change.payload_patch));
    if (!change.vectors.empty()) point.vector = change.vectors[0].second;
    if (!change.remove_vectors.empty()) point.vector.clear();
    point.written = version;
  }

  static bool HasYear(const ModelPoint& point, int64_t year) {
    return point.payload.contains("year") && point.payload["year"] == year;
  }

  // The state that the write makes, where it is made.
  void Commit(const absl::StatusOr<WriteResult>& result, bool expected, ModelState next,
              bool empty = false) {
    ASSERT_EQ(result.ok(), expected) << result.status();
    if (!expected) {
      ASSERT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
      return;
    }
    if (!empty) states_.push_back(std::move(next));
    ASSERT_EQ(result->version.value, states_.size() - 1);
  }
  uint64_t NextVersion() const { return states_.size(); }

  void Put() {
    ModelState next = states_.back();
    WriteRequest request;
    request.principal = principal_;
    bool holds = true;
    std::map<uint64_t, bool> ids;
    for (uint64_t n = 1 + Below(5); n > 0; --n) ids[Below(30)];
    const uint64_t kind = Below(6);
    const uint64_t at_version = 1 + Below(NextVersion());
    const auto year = static_cast<int64_t>(Below(6));
    if (kind == 0) request.conditions.push_back({.must = WriteCondition::Absent{}});
    if (kind == 1) request.conditions.push_back({.must = WriteCondition::Present{}});
    if (kind == 2) request.conditions.push_back({.must = Version(at_version)});
    if (kind == 3) {
      request.conditions.push_back({.must = Compare("year", FilterOp::kEq, year)});
    }
    for (const auto& [id, unused] : ids) {
      const auto now = states_.back().find(id);
      const bool there = now != states_.back().end();
      holds = holds && (kind != 0 || !there) && (kind != 1 || there) &&
              (kind != 2 || (there && now->second.written == at_version)) &&
              (kind != 3 || (there && HasYear(now->second, year)));
      if (OneIn(4)) {
        request.deletes.push_back(Id(id));
        next.erase(id);
        continue;
      }
      ModelPoint point{RandomPayload(), RandomVector(), NextVersion()};
      request.upserts.push_back(Point(id, point.vector, point.payload.dump()));
      next[id] = std::move(point);
    }
    const bool empty = holds && request.upserts.empty() && next == states_.back();
    Commit(collection_->Write(std::move(request)), holds, std::move(next), empty);
  }

  void UpdateById() {
    ModelState next = states_.back();
    UpdateRequest request;
    request.principal = principal_;
    request.skip_missing = true;
    std::map<uint64_t, bool> ids;
    for (uint64_t n = 1 + Below(4); n > 0; --n) ids[Below(30)];
    bool changed = false;
    for (const auto& [id, unused] : ids) {
      request.updates.push_back({Id(id), RandomChange()});
      const auto at = next.find(id);
      if (at == next.end()) continue;
      Change(at->second, request.updates.back().change, NextVersion());
      changed = true;
    }
    Commit(collection_->Update(request), true, std::move(next), !changed);
  }

  void ByFilter() {
    const auto year = static_cast<int64_t>(Below(6));
    PointSelection selection{.filter = Compare("year", FilterOp::kEq, year)};
    ModelState next = states_.back();
    uint64_t matched = 0;
    const bool update = OneIn(2);
    const PointChange change = RandomChange();
    for (auto at = next.begin(); at != next.end();) {
      if (!HasYear(at->second, year)) {
        ++at;
        continue;
      }
      ++matched;
      if (update) {
        Change(at->second, change, NextVersion());
        ++at;
      } else {
        at = next.erase(at);
      }
    }
    bool holds = true;
    if (OneIn(3)) {
      selection.expected_count = OneIn(2) ? matched : Below(4);
      holds = *selection.expected_count == matched;
    }
    if (update) {
      UpdateRequest request{.selection = selection, .change = change, .principal = principal_};
      Commit(collection_->Update(request), holds, std::move(next), matched == 0);
    } else {
      DeleteByFilterRequest request{.selection = selection, .principal = principal_};
      Commit(collection_->DeleteByFilter(request), holds, std::move(next), matched == 0);
    }
  }

  void Restore() {
    const uint64_t at = Below(states_.size());
    const ModelState& then = states_[at];
    const ModelState& now = states_.back();
    // A point is written again where another row is there now.
    ModelState next;
    for (const auto& [id, point] : then) {
      const auto same = now.find(id);
      next[id] = point;
      if (same != now.end() && same->second.written == point.written) continue;
      next[id].written = NextVersion();
    }
    const bool empty = next == now;
    Commit(collection_->Restore({.at = Version(at), .principal = principal_}), true,
           std::move(next), empty);
  }

  void CheckVersion(uint64_t version) {
    const ModelState& state = states_[version];
    std::vector<PointId> ids;
    for (uint64_t id = 0; id < 30; ++id) ids.push_back(Id(id));
    const auto points = collection_->Get(
        ids, At(version), {.vectors = true, .written_version = true}, principal_);
    ASSERT_TRUE(points.ok()) << points.status();
    for (uint64_t id = 0; id < 30; ++id) {
      const auto wanted = state.find(id);
      ASSERT_EQ((*points)[id].has_value(), wanted != state.end()) << "point " << id;
      if (wanted == state.end()) continue;
      const PointHit& got = *(*points)[id];
      // Compared as texts: the order of keys counts.
      ASSERT_EQ(got.payload, wanted->second.payload.dump()) << "point " << id;
      ASSERT_EQ(got.written_version.value, wanted->second.written) << "point " << id;
      const auto vector = got.vectors.find("v");
      ASSERT_EQ(vector == got.vectors.end() ? std::vector<float>() : vector->second,
                wanted->second.vector);
    }
    ASSERT_EQ(*collection_->Count(std::nullopt, At(version), principal_), state.size());
  }

  void CheckDiff(uint64_t from, uint64_t to) {
    std::map<uint64_t, DiffKind> wanted;
    for (const auto& [id, point] : states_[from]) {
      const auto after = states_[to].find(id);
      if (after == states_[to].end()) {
        wanted[id] = DiffKind::kRetired;
      } else if (after->second.written != point.written) {
        wanted[id] = DiffKind::kReplaced;
      }
    }
    for (const auto& [id, point] : states_[to]) {
      if (!states_[from].contains(id)) wanted[id] = DiffKind::kAdded;
    }
    DiffRequest request{.from = At(from), .to = At(to), .limit = 7, .principal = principal_};
    std::map<uint64_t, DiffKind> got;
    do {
      const auto page = collection_->Diff(request);
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_EQ(page->added + page->replaced + page->retired, wanted.size());
      for (const DiffEntry& entry : page->entries) {
        ASSERT_TRUE(got.emplace(entry.id.number(), entry.kind).second);
        if (entry.kind != DiffKind::kReplaced) continue;
        const ModelPoint& before = states_[from][entry.id.number()];
        const ModelPoint& after = states_[to][entry.id.number()];
        const bool same = nlohmann::json(before.payload) == nlohmann::json(after.payload) &&
                          before.vector == after.vector;
        ASSERT_EQ(entry.changed.empty(), same);
      }
      request.cursor = page->next_cursor;
    } while (!request.cursor.empty());
    ASSERT_EQ(got, wanted);
  }

  std::mt19937_64 random_;
  std::vector<ModelState> states_{ModelState()};  // by version
};

TEST_F(WriteModelTest, EveryKindOfWriteAndEveryVersion) {
  const char* given = std::getenv("VOUCH_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20261125;
  std::cout << "seed " << seed << "\n";
  random_.seed(seed);
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", round " << round);
    switch (Below(8)) {
      case 0:
        ASSERT_NO_FATAL_FAILURE(ByFilter());
        break;
      case 1:
        ASSERT_NO_FATAL_FAILURE(Restore());
        break;
      case 2:
      case 3:
        ASSERT_NO_FATAL_FAILURE(UpdateById());
        break;
      default:
        ASSERT_NO_FATAL_FAILURE(Put());
    }
    ASSERT_NO_FATAL_FAILURE(CheckVersion(states_.size() - 1));
    ASSERT_NO_FATAL_FAILURE(CheckVersion(Below(states_.size())));
    if (OneIn(5)) {
      const uint64_t from = Below(states_.size());
      ASSERT_NO_FATAL_FAILURE(CheckDiff(from, from + Below(states_.size() - from)));
    }
    if (round == 150) {
      ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
    }
    if (round == 300) Reopen();
  }
}

}  // namespace
}  // namespace vouch
