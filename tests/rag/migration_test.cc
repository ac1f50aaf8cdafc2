#include "rag/migrate/migration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rag/ingestor.h"
#include "rag/migrate/collection_copy.h"
#include "rag/provenance.h"
#include "storage/fence.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kOld[] = "builtin/hash?dim=64";
constexpr char kNew[] = "builtin/hash?dim=128";

std::string Text(int i) {
  const char* const kWords[] = {"whales", "rivers", "engines", "gardens", "planets", "bridges", "violins"};
  return "Document " + std::to_string(i) + " speaks of " + kWords[i % 7] + " and of " + kWords[i % 5] + ".\n";
}

class MigrationTest : public ::testing::Test {
 protected:
  MigrationTest() { Open(); }

  void Open() {
    database_.reset();
    DatabaseOptions options;
    options.path = dir_.File("db");
    auto opened = Database::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }
  Migrator NewMigrator() { return Migrator(*database_, embedders_); }

  // Ingests documents "d/FIRST" … by their texts; an empty text takes the document away.
  absl::Status Ingest(const std::string& collection, const std::map<int, std::string>& texts,
                      bool whole = false, const std::string& embedder = "") {
    IngestOptions options;
    options.collection = collection;
    options.embedder = embedder;
    if (whole) options.scopes = {"d"};
    auto begun = Ingestor::Begin(*database_, embedders_, options, CancelToken(), nullptr);
    if (!begun.ok()) return begun.status();
    for (const auto& [number, text] : texts) {
      Document document;
      document.id = document.uri = document.external_id = "d/" + std::to_string(number);
      document.media_type = MediaType::kText;
      document.bytes = text;
      if (absl::Status status = (*begun)->Add(std::move(document)); !status.ok()) return status;
    }
    return (*begun)->Finish().status();
  }
  void MakeDocs(int count) {
    for (int i = 0; i < count; ++i) texts_[i] = Text(i);
    ASSERT_TRUE(Ingest("docs", texts_, true, kOld).ok());
    const AliasMove move{.alias = "live", .collection = "docs"};
    ASSERT_TRUE(database_->MoveAliases(Principal(), std::span(&move, 1)).ok());
  }

  MigrationRequest Request(const std::string& collection = "live") {
    MigrationRequest request;
    request.collection = collection;
    request.field = "embedding";
    request.embedder = kNew;
    request.comparison.queries = {{"q1", "whales and rivers"}, {"q2", "engines"}};
    return request;
  }
  // Cancelled at the `calls`-th question whether it is.
  static CancelToken CancelledAfter(std::shared_ptr<std::atomic<int>> calls) {
    return CancelToken(absl::InfiniteFuture(), [calls] { return --*calls < 0; });
  }

  std::shared_ptr<Collection> Get(const std::string& name) {
    auto collection = database_->GetCollection(Principal(), name);
    EXPECT_TRUE(collection.ok()) << name << ": " << collection.status();
    return collection.value_or(nullptr);
  }
  std::string Leads(const std::string& alias = "live") { return Get(alias)->info().name; }

  // What a collection holds: point → payload and access; each vector is the field's embedder's of the chunk's text.
  std::map<std::string, std::string> Points(const std::string& name, const std::string& embedder) {
    const auto collection = Get(name);
    SearchRequest request;
    request.query.node = AllLeaf{};
    request.limit = 10'000;
    request.projection.provenance = true;
    request.projection.vectors = true;
    const auto response = collection->Search(request);
    EXPECT_TRUE(response.ok()) << response.status();
    const auto made = embedders_.Create(embedder).value();
    std::map<std::string, std::string> points;
    for (const PointHit& hit : response->hits) {
      points[hit.id.ToString()] = hit.payload;
      const auto provenance = DecodeProvenance(hit.provenance);
      if (!provenance.ok()) continue;
      EXPECT_EQ(provenance->embedder, made->id()) << name << " " << hit.id.ToString();
      EXPECT_EQ(hit.vectors.at("embedding").size(), made->dim());
      EXPECT_TRUE(collection->store().GetArtifact(collection->id(), provenance->source_hash).ok());
    }
    return points;
  }
  MigrationRecord Only() {
    const auto records = NewMigrator().List(Principal()).value();
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? MigrationRecord() : records.front();
  }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  EmbedderRegistry embedders_{ModelServerOptions()};
  std::map<int, std::string> texts_;
};

