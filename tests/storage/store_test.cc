#include "storage/evaluation_records.h"
#include "storage/fence.h"
#include "storage/store.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <set>
#include <span>
#include <thread>

#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

TEST_F(StoreTest, UpsertDeleteAndReAddAtEveryVersion) {
  const CommitHeader one = MustCommit(Upsert(c_, {MakeRow(10, 1), MakeRow(11, 2), MakeRow(12, 3)}));
  EXPECT_EQ(one.version, Version(1));
  EXPECT_EQ(one.first_row, RowId(0));
  EXPECT_EQ(one.rows_end(), RowId(3));
  EXPECT_EQ(one.live_rows, 3u);
  EXPECT_THAT(one.retired, IsEmpty());
  EXPECT_EQ(one.actor, "default/anonymous");

  CommitRequest second = Upsert(c_, {MakeRow(12, 4)});  // replaces; and a delete beside it
  second.deletes.emplace_back(10);
  second.deletes.emplace_back(99);
  const CommitHeader two = MustCommit(second);
  EXPECT_THAT(two.retired, ElementsAre(RowId(0), RowId(2)));
  EXPECT_EQ(two.live_rows, 2u);
  const CommitHeader three = MustCommit(Upsert(c_, {MakeRow(10, 5)}));
  EXPECT_THAT(three.retired, IsEmpty());
  EXPECT_EQ(three.live_rows, 3u);

  const auto check = [&] {
    const std::vector<std::vector<int64_t>> rows = {
        {-1, -1, -1}, {0, 1, 2}, {-1, 1, 3}, {4, 1, 3}};  // by version: points 10, 11, 12
    for (uint64_t version = 0; version < rows.size(); ++version) {
      for (uint64_t point = 0; point < 3; ++point) {
        EXPECT_EQ(Find(10 + point, version), rows[version][point]) << version << " " << point;
      }
      EXPECT_EQ(Find(99, version), -1);
    }
    EXPECT_EQ(store_->FindPoint(c_, PointId(10), Version(4)).status().code(), absl::StatusCode::kNotFound);
  };
  check();
  // The re-added point points back to its row before the delete.
  EXPECT_EQ(store_->ReadRow(c_, RowId(4), false)->previous, RowId(0));
  EXPECT_EQ(store_->ReadRow(c_, RowId(1), false)->previous, kNoRow);
  Reopen();
  check();
  const auto state = store_->GetState(c_);
  EXPECT_EQ(state->latest, Version(3));
  EXPECT_EQ(state->rows, 5u);
  EXPECT_EQ(state->live_rows, 3u);
}

TEST_F(StoreTest, RowsAreReadAsWritten) {
  MustCommit(Upsert(c_, {MakeRow(0, 0), MakeRow(1, 1), MakeRow(2, 10)}));
  const RowId asked[] = {RowId(2), RowId(0), RowId(2)};
  const auto rows = store_->ReadRows(c_, asked, true);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0].id, PointId(2));
  EXPECT_EQ((*rows)[0].row, RowId(2));
  EXPECT_EQ((*rows)[0].payload, "{\"n\":10}");
  EXPECT_EQ((*rows)[0].provenance, "{\"from\":10}");
  EXPECT_THAT((*rows)[0].access, ElementsAre("group:a", "user:10"));
  EXPECT_THAT((*rows)[0].vectors, ElementsAre(ElementsAre(10, 10.5f, -10), ElementsAre(20, 1)));
  EXPECT_THAT((*rows)[1].vectors, ElementsAre(ElementsAre(0, 0.5f, 0), IsEmpty()));
  EXPECT_EQ((*rows)[2].id, PointId(2));
  EXPECT_THAT(store_->ReadRow(c_, RowId(0), false)->vectors, IsEmpty());

  const auto missing = store_->ReadRow(c_, RowId(3), true);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("row 3"));

  std::vector<uint64_t> seen;
  const auto visit = [&](RowRecord&& row) -> absl::Status {
    if (row.row == RowId(2)) return absl::CancelledError("enough");
    EXPECT_EQ(row.vectors[1].empty(), row.row == RowId(0));
    seen.push_back(row.row.value);
    return absl::OkStatus();
  };
  EXPECT_EQ(store_->ScanRows(c_, {RowId(0), RowId(3)}, true, visit).message(), "enough");
  EXPECT_THAT(seen, ElementsAre(0, 1));
  EXPECT_TRUE(store_->ScanRows(c_, {RowId(1), RowId(1)}, true, visit).ok());
  EXPECT_EQ(store_->ScanRows(c_, {RowId(0), RowId(4)}, true, visit).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(seen, ElementsAre(0, 1));
}

