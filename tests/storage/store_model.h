#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "storage/store.h"

namespace vouch {

// What a collection must hold, kept in the plainest way: all rows, all headers, and each point's latest row.
class CollectionModel {
 public:
  // The header that the request must get, and all that follows from it.
  CommitHeader Apply(const CommitRequest& request) {
    CommitHeader header;
    header.version = Version(headers_.size() + 1);
    header.time_us = std::max(request.time_us, headers_.empty() ? 0 : headers_.back().time_us);
    header.actor = request.actor.tenant + "/" + request.actor.subject;
    header.request_id = request.request_id;
    header.first_row = RowId(rows_.size());
    header.row_count = request.upserts.size();
    for (const PointId& id : request.deletes) Retire(id, header);
    for (const RowInput& row : request.upserts) {
      const auto old = latest_.find(row.id);
      previous_.push_back(old == latest_.end() ? kNoRow : old->second);
      Retire(row.id, header);
      latest_[row.id] = RowId(rows_.size());
      rows_.push_back(row);
      retired_.push_back(kNeverRetired);
    }
    std::sort(header.retired.begin(), header.retired.end());
    header.live_rows = Live();
    for (const DocumentChange& change : request.documents) {
      if (change.value.has_value()) {
        documents_[change.key] = *change.value;
      } else {
        documents_.erase(change.key);
      }
    }
    for (const Artifact& artifact : request.artifacts) artifacts_[artifact.hash] = artifact.bytes;
    headers_.push_back(header);
    return header;
  }

  // Whether all conditions of the request hold.
  bool Holds(const CommitRequest& request) const {
    for (const PointCondition& condition : request.conditions) {
      const auto at = latest_.find(condition.id);
      const bool live = at != latest_.end() && retired_[at->second.value] == kNeverRetired;
      if (condition.row.empty() ? live : !live || !condition.row.Contains(at->second)) return false;
    }
    return true;
  }

  Version latest() const { return Version(headers_.size()); }

  // Everything that the store says of the collection.
  void Check(const Store& store, CollectionId id) const {
    const auto state = store.GetState(id);
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_EQ(state->latest, latest());
    ASSERT_EQ(state->rows, rows_.size());
    ASSERT_EQ(state->live_rows, Live());
    const auto headers = store.ListCommits(id, Version(1), latest(), SIZE_MAX);
    ASSERT_TRUE(headers.ok()) << headers.status();
    ASSERT_EQ(headers->size(), headers_.size());
    for (size_t i = 0; i < headers_.size(); ++i) CheckHeader((*headers)[i], headers_[i]);
    CheckRows(store, id);
    CheckDocuments(store, id);
    for (const auto& [point, row] : latest_) {
      const auto found = store.FindPoint(id, point, latest());
      ASSERT_TRUE(found.ok()) << found.status();
      if (retired_[row.value] == kNeverRetired) {
        ASSERT_EQ(found->value_or(kNoRow), row) << point.ToString();
      } else {
        ASSERT_FALSE(found->has_value()) << point.ToString();
      }
    }
  }

  // The point's row at a version, by looking at every row.
  RowId FindSlowly(const PointId& point, Version at) const {
    const uint64_t end = at == Version(0) ? 0 : headers_[at.value - 1].rows_end().value;
    for (uint64_t row = 0; row < end; ++row) {
      if (rows_[row].id == point && retired_[row] > at) return RowId(row);
    }
    return kNoRow;
  }

  static void CheckHeader(const CommitHeader& got, const CommitHeader& want) {
    ASSERT_EQ(got.version, want.version);
    ASSERT_EQ(got.time_us, want.time_us);
    ASSERT_EQ(got.actor, want.actor);
    ASSERT_EQ(got.request_id, want.request_id);
    ASSERT_EQ(got.first_row, want.first_row);
    ASSERT_EQ(got.row_count, want.row_count);
    ASSERT_EQ(got.live_rows, want.live_rows);
    ASSERT_EQ(got.retired, want.retired);
  }

 private:
  uint64_t Live() const {
    uint64_t live = 0;
    for (const Version version : retired_) live += version == kNeverRetired ? 1 : 0;
    return live;
  }
  void Retire(const PointId& id, CommitHeader& header) {
    const auto at = latest_.find(id);
    if (at == latest_.end() || retired_[at->second.value] != kNeverRetired) return;
    retired_[at->second.value] = header.version;
    header.retired.push_back(at->second);
  }
  void CheckRows(const Store& store, CollectionId id) const {
    const RowRange all{RowId(0), RowId(rows_.size())};
    uint64_t next = 0;
    const absl::Status scanned = store.ScanRows(id, all, true, [&](RowRecord&& got) {
      const RowInput& want = rows_[next];
      EXPECT_EQ(got.row, RowId(next));
      EXPECT_EQ(got.id, want.id);
      EXPECT_EQ(got.previous, previous_[next]);
      EXPECT_EQ(got.payload, want.payload);
      EXPECT_EQ(got.provenance, want.provenance);
      EXPECT_EQ(got.access, want.access);
      EXPECT_EQ(got.vectors, want.vectors);
      ++next;
      return absl::OkStatus();
    });
    ASSERT_TRUE(scanned.ok()) << scanned;
    ASSERT_EQ(next, rows_.size());
    std::vector<Version> retired(rows_.size(), kNeverRetired);
    const absl::Status status =
        store.ScanRetired(id, all, [&](RowId row, Version version) { retired[row.value] = version; });
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(retired, retired_);
  }
  void CheckDocuments(const Store& store, CollectionId id) const {
    std::map<std::string, std::string> documents;
    const absl::Status status =
        store.ScanDocuments(id, "", [&](std::string_view key, std::string_view value) {
          documents.emplace(key, value);
          return absl::OkStatus();
        });
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(documents, documents_);
    for (const auto& [hash, bytes] : artifacts_) {
      const auto got = store.GetArtifact(id, hash);
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(*got, bytes);
    }
  }

  std::vector<CommitHeader> headers_;
  std::vector<RowInput> rows_;
  std::vector<RowId> previous_;   // by row
  std::vector<Version> retired_;  // by row
  std::map<PointId, RowId> latest_;
  std::map<std::string, std::string> documents_;
  std::map<std::string, std::string> artifacts_;
};

}  // namespace vouch
