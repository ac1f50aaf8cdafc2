#include "index/gpu/collection_offload.h"

#include "absl/strings/str_cat.h"

namespace vouch {

CollectionOffload::~CollectionOffload() {
  for (const auto& [segment, units] : units_) {
    for (const std::shared_ptr<DenseUnit>& unit : units) {
      if (unit != nullptr) unit->Retire();
    }
  }
}

void CollectionOffload::Publish(const std::vector<SegmentPtr>& segments) {
  absl::flat_hash_map<const Segment*, Units> before;
  const std::lock_guard lock(mu_);
  before.swap(units_);
  for (const SegmentPtr& segment : segments) {
    if (!segment->sealed) continue;
    const auto known = before.find(segment.get());
    if (known != before.end()) {
      units_.insert(before.extract(known));
      continue;
    }
    Units& units = units_[segment.get()];
    for (size_t field = 0; field < segment->dense.size(); ++field) {
      units.push_back(dense_.AddUnit(tenant_, collection_, absl::StrCat(field), segment, field));
    }
  }
  for (const auto& [segment, units] : before) {
    for (const std::shared_ptr<DenseUnit>& unit : units) {
      if (unit != nullptr) unit->Retire();
    }
  }
}

std::shared_ptr<DenseUnit> CollectionOffload::UnitOf(const Segment& segment, size_t field) const {
  const std::lock_guard lock(mu_);
  const auto found = units_.find(&segment);
  return found == units_.end() || field >= found->second.size() ? nullptr : found->second[field];
}

std::unique_ptr<OffloadedSearch> CollectionOffload::Begin(const Request& request) {
  const std::shared_ptr<DenseUnit> unit = UnitOf(request.segment, request.field);
  return unit == nullptr ? nullptr : dense_.Begin(unit, request);
}

void CollectionOffload::NoteSearchedHere(const Request& request, std::chrono::nanoseconds took) {
  if (request.background) return;
  const std::shared_ptr<DenseUnit> unit = UnitOf(request.segment, request.field);
  if (unit == nullptr || !SuitsDevice(*unit, request.query, request.search, dense_.options_.few_rows)) return;
  unit->NoteSearchedHere(took);
}

DenseBuildHelp CollectionOffload::BuildHelp() {
  if (!dense_.options_.builds) return {};
  return {.links = [this](const DenseColumn& column, std::span<const NodeGroups> levels, LinkCounts counts,
                          const BuildProgress& progress) { return dense_.ChooseLinks(column, levels, counts, progress); },
          .assign = [this](const CodeRecords& records, uint32_t count, int threads,
                           const std::function<void(uint32_t, CodeQuery&)>& query) {
            return dense_.Assign(records, count, threads, query);
          },
          .entries = [this](const CodeBooks& books, std::span<const float> rows,
                            std::span<uint8_t> nearest) { return dense_.FindEntries(books, rows, nearest); }};
}

}  // namespace vouch
