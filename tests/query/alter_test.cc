// Schemas are altered while readers and writers go on.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AlterTest : public QueryTest {
 protected:
  AlterTest() { seal_rows_ = 50; }

  AlterReply Alter(SchemaChange change, std::string request_id = "") {
    const auto reply =
        collection_->Alter({.change = std::move(change), .principal = principal_, .request_id = std::move(request_id)});
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.value_or(AlterReply());
  }
  absl::Status Refused(SchemaChange change) {
    return collection_->Alter({.change = std::move(change), .principal = principal_}).status();
  }
  void UpsertMany(uint64_t first, uint64_t count) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) {
      points.push_back(Point(id, {static_cast<float>(id), 1},
                             "{\"text\":\"word w" + std::to_string(id % 7) + "\",\"title\":\"t" + std::to_string(id % 3) +
                                 "\",\"year\":" + std::to_string(2000 + id % 10) + ",\"price\":" + std::to_string(id) + "}"));
    }
    Upsert(std::move(points));
  }
  size_t IndexFolders() {
    size_t folders = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/db/index")) {
      folders += entry.is_directory();
    }
    return folders;
  }
};

TEST_F(AlterTest, APayloadIndexCoversOlderPoints) {
  UpsertMany(0, 120);
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  const auto cheap = [&](const ReadAt& at = {}) {
    return collection_->Count(Compare("price", FilterOp::kLt, int64_t{20}), at, principal_);
  };
  EXPECT_TRUE(absl::IsInvalidArgument(cheap().status()));
  SchemaChange change;
  change.add_payload.push_back({.path = "price", .type = PayloadType::kInteger});
  change.drop_payload = {"lang"};
  const AlterReply reply = Alter(change);
  EXPECT_EQ(reply.version, Version(2));
  EXPECT_TRUE(reply.builds);
  EXPECT_EQ(*cheap(), 20u);
  EXPECT_EQ(*cheap(At(1)), 20u);  // it asks the same rows
  EXPECT_TRUE(absl::IsInvalidArgument(
      collection_->Count(Compare("lang", FilterOp::kEq, std::string("en")), {}, principal_).status()));
  UpsertMany(10, 20);
  EXPECT_EQ(*cheap(), 20u);
  Reopen();
  EXPECT_EQ(*cheap(), 20u);
  EXPECT_EQ(IndexFolders(), 1u);
  EXPECT_EQ(collection_->Stats().index.files_damaged, 0u);
  EXPECT_EQ(collection_->info().schema_version, Version(2));
}

TEST_F(AlterTest, FieldsComeAndGo) {
  UpsertMany(0, 60);
  SchemaChange change;
  change.add_dense.push_back(Vectors("w", 3, Metric::kL2));
  change.add_text.push_back(TextOf("titles", "title"));
  change.add_sparse.push_back({.name = "terms"});
  change.add_multi_vector.push_back({.name = "tokens", .dim = 2, .metric = Metric::kInnerProduct});
  Alter(change);
  const QueryNode tokens{.node = MultiVectorLeaf{.field = "tokens", .tokens = {.dim = 2, .values = {1, 0}}}};
  EXPECT_THAT(Ids(Search(Request(tokens))), IsEmpty());
  // Older points have no vector there, and are found by the new text.
  QueryNode dense{.node = DenseLeaf{.field = "w", .vector = {1, 2, 3}, .ef_search = 0, .exact = true}};
  EXPECT_THAT(Ids(Search(Request(dense))), IsEmpty());
  QueryNode text{.node = TextLeaf{.field = "titles", .text = "t1"}};
  EXPECT_EQ(Search(Request(text, 60)).hits.size(), 20u);
  PointInput point = Point(100, {5, 5}, R"({"title":"t1"})");
  point.vectors.emplace_back("w", std::vector<float>{1, 2, 3});
  point.sparse_vectors.emplace_back("terms", SparseVector{.indices = {4}, .values = {2}});
  point.multi_vectors.emplace_back("tokens", MultiVector{.dim = 2, .values = {1, 2, 3, 4}});
  Upsert({point});
  EXPECT_THAT(Ids(Search(Request(dense))), ElementsAre(100));
  EXPECT_THAT(Ids(Search(Request(tokens))), ElementsAre(100));
  EXPECT_THAT(Ids(Search(Request(SparseQuery({.indices = {4}, .values = {1}}, "terms")))), ElementsAre(100));
  Reopen();
  EXPECT_THAT(Ids(Search(Request(dense))), ElementsAre(100));
  EXPECT_THAT(Ids(Search(Request(tokens))), ElementsAre(100));
  // Dropped: not asked, not shown, not written, at any version.
  SchemaChange drop;
  drop.drop = {"w", "terms", "titles", "tokens"};
  Alter(drop);
  EXPECT_THAT(SearchError(Request(dense)), HasSubstr("unknown dense field 'w'"));
  EXPECT_THAT(SearchError(Request(text)), HasSubstr("unknown text field 'titles'"));
  EXPECT_THAT(SearchError(Request(tokens)), HasSubstr("the collection has no multi-vector field"));
  Projection everything;
  everything.vectors = true;
  auto points = collection_->Get(std::vector<PointId>{Id(100)}, {}, everything, principal_);
  ASSERT_TRUE(points.ok() && (*points)[0].has_value());
  EXPECT_EQ((*points)[0]->vectors.size(), 1u);
  EXPECT_THAT((*points)[0]->sparse_vectors, IsEmpty());
  EXPECT_THAT((*points)[0]->multi_vectors, IsEmpty());
  EXPECT_TRUE(absl::IsInvalidArgument(TryUpsert({point}).status()));
  // The one field that is left is the default again.
  QueryNode first{.node = DenseLeaf{.field = "", .vector = {5, 5}, .ef_search = 0, .exact = true}};
  EXPECT_THAT(Ids(Search(Request(first, 1))), ElementsAre(100));
  // Another of the name has no vectors yet, of another dimension too.
  SchemaChange again;
  again.add_dense.push_back(Vectors("w", 2, Metric::kCosine));
  Alter(again);
  QueryNode other{.node = DenseLeaf{.field = "w", .vector = {1, 2}, .ef_search = 0, .exact = true}};
  EXPECT_THAT(Ids(Search(Request(other))), IsEmpty());
  Upsert({Point(1, {0, 0})});
  const auto updated = collection_->Update(
      {.updates = {{.id = Id(100), .change = {.vectors = {{"w", {0, 1}}}}}}, .principal = principal_});
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_THAT(Ids(Search(Request(other))), ElementsAre(100));
  Reopen();
  EXPECT_THAT(Ids(Search(Request(other))), ElementsAre(100));
  collection_.reset();
  database_.reset();
  const auto report = VerifyStore({.path = folder_.path() + "/db/store"});
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->problems, IsEmpty());
}

