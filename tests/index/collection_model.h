#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/collection_index.h"
#include "index/dense/kernels.h"
#include "index/row_source.h"

namespace vouch {

// A collection as plain lists: the rows' source for an index under test, and the oracle of what it must answer.
class CollectionModel final : public RowSource {
 public:
  struct Row {
    RowInput input;
    Version retired = kNeverRetired;
  };

  explicit CollectionModel(CollectionSchema schema) : schema_(std::move(schema)) {}

  const CollectionSchema& schema() const { return schema_; }
  Version latest() const { return Version(rows_at_.size() - 1); }
  uint64_t rows() const { return rows_.size(); }
  uint64_t rows_at(Version version) const { return rows_at_[version.value]; }
  const Row& row(uint64_t row) const { return rows_[row]; }

  // Commits, as the log does, and gives what an index's Apply gets.
  std::pair<CommitRequest, CommitHeader> Commit(std::vector<RowInput> upserts, std::vector<PointId> deletes) {
    CommitRequest request;
    CommitHeader header;
    header.version = Version(rows_at_.size());
    header.first_row = RowId(rows_.size());
    header.row_count = upserts.size();
    for (const PointId& id : deletes) RetireId(id, header);
    for (const RowInput& input : upserts) {
      RetireId(input.id, header);
      live_[input.id] = RowId(rows_.size());
      rows_.push_back({input, kNeverRetired});
    }
    std::sort(header.retired.begin(), header.retired.end());
    header.live_rows = live_.size();
    rows_at_.push_back(rows_.size());
    request.upserts = std::move(upserts);
    request.deletes = std::move(deletes);
    return {std::move(request), std::move(header)};
  }

  absl::Status ScanRows(RowRange range, const std::function<absl::Status(RowRecord&&)>& visit) const override {
    for (uint64_t row = range.begin.value; row < range.end.value; ++row) {
      const RowInput& input = rows_[row].input;
      absl::Status status = visit({.row = RowId(row),
                                   .id = input.id,
                                   .previous = kNoRow,
                                   .payload = input.payload,
                                   .provenance = input.provenance,
                                   .access = input.access,
                                   .vectors = input.vectors,
                                   .sparse = input.sparse,
                                   .multi_vectors = input.multi_vectors});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<CollectionIndex>> OpenIndex(const IndexOptions& options) const {
    return CollectionIndex::Open(options, schema_, this, latest(), rows(), [this](const auto& visit) {
      for (uint64_t row = 0; row < rows_.size(); ++row) {
        if (rows_[row].retired != kNeverRetired) visit(RowId(row), rows_[row].retired);
      }
      return absl::OkStatus();
    });
  }

  // --- the oracle
  bool Visible(uint64_t row, Version at) const { return row < rows_at(at) && rows_[row].retired > at; }
  bool Permitted(uint64_t row, const Principal& who) const {
    const std::vector<std::string>& access = rows_[row].input.access;
    return access.empty() || std::any_of(access.begin(), access.end(), [&](const std::string& name) {
             return name == who.subject || std::count(who.groups.begin(), who.groups.end(), name) > 0;
           });
  }
  // The k best rows among those that `allowed` takes.
  std::vector<Hit> Nearest(size_t field, std::vector<float> query, size_t k,
                           const std::function<bool(uint64_t)>& allowed) const {
    const Metric metric = schema_.dense[field].metric;
    if (metric == Metric::kCosine) NormalizeVector(query);
    std::vector<Hit> hits;
    for (uint64_t row = 0; row < rows_.size(); ++row) {
      const std::vector<float>& vector = rows_[row].input.vectors[field];
      if (vector.empty() || !allowed(row)) continue;
      const float distance = AvailableKernels()[0].one(metric)(query.data(), vector.data(), query.size());
      hits.push_back({RowId(row), ScoreOfDistance(distance)});
    }
    std::sort(hits.begin(), hits.end());
    if (hits.size() > k) hits.resize(k);
    return hits;
  }

 private:
  void RetireId(const PointId& id, CommitHeader& header) {
    const auto found = live_.find(id);
    if (found == live_.end()) return;
    rows_[found->second.value].retired = header.version;
    header.retired.push_back(found->second);
    live_.erase(found);
  }

  CollectionSchema schema_;
  std::vector<Row> rows_;
  std::vector<uint64_t> rows_at_ = {0};
  std::map<PointId, RowId> live_;
};

// Two dense fields, one text field and two payload fields.
inline CollectionSchema ModelSchema() {
  CollectionSchema schema;
  schema.dense.push_back({.name = "a",
                          .dim = 5,
                          .metric = Metric::kL2,
                          .index = DenseIndexKind::kHnsw,
                          .hnsw = {.m = 6, .ef_construction = 30, .ef_search = 40},
                          .embedder = ""});
  DenseField flat;
  flat.name = "b";
  flat.dim = 3;
  flat.metric = Metric::kCosine;
  flat.index = DenseIndexKind::kFlat;
  schema.dense.push_back(flat);
  schema.text.push_back({.name = "body", .paths = {"title", "meta.text"}, .language = "none"});
  schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
  schema.payload.push_back({.path = "lang", .type = PayloadType::kKeyword});
  return schema;
}

// Random rows of ModelSchema over few ids, words and values, so that all of them repeat.
class RowMaker {
 public:
  explicit RowMaker(uint64_t seed) : random_(seed) {}

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  std::vector<float> Vector(size_t dim) {
    std::vector<float> vector(dim);
    // Small integers: ties and equal vectors are frequent.
    for (float& value : vector) value = static_cast<float>(Below(7)) - 3.0f;
    vector[0] += 0.5f;
    return vector;
  }
  PointId Id() {
    const uint64_t number = Below(300);
    if (number % 3 == 0) return *PointId::FromString(absl::StrCat("point-", number));
    return PointId(number);
  }
  RowInput Row() {
    RowInput row;
    row.id = Id();
    row.vectors.resize(2);
    if (Below(8) != 0) row.vectors[0] = Vector(5);
    if (Below(4) != 0) {
      row.vectors[1] = Vector(3);
      NormalizeVector(row.vectors[1]);
    }
    row.payload = absl::StrCat(R"({"title":"w)", Below(9), " w", Below(30), R"(","meta":{"text":"w)", Below(30),
                               R"("},"year":)", 2000 + Below(20), R"(,"lang":")", Below(2) == 0 ? "de" : "en", R"("})");
    if (Below(5) == 0) row.access = {absl::StrCat("group-", Below(3)), "admins"};
    return row;
  }
  // Rows of distinct ids.
  std::vector<RowInput> Rows(size_t count) {
    std::map<PointId, RowInput> rows;
    for (size_t i = 0; i < count; ++i) {
      RowInput row = Row();
      rows.insert_or_assign(row.id, std::move(row));
    }
    std::vector<RowInput> list;
    for (auto& [id, row] : rows) list.push_back(std::move(row));
    std::shuffle(list.begin(), list.end(), random_);
    return list;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace vouch