TEST_F(StoreTest, ScanRetiredGivesTheRangeOnly) {
  MustCommit(Upsert(c_, {MakeRow(0, 0), MakeRow(1, 1), MakeRow(2, 2)}));
  MustCommit(Upsert(c_, {MakeRow(2, 3)}));
  MustCommit(Upsert(c_, {MakeRow(0, 4), MakeRow(2, 5)}));
  std::vector<std::pair<uint64_t, uint64_t>> seen;
  const auto visit = [&](RowId row, Version version) { seen.emplace_back(row.value, version.value); };
  ASSERT_TRUE(store_->ScanRetired(c_, {RowId(0), RowId(6)}, visit).ok());
  EXPECT_THAT(seen, ElementsAre(std::pair(0, 3), std::pair(2, 2), std::pair(3, 3)));
  seen.clear();
  ASSERT_TRUE(store_->ScanRetired(c_, {RowId(1), RowId(3)}, visit).ok());
  EXPECT_THAT(seen, ElementsAre(std::pair(2, 2)));
}

TEST_F(StoreTest, AKnownRequestIdChangesNothing) {
  CommitRequest request = Upsert(c_, {MakeRow(1, 1)});
  request.request_id = "r1";
  EXPECT_FALSE(Commit(request)->replayed);
  MustCommit(Upsert(c_, {MakeRow(2, 2)}));
  request.upserts = {MakeRow(7, 7)};
  request.expected_version = Version(77);  // the first reply counts, not the second question
  for (int opened = 0; opened < 2; ++opened) {
    const auto again = Commit(request);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->header.version, Version(1));
    EXPECT_EQ(again->header.request_id, "r1");
    EXPECT_EQ(store_->GetState(c_)->latest, Version(2));
    EXPECT_EQ(Find(7, 2), -1);
    Reopen();
  }
  // Ids are a collection's own.
  const auto other = store_->catalog().CreateCollection("t", "other", TwoFieldSchema(), 5);
  request = Upsert(other->id, {MakeRow(1, 1)});
  request.request_id = "r1";
  EXPECT_FALSE(Commit(request)->replayed);
}

TEST_F(StoreTest, OneOfManyConcurrentCommitsWithOneRequestIdIsMade) {
  constexpr int kRounds = 20, kThreads = 16;
  for (uint64_t round = 0; round < kRounds; ++round) {
    std::atomic<int> made = 0;
    std::atomic<uint64_t> versions = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        CommitRequest request = Upsert(c_, {MakeRow(round * 100 + t, 1)});
        request.request_id = absl::StrCat("round", round);
        const auto result = Commit(std::move(request));
        ASSERT_TRUE(result.ok()) << result.status();
        if (!result->replayed) ++made;
        versions += result->header.version.value;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(made, 1);
    EXPECT_EQ(versions, kThreads * (round + 1));
  }
  EXPECT_EQ(store_->GetState(c_)->rows, static_cast<uint64_t>(kRounds));
}