TEST_F(AlterTest, ConstantsOfBm25ChangeWithoutABuild) {
  UpsertMany(0, 60);
  Upsert({Point(500, {0, 0}, R"({"text":"w1 w1 w1 word"})")});
  ASSERT_TRUE(collection_->WaitIdle({}).ok());
  const SearchResponse before = Search(Request(Text("w1 word"), 1));
  EXPECT_THAT(Ids(before), ElementsAre(500));
  SchemaChange change;
  change.change_text.push_back({.name = "body", .k1 = 0.0});
  const AlterReply reply = Alter(change);
  EXPECT_FALSE(reply.builds);
  const SearchResponse after = Search(Request(Text("w1 word"), 1));
  EXPECT_NE(before.hits[0].score, after.hits[0].score);
  Reopen();
  EXPECT_EQ(Search(Request(Text("w1 word"), 1)).hits[0].score, after.hits[0].score);
  EXPECT_EQ(collection_->Stats().index.files_damaged, 0u);
}

TEST_F(AlterTest, AnotherKindOfIndexIsBuilt) {
  UpsertMany(0, 200);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  EXPECT_EQ(collection_->Stats().index.segments[0].dense[0].kind, DenseIndexKind::kHnsw);
  SchemaChange change;
  change.change_dense.push_back({.name = "v", .index = DenseIndexKind::kFlat});
  EXPECT_TRUE(Alter(change).builds);
  EXPECT_EQ(collection_->Stats().index.segments[0].dense[0].kind, DenseIndexKind::kFlat);
  EXPECT_THAT(Ids(Search(Request(Dense({7, 1}, false), 1))), ElementsAre(7));
}

TEST_F(AlterTest, ARepeatedRequestChangesNothing) {
  SchemaChange change;
  change.add_payload.push_back({.path = "price", .type = PayloadType::kInteger});
  const AlterReply first = Alter(change, "alter-1");
  const AlterReply again = Alter(change, "alter-1");
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.version, first.version);
  EXPECT_TRUE(absl::IsAlreadyExists(Refused(change)));
  EXPECT_EQ(collection_->Stats().version, first.version);
  const auto commits = collection_->Versions(first.version, first.version, 1);
  EXPECT_EQ(commits->front().actor, principal_.tenant + "/" + principal_.subject);
  EXPECT_EQ(commits->front().request_id, "alter-1");
  // What is the same already makes no version.
  SchemaChange same;
  same.retention = RetentionPolicy();
  EXPECT_EQ(Alter(same).version, first.version);
  const auto dry = collection_->Alter({.change = {.drop = {"body"}}, .dry_run = true, .principal = principal_});
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_TRUE(dry->builds);
  EXPECT_EQ(dry->info.schema.FindText("body"), -1);
  EXPECT_EQ(collection_->schema().FindText("body"), 0);
}