TEST_F(MigrationTest, AliasesMoveToTheSamePointsUnderTheNewEmbedder) {
  MakeDocs(20);
  const auto before = Points("docs", kOld);
  const Version version = Get("docs")->Stats().version;
  const auto estimate = NewMigrator().Estimate(Request());
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->estimate.points, 20u);
  EXPECT_EQ(estimate->estimate.texts, 20u);
  EXPECT_EQ(estimate->estimate.vector_bytes, 20u * 128 * 4);
  EXPECT_GT(estimate->estimate.tokens, 20u * 5);
  EXPECT_EQ(estimate->estimate.calls, 0u);
  EXPECT_THAT(NewMigrator().List(Principal()).value(), IsEmpty());  // it changed nothing

  const auto report = NewMigrator().Migrate(Request(), nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rows, 20u);
  EXPECT_EQ(report->record.comparison.questions, 2u);
  EXPECT_EQ(Only().state, MigrationState::kDone);
  EXPECT_THAT(Only().aliases, ElementsAre("live"));
  EXPECT_EQ(Only().source_version, version.value);
  EXPECT_EQ(Leads(), "docs-e2");
  EXPECT_EQ(Points("live", kNew), before);
  EXPECT_EQ(Points("docs", kOld), before);  // as it was
  // Ingestion goes on at the alias, where the same documents are unchanged.
  const Version now = Get("live")->Stats().version;
  ASSERT_TRUE(Ingest("live", texts_, true).ok());
  EXPECT_EQ(Get("live")->Stats().version, now);
  // Who still holds the old collection cannot write there any more.
  const absl::Status late = Ingest("docs", {{99, Text(99)}});
  EXPECT_TRUE(absl::IsFailedPrecondition(late)) << late;
  EXPECT_THAT(std::string(late.message()), HasSubstr("docs-e2"));
}

TEST_F(MigrationTest, TrainedEmbeddersAreTrainedForTheCopy) {
  MakeDocs(20);
  MigrationRequest request = Request();
  request.embedder = "builtin/lsa?dim=8";
  const auto report = NewMigrator().Migrate(request, nullptr);
  ASSERT_TRUE(report.ok()) << report.status();
  const auto live = Get("live");
  const auto embedder = embedders_.Resolve(*live, 0, live->Stats().version);
  ASSERT_TRUE(embedder.ok()) << embedder.status();
  EXPECT_THAT((*embedder)->id(), HasSubstr("builtin/lsa?dim=8#"));
}

TEST_F(MigrationTest, CutAtAnyMomentItGoesOn) {
  MakeDocs(600);  // three batches
  const auto before = Points("docs", kOld);
  int cuts = 0;
  for (int allowed = 0;; allowed += 1 + allowed / 20) {
    ASSERT_LT(allowed, 10'000);
    MigrationRequest request = Request();
    request.cancel = CancelledAfter(std::make_shared<std::atomic<int>>(allowed));
    const auto report = NewMigrator().Migrate(request, nullptr);
    if (report.ok()) break;
    ASSERT_TRUE(absl::IsCancelled(report.status())) << report.status();
    ++cuts;
    EXPECT_EQ(Leads(), "docs");  // readers see the whole old one
    EXPECT_EQ(Get("live")->Count(std::nullopt, {}, Principal()).value(), 600u);
    Open();  // nothing is remembered but what is in the store
    // What was written meanwhile is caught up with: changed, gone, new.
    if (cuts % 3 == 0) {
      texts_.erase(cuts);
      texts_[cuts + 1] = Text(cuts + 1000);
      texts_[1000 + cuts] = Text(cuts);
      ASSERT_TRUE(Ingest("live", texts_, true).ok());
    }
  }
  EXPECT_GT(cuts, 5);
  EXPECT_EQ(Leads(), "docs-e2");
  EXPECT_NE(Points("live", kNew), before);
  EXPECT_EQ(Points("live", kNew), Points("docs", kOld));
  EXPECT_EQ(Get("live")->Count(std::nullopt, {}, Principal()).value(), texts_.size());
}

TEST_F(MigrationTest, CutWhileSwitchingItGoesOn) {
  MakeDocs(10);
  MigrationRequest request = Request();
  request.switch_over = false;
  ASSERT_TRUE(NewMigrator().Migrate(request, nullptr).ok());
  EXPECT_EQ(Only().state, MigrationState::kReady);
  EXPECT_EQ(Leads(), "docs");
  MigrationRecord record = Only();
  record.state = MigrationState::kSwitching;
  record.aliases = {"live"};
  // Killed after the record was written; after the fence was set; after the aliases were moved.
  for (const int step : {0, 1, 2}) {
    SCOPED_TRACE(step);
    ASSERT_TRUE(MigrationStore(database_->store().catalog()).Put(Principal().tenant, record).ok());
    if (step >= 1) {
      const auto docs = Get("docs");
      const auto copy = Get("docs-e2");
      const CollectionState state = database_->store().GetState(copy->id()).value();
      WriteRequest fence;
      fence.documents = {{std::string(kFenceDocument), "moving"},
                         {std::string(kCopyDocument), EncodeCopyProgress({"docs-e2", state.latest, state.rows})}};
      ASSERT_TRUE(docs->Write(fence).ok());
      EXPECT_TRUE(absl::IsFailedPrecondition(Ingest("docs", {{7, "late"}})));
    }
    if (step == 2) {
      const AliasMove move{.alias = "live", .collection = "docs-e2"};
      ASSERT_TRUE(database_->MoveAliases(Principal(), std::span(&move, 1)).ok());
      WriteRequest lift;
      lift.documents = {{std::string(kFenceDocument), std::nullopt}};
      ASSERT_TRUE(Get("docs-e2")->Write(lift).ok());
      ASSERT_TRUE(Ingest("live", {{500, Text(500)}}).ok());  // and written to since
    }
    Open();
    const auto report = NewMigrator().Migrate(Request(), nullptr);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(Leads(), "docs-e2");
    EXPECT_EQ(Only().state, MigrationState::kDone);
    const auto back = NewMigrator().RollBack("live", Principal(), CancelToken(), nullptr);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->rows, step == 2 ? 1u : 0u);
    EXPECT_EQ(Leads(), "docs");
    EXPECT_EQ(Points("docs", kOld), Points("docs-e2", kNew));
  }
}