TEST_F(StoreTest, ExpectedVersionIsComparedAndSwapped) {
  CommitRequest request = Upsert(c_, {MakeRow(1, 1)});
  request.expected_version = Version(0);
  EXPECT_TRUE(Commit(request).ok());
  const auto stale = Commit(request);
  EXPECT_EQ(stale.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(stale.status().message(), HasSubstr("at version 1, not at the expected 0"));
  EXPECT_EQ(store_->GetState(c_)->latest, Version(1));
  request.expected_version = Version(1);
  EXPECT_TRUE(Commit(request).ok());
}

TEST_F(StoreTest, ConditionsAreOfTheStateBeforeTheCommit) {
  const auto attempt = [&](uint64_t id, RowRange row, bool aborts = false) {
    CommitRequest request = Upsert(c_, {MakeRow(9, 9)});
    request.conditions.push_back({.id = PointId(id), .row = row, .aborts = aborts});
    return Commit(request).status();
  };
  const RowRange absent;
  ASSERT_TRUE(Commit(Upsert(c_, {MakeRow(1, 1), MakeRow(2, 2)})).ok());
  EXPECT_TRUE(attempt(3, absent).ok());
  const absl::Status there = attempt(1, absent);
  EXPECT_EQ(there.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(there.message(), HasSubstr("point 1: the write asks that it is not there; it is there, as row 0"));
  EXPECT_EQ(std::string(*there.GetPayload(kFoundRowPayload)), "0");
  EXPECT_TRUE(attempt(2, {RowId(0), RowId(2)}).ok());
  EXPECT_EQ(attempt(2, {RowId(2), RowId(9)}, /*aborts=*/true).code(), absl::StatusCode::kAborted);
  EXPECT_THAT(attempt(3, {RowId(0), kNoRow}).message(), HasSubstr("it is not there"));
  CommitRequest erase;
  erase.collection = c_;
  erase.deletes = {PointId(uint64_t{1})};
  erase.conditions.push_back({.id = PointId(uint64_t{1}), .row = {RowId(0), RowId(1)}});
  EXPECT_TRUE(Commit(erase).ok());
  EXPECT_EQ(Commit(erase).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(attempt(1, absent).ok());  // a deleted point is not there
}

TEST_F(StoreTest, RequestsAndRowsLeadToTheirCommits) {
  CommitRequest named = Upsert(c_, {MakeRow(1, 1)});
  named.request_id = "r";
  ASSERT_TRUE(Commit(named).ok());
  ASSERT_TRUE(Commit(Upsert(c_, {MakeRow(2, 2), MakeRow(3, 3)})).ok());
  EXPECT_EQ((*store_->FindRequest(c_, "r"))->version, Version(1));
  EXPECT_FALSE(store_->FindRequest(c_, "s")->has_value());
  EXPECT_EQ(store_->FindCommitOfRow(c_, RowId(0))->version, Version(1));
  EXPECT_EQ(store_->FindCommitOfRow(c_, RowId(1))->version, Version(2));
  EXPECT_EQ(store_->FindCommitOfRow(c_, RowId(2))->version, Version(2));
  EXPECT_EQ(store_->FindCommitOfRow(c_, RowId(3)).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, AnEmptyCommitMakesNoVersionUnlessItIsNamed) {
  EXPECT_EQ(MustCommit(Upsert(c_, {})).version, Version(0));
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  CommitRequest nothing = Upsert(c_, {});
  nothing.deletes.emplace_back(5);
  const auto result = Commit(nothing);
  EXPECT_EQ(result->header.version, Version(1));
  EXPECT_FALSE(result->replayed);
  nothing.request_id = "named";
  EXPECT_EQ(MustCommit(nothing).version, Version(2));
  EXPECT_TRUE(Commit(nothing)->replayed);
}

TEST_F(StoreTest, WhatIsWrongWithACommitIsNamed) {
  const auto expect = [&](CommitRequest request, std::string_view words) {
    const auto result = Commit(std::move(request));
    EXPECT_EQ(result.status().code(), kInvalid) << words;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(std::string(words)));
  };
  expect(Upsert(c_, {MakeRow(4, 1), MakeRow(4, 2)}), "point 4 stands twice");
  CommitRequest both = Upsert(c_, {MakeRow(4, 1)});
  both.deletes.emplace_back(4);
  expect(both, "point 4 stands twice");
  RowInput row = MakeRow(4, 1);
  row.vectors[0].push_back(1);
  expect(Upsert(c_, {row}), "field \"a\" has 4 dimensions; the field has 3");
  row.vectors.pop_back();
  expect(Upsert(c_, {row}), "point 4 has 1 vector entries; the collection has 2");
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    row = MakeRow(4, 1);
    row.vectors[1][1] = bad;
    expect(Upsert(c_, {row}), "it must be finite");
  }
  row = MakeRow(4, 1);
  row.payload.resize(Limits::kMaxPayloadBytes + 1);
  expect(Upsert(c_, {row}), "1048577; the limit is 1048576");
  row.payload.resize(Limits::kMaxPayloadBytes);
  EXPECT_TRUE(Commit(Upsert(c_, {row})).ok());
  CommitRequest many = Upsert(c_, {});
  for (uint64_t i = 0; i <= Limits::kMaxCommitRows; ++i) many.deletes.emplace_back(i);
  expect(many, "100001 upserts and deletes; the limit is 100000");
  CommitRequest named = Upsert(c_, {MakeRow(4, 1)});
  named.request_id.assign(Limits::kMaxRequestIdBytes + 1, 'r');
  expect(named, "the request id has 129 bytes; the limit is 128");
  named.request_id = "\xff";
  expect(named, "not UTF-8");
  CommitRequest artifact = Upsert(c_, {});
  artifact.artifacts = {{ContentHash("x"), "y"}};
  expect(artifact, ContentHash("y"));
  CommitRequest document = Upsert(c_, {});
  document.documents = {{"", "x"}};
  expect(document, "document key is empty");
  EXPECT_EQ(Commit(Upsert(CollectionId(77), {})).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetState(c_)->latest, Version(1));
}

TEST_F(StoreTest, DocumentsAndArtifacts) {
  CommitRequest request = Upsert(c_, {});
  const std::string text(10'000, 'x');
  request.documents = {{"doc/a", "1"}, {"doc/b", "2"}, {"else", "3"}};
  request.artifacts = {{ContentHash(text), text}, {ContentHash(""), ""}, {ContentHash(text), text}};
  EXPECT_EQ(MustCommit(request).version, Version(1));
  request = Upsert(c_, {});
  request.documents = {{"doc/a", std::nullopt}};
  EXPECT_EQ(MustCommit(request).version, Version(2));
  ASSERT_TRUE(store_->PutArtifact(c_, {ContentHash("later"), "later"}).ok());
  EXPECT_EQ(store_->PutArtifact(c_, {ContentHash("later"), "other"}).code(), kInvalid);
  Reopen();
  EXPECT_EQ(*store_->GetDocument(c_, "doc/a"), std::nullopt);
  EXPECT_EQ(*store_->GetDocument(c_, "doc/b"), "2");
  std::vector<std::string> keys;
  const auto visit = [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return absl::OkStatus();
  };
  ASSERT_TRUE(store_->ScanDocuments(c_, "doc/", visit).ok());
  EXPECT_THAT(keys, ElementsAre("doc/b"));
  ASSERT_TRUE(store_->ScanDocuments(c_, "", visit).ok());
  EXPECT_THAT(keys, ElementsAre("doc/b", "doc/b", "else"));
  EXPECT_EQ(*store_->GetArtifact(c_, ContentHash(text)), text);
  EXPECT_EQ(*store_->GetArtifact(c_, ContentHash("")), "");
  EXPECT_EQ(*store_->GetArtifact(c_, ContentHash("later")), "later");
  EXPECT_EQ(store_->GetArtifact(c_, ContentHash("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, VersionsAreFoundByTime) {
  EXPECT_EQ(*store_->FindVersionAt(c_, 5000), Version(0));
  for (const int64_t time : {1000, 2000, 1500, 3000}) {  // the third clock went back
    CommitRequest request = Upsert(c_, {MakeRow(1, 1)});
    request.time_us = time;
    MustCommit(request);
  }
  EXPECT_EQ(store_->GetCommit(c_, Version(3))->time_us, 2000);
  Reopen();
  EXPECT_EQ(*store_->FindVersionAt(c_, 999), Version(0));
  EXPECT_EQ(*store_->FindVersionAt(c_, 1000), Version(1));
  EXPECT_EQ(*store_->FindVersionAt(c_, 1999), Version(1));
  EXPECT_EQ(*store_->FindVersionAt(c_, 2000), Version(3));
  EXPECT_EQ(*store_->FindVersionAt(c_, 1'000'000), Version(4));
}

TEST_F(StoreTest, CommitsAreListed) {
  for (uint64_t i = 0; i < 5; ++i) MustCommit(Upsert(c_, {MakeRow(i, i)}));
  const auto versions = [&](uint64_t first, uint64_t last, size_t limit) {
    std::vector<uint64_t> found;
    const auto headers = store_->ListCommits(c_, Version(first), Version(last), limit);
    EXPECT_TRUE(headers.ok()) << headers.status();
    for (const CommitHeader& header : *headers) found.push_back(header.version.value);
    return found;
  };
  EXPECT_THAT(versions(2, 4, 10), ElementsAre(2, 3, 4));
  EXPECT_THAT(versions(1, 5, 2), ElementsAre(1, 2));
  EXPECT_THAT(versions(4, 9, 10), ElementsAre(4, 5));
  EXPECT_THAT(store_->GetCommit(c_, Version(2))->first_row, RowId(1));
  EXPECT_EQ(store_->GetCommit(c_, Version(6)).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, EvaluationRecordsAreKeptByName) {
  EvaluationRecords& kept = EvaluationRecords::Of(*store_);
  const auto names = [&](std::string_view tenant, std::string_view prefix) {
    std::vector<std::string> found;
    EXPECT_TRUE(kept.ScanEvaluationRecords(tenant, prefix, [&](std::string_view name, std::string_view) {
      found.emplace_back(name);
      return found.size() < 2;
    }).ok());
    return found;
  };
  const std::vector<NamedRecord> records = {{"run/1", "a"}, {"run/2", "b"}, {"run/3", "c"}, {"set/1", ""}};
  ASSERT_TRUE(kept.PutEvaluationRecords("t", records, true).ok());
  EXPECT_THAT(names("t", "run/"), ElementsAre("run/1", "run/2"));  // until the visitor has enough
  EXPECT_THAT(names("t", "set/"), ElementsAre("set/1"));
  EXPECT_THAT(names("other", ""), IsEmpty());
  EXPECT_EQ(*kept.GetEvaluationRecord("t", "run/2"), "b");
  EXPECT_EQ(*kept.GetEvaluationRecord("t", "set/1"), "");
  EXPECT_EQ(*kept.GetEvaluationRecord("t", "run/9"), std::nullopt);
  EXPECT_EQ(*kept.GetEvaluationRecord("other", "run/1"), std::nullopt);

  // All or none, and what is there stays.
  const std::vector<NamedRecord> again = {{"run/4", "d"}, {"run/1", "x"}};
  EXPECT_EQ(kept.PutEvaluationRecords("t", again, true).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*kept.GetEvaluationRecord("t", "run/4"), std::nullopt);
  ASSERT_TRUE(kept.PutEvaluationRecords("t", again, false).ok());
  EXPECT_EQ(*kept.GetEvaluationRecord("t", "run/1"), "x");
  EXPECT_EQ(kept.PutEvaluationRecords("t", std::vector<NamedRecord>{{"", "x"}}, false).code(), kInvalid);
  EXPECT_EQ(kept.PutEvaluationRecords("t", std::vector<NamedRecord>{{std::string(513, 'n'), "x"}}, false).code(),
            kInvalid);
}

TEST_F(StoreTest, AnswersAreListedNewestFirst) {
  for (const char* id : {"b", "a", "c"}) ASSERT_TRUE(store_->PutAnswer("t", id, id).ok());
  ASSERT_TRUE(store_->PutAnswer("other", "z", "z").ok());
  EXPECT_THAT(*store_->ListAnswers("t", 10), ElementsAre("c", "a", "b"));
  Reopen();
  ASSERT_TRUE(store_->PutAnswer("t", "b", "b2").ok());  // put again: it moves to the front
  ASSERT_TRUE(store_->PutAnswer("t", "d", "d").ok());
  EXPECT_THAT(*store_->ListAnswers("t", 10), ElementsAre("d", "b2", "c", "a"));
  EXPECT_THAT(*store_->ListAnswers("t", 2), ElementsAre("d", "b2"));
  EXPECT_THAT(*store_->ListAnswers("nobody", 2), IsEmpty());
  EXPECT_EQ(*store_->GetAnswer("t", "b"), "b2");
  EXPECT_EQ(store_->GetAnswer("other", "b").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetAnswer("nobody", "b").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->PutAnswer("t", "", "x").code(), kInvalid);
}

TEST_F(StoreTest, EverythingIsThereAfterReopening) {
  const auto other = store_->catalog().CreateCollection("t2", "c", TwoFieldSchema(), 6);
  for (uint64_t i = 0; i < 30; ++i) {
    CommitRequest request = Upsert(i % 2 == 0 ? c_ : other->id, {});
    request.time_us = static_cast<int64_t>(i);
    for (uint64_t j = 0; j < 4; ++j) request.upserts.push_back(MakeRow((i * 7 + j) % 11, i * 10 + j));
    if (i % 3 == 0) request.deletes.emplace_back((i * 7 + 5) % 11);
    if (i % 4 == 0) request.request_id = absl::StrCat("id", i);
    request.documents = {{absl::StrCat("k", i % 5), absl::StrCat(i)}};
    MustCommit(request);
  }
  ASSERT_TRUE(store_->catalog().CreateTag(c_, "tag", Version(3), 9).ok());
  const std::string before = Dump(*store_);
  for (int i = 0; i < 3; ++i) {
    Reopen();
    EXPECT_EQ(Dump(*store_), before);
  }
}

// Remembers what it hears, and that what it hears can be read.
class Recorder : public CommitListener {
 public:
  Recorder(const Store& store, CollectionId collection) : store_(store), collection_(collection) {}
  void OnCommits(std::span<const DurableCommit> commits) override {
    EXPECT_EQ(calls.fetch_add(1), 0) << "one call at a time";
    EXPECT_FALSE(commits.empty());
    for (const auto& [request, header] : commits) {
      heard.push_back(header->version.value);
      readable &= store_.GetState(collection_)->latest >= header->version;
      readable &= store_.GetCommit(collection_, header->version).ok();
      for (const RowInput& row : request->upserts) {
        readable &= store_.FindPoint(collection_, row.id, header->version)->has_value();
      }
    }
    ++groups;
    calls.fetch_sub(1);
  }
  std::atomic<int> calls = 0;
  uint64_t groups = 0;
  std::vector<uint64_t> heard;
  bool readable = true;

 private:
  const Store& store_;
  const CollectionId collection_;
};

// Stays in the first call until it is let go.
class SlowListener : public CommitListener {
 public:
  void OnCommits(std::span<const DurableCommit> commits) override {
    std::unique_lock lock(mu_);
    if (heard.empty()) {
      inside_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return let_go_; });
    }
    for (const DurableCommit& commit : commits) heard.push_back(commit.header->version.value);
  }
  void AwaitFirst() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return inside_; });
  }
  void LetGo() {
    const std::lock_guard lock(mu_);
    let_go_ = true;
    changed_.notify_all();
  }
  std::vector<uint64_t> heard;

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool inside_ = false;
  bool let_go_ = false;
};

TEST_F(StoreTest, TheNextGroupIsDurableWhileOneIsApplied) {
  SlowListener listener;
  store_->SetListener(&listener);
  std::atomic<int> acknowledged = 0;
  const auto commit = [&](uint64_t id) {
    EXPECT_TRUE(Commit(Upsert(c_, {MakeRow(id, id)})).ok());
    ++acknowledged;
  };
  std::thread first(commit, 1);
  listener.AwaitFirst();
  std::thread second(commit, 2);
  while (store_->GetState(c_)->latest < Version(2)) std::this_thread::yield();
  EXPECT_EQ(acknowledged, 0) << "none is acknowledged before it is applied";
  listener.LetGo();
  first.join();
  second.join();
  EXPECT_EQ(listener.heard, (std::vector<uint64_t>{1, 2}));
  store_->SetListener(nullptr);
}

TEST_F(StoreTest, ConcurrentCommitsAreDenseAndHeardInOrder) {
  constexpr uint64_t kThreads = 16, kCommits = 25;
  Recorder recorder(*store_, c_);
  store_->SetListener(&recorder);
  std::vector<std::thread> threads;
  std::vector<std::vector<uint64_t>> versions(kThreads);
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < kCommits; ++i) {
        // Point 0 is everybody's; the other one is this thread's.
        const auto result = Commit(Upsert(c_, {MakeRow(0, t), MakeRow(1000 * (t + 1) + i, i)}));
        ASSERT_TRUE(result.ok()) << result.status();
        versions[t].push_back(result->header.version.value);
        const auto row = store_->FindPoint(c_, PointId(1000 * (t + 1) + i), result->header.version);
        ASSERT_TRUE(row.ok() && row->has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const auto& mine : versions) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), kThreads * kCommits);
  EXPECT_EQ(*all.begin(), 1u);
  EXPECT_EQ(*all.rbegin(), kThreads * kCommits);
  EXPECT_EQ(recorder.heard, std::vector<uint64_t>(all.begin(), all.end()));
  EXPECT_TRUE(recorder.readable);
  EXPECT_EQ(store_->commit_log().Stats().commits, kThreads * kCommits);
  EXPECT_EQ(store_->commit_log().Stats().syncs, recorder.groups) << "what shares a sync is heard together";
  const auto state = store_->GetState(c_);
  EXPECT_EQ(state->rows, 2 * kThreads * kCommits);
  EXPECT_EQ(state->live_rows, kThreads * kCommits + 1);
  const std::string before = Dump(*store_);
  store_->SetListener(nullptr);
  Reopen();
  EXPECT_EQ(Dump(*store_), before);
}

