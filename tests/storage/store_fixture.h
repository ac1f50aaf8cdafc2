#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/concat.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {

inline CollectionSchema TwoFieldSchema() {
  CollectionSchema schema;
  for (const auto& [name, dim] : {std::pair{"a", 3u}, std::pair{"b", 2u}}) {
    DenseField& field = schema.dense.emplace_back();
    field.name = name;
    field.dim = dim;
  }
  return schema;
}

// A row of TwoFieldSchema. Every third number has no vector "b".
inline RowInput MakeRow(const PointId& id, uint64_t number) {
  RowInput row;
  row.id = id;
  const float x = static_cast<float>(number);
  row.vectors = {{x, x + 0.5f, -x}, {}};
  if (number % 3 != 0) row.vectors[1] = {x * 2, 1};
  row.payload = absl::StrCat("{\"n\":", number, "}");
  if (number % 2 == 0) row.provenance = absl::StrCat("{\"from\":", number, "}");
  if (number % 5 == 0) row.access = {"group:a", absl::StrCat("user:", number)};
  return row;
}
inline RowInput MakeRow(uint64_t id, uint64_t number) { return MakeRow(PointId(id), number); }

inline CommitRequest Upsert(CollectionId collection, std::vector<RowInput> rows) {
  CommitRequest request;
  request.collection = collection;
  request.time_us = 1000;
  request.upserts = std::move(rows);
  return request;
}

// All that the store says of all collections, one line a thing: two stores are equal where these are.
inline std::string Dump(const Store& store, Catalog& catalog) {
  std::string out;
  const auto infos = catalog.ListAllCollections();
  if (!infos.ok()) return std::string(infos.status().message());
  for (const CollectionInfo& info : *infos) {
    const auto state = store.GetState(info.id);
    absl::StrAppend(&out, info.id.value, " ", info.tenant, " ", info.name, " ", info.schema.ToJson(), " ",
                    info.created_us, " ", state->latest.value, " ", state->rows, " ", state->live_rows, "\n");
    const auto commits = store.ListCommits(info.id, Version(1), state->latest, SIZE_MAX);
    EXPECT_TRUE(commits.ok()) << commits.status();
    for (const CommitHeader& header : *commits) {
      absl::StrAppend(&out, "commit ", header.version.value, " ", header.time_us, " ", header.actor, " ",
                      header.request_id, " ", header.first_row.value, " ", header.row_count, " ",
                      header.live_rows);
      for (const RowId row : header.retired) absl::StrAppend(&out, " -", row.value);
      out.push_back('\n');
    }
    const RowRange all{RowId(0), RowId(state->rows)};
    EXPECT_TRUE(store
                    .ScanRows(info.id, all, true,
                              [&](RowRecord&& row) {
                                absl::StrAppend(&out, "row ", row.row.value, " ", row.id.ToString(), " ",
                                                row.previous.value, " ", row.payload, row.provenance);
                                for (const auto& who : row.access) absl::StrAppend(&out, " ", who);
                                for (const auto& vector : row.vectors) {
                                  absl::StrAppend(&out, " |");
                                  for (const float x : vector) absl::StrAppend(&out, " ", x);
                                }
                                out.push_back('\n');
                                return absl::OkStatus();
                              })
                    .ok());
    EXPECT_TRUE(store
                    .ScanRetired(info.id, all,
                                 [&](RowId row, Version version) {
                                   absl::StrAppend(&out, "retired ", row.value, " ", version.value, "\n");
                                 })
                    .ok());
    EXPECT_TRUE(store
                    .ScanDocuments(info.id, "",
                                   [&](std::string_view key, std::string_view value) {
                                     out += Concat("document ", key, " ", value, "\n");
                                     return absl::OkStatus();
                                   })
                    .ok());
    const auto tags = catalog.ListTags(info.id);
    EXPECT_TRUE(tags.ok()) << tags.status();
    for (const Tag& tag : *tags) {
      absl::StrAppend(&out, "tag ", tag.name, " ", tag.version.value, " ", tag.created_us, "\n");
    }
  }
  return out;
}
inline std::string Dump(Store& store) { return Dump(store, store.catalog()); }

// A store with one collection, "c".
class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    Reopen();
    const auto info = store_->catalog().CreateCollection("t", "c", TwoFieldSchema(), 5);
    ASSERT_TRUE(info.ok()) << info.status();
    c_ = info->id;
  }
  void Reopen() {
    store_.reset();
    StoreOptions options;
    options.path = dir_.File("store");
    auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  absl::StatusOr<CommitResult> Commit(CommitRequest request) {
    return store_->commit_log().Commit(std::move(request));
  }
  CommitHeader MustCommit(CommitRequest request) {
    const auto result = Commit(std::move(request));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->header : CommitHeader();
  }
  // The row's number or -1.
  int64_t Find(uint64_t id, uint64_t version) {
    const auto row = store_->FindPoint(c_, PointId(id), Version(version));
    EXPECT_TRUE(row.ok()) << row.status();
    if (!row.ok()) return -2;
    return row->has_value() ? static_cast<int64_t>((*row)->value) : -1;
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
  CollectionId c_;
};

}  // namespace vouch