TEST_F(MigrationTest, RollbackTakesWhatWasWrittenSinceAndCanBeTakenBack) {
  MakeDocs(10);
  ASSERT_TRUE(NewMigrator().Migrate(Request(), nullptr).ok());
  texts_.erase(3);
  texts_[4] = Text(44);
  texts_[50] = Text(50);
  ASSERT_TRUE(Ingest("live", texts_, true).ok());
  const auto back = NewMigrator().RollBack("live", Principal(), CancelToken(), nullptr);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->rows, 2u);  // nothing else is embedded again
  EXPECT_EQ(Leads(), "docs");
  EXPECT_EQ(Points("live", kOld), Points("docs-e2", kNew));
  EXPECT_EQ(Get("live")->Count(std::nullopt, {}, Principal()).value(), texts_.size());
  texts_[60] = Text(60);
  ASSERT_TRUE(Ingest("live", texts_, true).ok());  // it takes writes again
  EXPECT_TRUE(absl::IsFailedPrecondition(NewMigrator().RollBack("live", Principal(), CancelToken(), nullptr).status()));
  const auto again = NewMigrator().Migrate(Request(), nullptr);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->rows, 1u);
  EXPECT_EQ(Leads(), "docs-e2");
  EXPECT_EQ(Points("live", kNew), Points("docs", kOld));
}

TEST_F(MigrationTest, TheGateRefuses) {
  MakeDocs(20);
  MigrationRequest request = Request();
  request.comparison.queries.clear();
  absl::Status status = NewMigrator().Migrate(request, nullptr).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no question"));
  request = Request();
  request.comparison.qrels = {{"q1", {{"d/0", 1}}}};
  request.min_ndcg_ratio = 1000;
  status = NewMigrator().Migrate(request, nullptr).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("nDCG@10 of 1 judged"));
  EXPECT_GT(Only().comparison.ndcg_old, 0);
  request.min_ndcg_ratio = 0;
  request.min_overlap = 1.1;
  status = NewMigrator().Migrate(request, nullptr).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("overlap@10"));
  EXPECT_EQ(Only().state, MigrationState::kRefused);
  EXPECT_EQ(Leads(), "docs");
  ASSERT_TRUE(Ingest("live", {{77, Text(77)}}).ok());  // nothing was fenced
  request.min_overlap = 0;
  ASSERT_TRUE(NewMigrator().Migrate(request, nullptr).ok());
  EXPECT_EQ(Leads(), "docs-e2");
}