TEST_F(AlterTest, ReadersAndWritersGoOn) {
  // Without builds in the background, which would wait for a processor where cores are few.
  seal_rows_ = 20'000;
  Reopen();
  constexpr auto kPause = std::chrono::milliseconds(3);
  UpsertMany(0, 120);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> written{120};
  std::atomic<uint64_t> reads{0};
  std::thread writer([&] {
    while (!stop.load()) {
      const uint64_t next = written.load();
      UpsertMany(next, 5);
      written.store(next + 5);
      std::this_thread::sleep_for(4 * kPause);
    }
  });
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (!stop.load()) {
        const uint64_t least = written.load();
        SearchRequest request = Request(Fuse({Dense({7, 1}), Text("w3")}), 10);
        request.projection.vectors = true;
        const auto response = collection_->Search(request);
        EXPECT_TRUE(response.ok()) << response.status();
        if (response.ok()) {
          EXPECT_EQ(response->hits.size(), 10u);
          for (const PointHit& hit : response->hits) {
            // Its own vector, under its own name.
            const auto vector = hit.vectors.find("v");
            EXPECT_TRUE(vector != hit.vectors.end() && vector->second[0] == static_cast<float>(hit.id.number()));
          }
        }
        const auto count = collection_->Count(Compare("year", FilterOp::kGe, int64_t{2000}), {}, principal_);
        EXPECT_TRUE(count.ok()) << count.status();
        // Every acknowledged point is there.
        EXPECT_GE(count.value_or(0), least);
        ++reads;
        std::this_thread::sleep_for(kPause);
      }
    });
  }
  for (int round = 0; round < 2; ++round) {
    SchemaChange add;
    add.add_dense.push_back(Vectors("w" + std::to_string(round), 2, Metric::kL2, DenseIndexKind::kFlat));
    add.add_payload.push_back({.path = "price", .type = PayloadType::kInteger});
    if (round > 0) add.drop = {"w" + std::to_string(round - 1)};
    Alter(add);
    const uint64_t least = written.load();
    EXPECT_GE(*collection_->Count(Compare("price", FilterOp::kGe, int64_t{0}), {}, principal_), least);
    SchemaChange drop;
    drop.drop_payload = {"price"};
    drop.change_text.push_back({.name = "body", .k1 = 1.0 + round});
    Alter(drop);
  }
  while (reads.load() < 10) std::this_thread::yield();
  stop.store(true);
  writer.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(*collection_->Count(std::nullopt, {}, principal_), written.load());
  Reopen();
  EXPECT_EQ(*collection_->Count(std::nullopt, {}, principal_), written.load());
  EXPECT_EQ(collection_->Stats().index.files_damaged, 0u);
  EXPECT_EQ(IndexFolders(), 1u);
}

TEST_F(AlterTest, AfterALetGo) {
  UpsertMany(0, 100);
  UpsertMany(0, 100);
  UpsertMany(50, 100);
  ASSERT_TRUE(collection_->LetGo({.horizon = Version(3)}).ok());
  SchemaChange change;
  change.add_payload.push_back({.path = "price", .type = PayloadType::kInteger});
  Alter(change);
  EXPECT_EQ(*collection_->Count(Compare("price", FilterOp::kGe, int64_t{0}), {}, principal_), 150u);
  UpsertMany(0, 100);
  ASSERT_TRUE(collection_->LetGo({.horizon = Version(5)}).ok());
  EXPECT_EQ(*collection_->Count(Compare("price", FilterOp::kGe, int64_t{0}), {}, principal_), 150u);
}

// Token vectors that are written while an index is built are in it.
TEST_F(AlterTest, TokensWrittenMeanwhileAreFound) {
  CollectionSchema schema = Schema();
  schema.multi_vector = {{.name = "t", .dim = 2, .metric = Metric::kInnerProduct, .type = VectorType::kF32}};
  Create("tokens", schema);
  const auto write = [&](uint64_t id) {
    PointInput point = Point(id, {static_cast<float>(id), 1}, R"({"price": 1})");
    point.multi_vectors.emplace_back("t", MultiVector{2, {1, 0, 0, 1}});
    Upsert({std::move(point)});
  };
  for (uint64_t id = 0; id < 200; ++id) write(id);
  std::atomic<bool> stop{false};
  uint64_t written = 200;
  std::thread writer([&] {
    while (!stop.load()) write(written++);
  });
  for (int round = 0; round < 3; ++round) {
    SchemaChange change;
    if (round % 2 == 0) change.add_payload.push_back({.path = "price", .type = PayloadType::kInteger});
    if (round % 2 == 1) change.drop_payload = {"price"};
    Alter(change);
  }
  stop.store(true);
  writer.join();
  QueryNode tokens;
  tokens.node = MultiVectorLeaf{.field = "t", .tokens = {2, {1, 1}}};
  EXPECT_EQ(Search(Request(std::move(tokens), 10'000)).hits.size(), std::min<uint64_t>(written, 10'000));
}

}  // namespace
}  // namespace vouch