TEST_F(StoreTest, AFencedCollectionTakesOnlyCommitsThatChangeItsFence) {
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  CommitRequest fence = Upsert(c_, {});
  fence.documents.push_back({std::string(kFenceDocument), "it has moved"});
  fence.expected_version = Version(9);
  EXPECT_TRUE(absl::IsAborted(Commit(fence).status()));  // by compare and swap, like any commit
  fence.expected_version = Version(1);
  EXPECT_EQ(MustCommit(fence).version, Version(2));
  const auto refused = [&] {
    const absl::Status status = Commit(Upsert(c_, {MakeRow(2, 2)})).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("it has moved"));
  };
  refused();
  Reopen();
  refused();
  CommitRequest through = Upsert(c_, {MakeRow(3, 3)});  // who holds the fence writes
  through.documents.push_back({std::string(kFenceDocument), "it has moved"});
  EXPECT_EQ(MustCommit(through).version, Version(3));
  refused();
  CommitRequest lift = Upsert(c_, {});
  lift.documents.push_back({std::string(kFenceDocument), std::nullopt});
  MustCommit(lift);
  EXPECT_EQ(MustCommit(Upsert(c_, {MakeRow(2, 2)})).version, Version(5));
}

TEST_F(StoreTest, TheListenerHearsNewVersionsOnly) {
  Recorder recorder(*store_, c_);
  store_->SetListener(&recorder);
  CommitRequest request = Upsert(c_, {MakeRow(1, 1)});
  request.request_id = "r";
  MustCommit(request);
  MustCommit(request);
  MustCommit(Upsert(c_, {}));
  request.expected_version = Version(9);
  request.request_id.clear();
  EXPECT_FALSE(Commit(request).ok());
  EXPECT_THAT(recorder.heard, ElementsAre(1));
  store_->SetListener(nullptr);
}

TEST(StoreOpenTest, WhatCannotBeOpenedIsSaid) {
  TempDir dir;
  StoreOptions options;
  options.path = dir.File("none");
  options.create_if_missing = false;
  const auto missing = Store::Open(options);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr(options.path));
  EXPECT_FALSE(std::filesystem::exists(options.path));
  options.create_if_missing = true;
  const auto first = Store::Open(options);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->path(), options.path);
  const auto second = Store::Open(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  EXPECT_EQ(Store::Open(StoreOptions()).status().code(), kInvalid);
}

}  // namespace
}  // namespace vouch