TEST_F(MigrationTest, DocumentsThatComeMeanwhileAreThere) {
  MakeDocs(300);
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::thread writer([&] {
    for (int i = 2'000; !stop; ++i) {
      const absl::Status status = Ingest("live", {{i, Text(i)}});
      // A run that began before the switch is refused by the fence, and begins again at the alias.
      if (status.ok()) {
        ++written;
      } else if (!absl::IsFailedPrecondition(status)) {
        ADD_FAILURE() << status;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto report = NewMigrator().Migrate(Request(), nullptr);
  while (written < 3) std::this_thread::yield();
  stop = true;
  writer.join();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Leads(), "docs-e2");
  EXPECT_EQ(Get("live")->Count(std::nullopt, {}, Principal()).value(), 300u + written);
  Points("live", kNew);  // each embedded by the new one
}

TEST_F(MigrationTest, MistakesAreNamed) {
  MakeDocs(5);
  const auto fails = [&](MigrationRequest request, absl::StatusCode code, const std::string& what) {
    const absl::Status status = NewMigrator().Migrate(request, nullptr).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  };
  MigrationRequest request = Request("nothing");
  fails(request, absl::StatusCode::kNotFound, "nothing");
  request = Request();
  request.field = "vector";
  fails(request, absl::StatusCode::kInvalidArgument, "no dense field \"vector\"");
  request = Request();
  request.embedder = "builtin/magic";
  fails(request, absl::StatusCode::kInvalidArgument, "unknown kind");
  request.embedder = kOld;
  fails(request, absl::StatusCode::kFailedPrecondition, "already");
  const AliasMove gone{.alias = "live", .collection = ""};
  ASSERT_TRUE(database_->MoveAliases(Principal(), std::span(&gone, 1)).ok());
  fails(Request("docs"), absl::StatusCode::kFailedPrecondition, "vouch alias set docs-live=docs");
  EXPECT_THAT(NewMigrator().List(Principal()).value(), IsEmpty());
  // A point that a user wrote with a vector of its own cannot be embedded.
  WriteRequest write;
  PointInput own;
  own.id = PointId::FromString("own").value();
  own.vectors = {{"embedding", std::vector<float>(64, 1)}};
  write.upserts.push_back(own);
  ASSERT_TRUE(Get("docs")->Write(write).ok());
  fails(Request("docs"), absl::StatusCode::kFailedPrecondition, "point own");
}

TEST_F(MigrationTest, CancelDropsTheCopyAlone) {
  MakeDocs(5);
  MigrationRequest request = Request();
  request.switch_over = false;
  ASSERT_TRUE(NewMigrator().Migrate(request, nullptr).ok());
  request.embedder = "builtin/hash?dim=32";
  EXPECT_THAT(std::string(NewMigrator().Migrate(request, nullptr).status().message()), HasSubstr("vouch migrate cancel docs"));
  ASSERT_TRUE(NewMigrator().Cancel("live", Principal()).ok());
  EXPECT_TRUE(absl::IsNotFound(database_->GetCollection(Principal(), "docs-e2").status()));
  EXPECT_THAT(NewMigrator().List(Principal()).value(), IsEmpty());
  request.switch_over = true;
  ASSERT_TRUE(NewMigrator().Migrate(request, nullptr).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(NewMigrator().Cancel("docs", Principal()).status()));
  EXPECT_EQ(Leads(), "docs-e2");
}

TEST(SpaceComparisonTest, OverlapAndRankAgreement) {
  const std::map<std::string, double> a = {{"a", 4}, {"b", 3}, {"c", 2}, {"d", 1}};
  const std::map<std::string, double> turned = {{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}};
  const std::map<std::string, double> other = {{"a", 9}, {"x", 8}, {"b", 7}};
  EXPECT_EQ(OverlapAt(4, a, turned), 1);
  EXPECT_EQ(OverlapAt(1, a, turned), 0);
  EXPECT_EQ(OverlapAt(2, a, other), 0.5);
  EXPECT_EQ(OverlapAt(4, a, other), 0.5);
  EXPECT_EQ(OverlapAt(4, other, a), 0.5);
  EXPECT_EQ(OverlapAt(4, {}, {}), 1);
  EXPECT_EQ(OverlapAt(4, a, {}), 0);
  EXPECT_EQ(RankAgreement(a, a), 1);
  EXPECT_EQ(RankAgreement(a, turned), -1);
  EXPECT_EQ(RankAgreement(a, other), 1);
  EXPECT_EQ(RankAgreement(a, {{"a", 2}, {"c", 3}, {"b", 1}}), -1.0 / 3);
}

TEST(MigrationRecordTest, KeptAndReadBackTheSame) {
  MigrationRecord record;
  record.source = "docs";
  record.target = "docs-e2";
  record.state = MigrationState::kRollingBack;
  record.aliases = {"a", "b"};
  record.comparison.overlap = 0.1;
  record.source_version = 7;
  const std::string json = EncodeMigrations({record, record});
  EXPECT_THAT(DecodeMigrations(json).value(), ElementsAre(record, record));
  for (size_t size = 0; size < json.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeMigrations(json.substr(0, size)).status())) << size;
  }
  // The formats, byte for byte.
  EXPECT_EQ(EncodeMigrations({}), R"({"format":1,"migrations":[]})");
  EXPECT_EQ(EncodeCopyProgress({"docs", Version(3), 9}), R"({"format":1,"source":"docs","synced":3,"next_row":9})");
  EXPECT_EQ(DecodeCopyProgress(R"({"format":1,"source":"docs","synced":3,"next_row":9})").value(),
            (CopyProgress{"docs", Version(3), 9}));
  EXPECT_TRUE(absl::IsDataLoss(DecodeCopyProgress(R"({"format":2,"source":"docs","synced":3,"next_row":9})").status()));
}

}  // namespace
}  // namespace vouch
