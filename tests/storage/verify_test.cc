#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/coding.h"
#include "storage/audit_table.h"
#include "storage/evaluation_records.h"
#include "storage/journal.h"
#include "storage/commit_codec.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"
#include "storage/row_codec.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The store of all tests holds one collection, number 1 of tenant number 1, in three commits:
//   1 "req-1": rows 0 (a), 1 (b), 2 (c), an artifact and a document
//   2:         row 3 (a again, so that row 0 is retired), deletes b (row 1 is retired)
//   3:         row 4 (d, without a vector)
// tag "release" names version 2; there is one setting and one answer.
const TenantNumber kVerifyTenant(1);
const CollectionId kVerifyCollection(1);

std::string VerifyPrefix() { return CollectionPrefix(kVerifyTenant, kVerifyCollection); }

PointId Id(std::string_view text) { return *PointId::FromString(text); }

RowInput Row(std::string_view id, std::vector<float> vector) {
  RowInput row;
  row.id = Id(id);
  row.vectors = {std::move(vector)};
  row.payload = R"({"k":1})";
  return row;
}

CollectionSchema Schema() {
  CollectionSchema schema;
  DenseField field;
  field.name = "v";
  field.dim = 2;
  schema.dense.push_back(field);
  return schema;
}

void CommitAll(Store& store) {
  CommitRequest first;
  first.collection = kVerifyCollection;
  first.time_us = 100;
  first.request_id = "req-1";
  first.upserts = {Row("a", {1, 0}), Row("b", {0, 1}), Row("c", {1, 1})};
  first.documents = {{"doc", "text"}};
  first.artifacts = {{ContentHash("bytes"), "bytes"}};
  ASSERT_TRUE(store.commit_log().Commit(first).ok());
  CommitRequest second;
  second.collection = kVerifyCollection;
  second.time_us = 200;
  second.upserts = {Row("a", {0, 2})};
  second.deletes = {Id("b")};
  ASSERT_TRUE(store.commit_log().Commit(second).ok());
  CommitRequest third;
  third.collection = kVerifyCollection;
  third.time_us = 300;
  third.upserts = {Row("d", {})};
  ASSERT_TRUE(store.commit_log().Commit(third).ok());
}

StoreOptions Options(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.block_cache_bytes = size_t{1} << 20;
  options.write_buffer_bytes = size_t{1} << 20;
  return options;
}

void MakeStore(const std::string& path) {
  auto store = Store::Open(Options(path));
  ASSERT_TRUE(store.ok()) << store.status();
  auto info = (*store)->catalog().CreateCollection("acme", "docs", Schema(), 50);
  ASSERT_TRUE(info.ok()) << info.status();
  ASSERT_EQ(info->id, kVerifyCollection);
  CommitAll(**store);
  ASSERT_TRUE((*store)->catalog().CreateTag(kVerifyCollection, "release", Version(2), 400).ok());
  ASSERT_TRUE((*store)->catalog().PutSetting(kVerifyCollection, "model", "m").ok());
  ASSERT_TRUE((*store)->catalog().PutTenantSetting("acme", "spent", "{}").ok());
  ASSERT_TRUE((*store)->PutAnswer("acme", "answer-1", "{}").ok());
  ASSERT_TRUE((*store)->PutAnswer("acme", "answer-1", R"({"again":true})").ok());
  const std::vector<NamedRecord> records = {{"run/1", "{}"}};
  ASSERT_TRUE(EvaluationRecords::Of(**store).PutEvaluationRecords("acme", records, true).ok());
  const AuditDraft draft{.time_us = 1, .actor = "acme/a", .action = "promote", .subject = "p"};
  ASSERT_TRUE(Journal::Of(**store)
                  .Commit("acme", {.records = {{"hook/a", "{}"}}, .entries = {draft, draft, draft}})
                  .ok());
}

// Writes past all of the store's checks.
class Raw {
 public:
  explicit Raw(Rocks& rocks) : rocks_(rocks) {}
  void Put(Family family, const std::string& key, const std::string& value) {
    batch_.Put(rocks_.handle(family), key, value);
  }
  void Delete(Family family, const std::string& key) { batch_.Delete(rocks_.handle(family), key); }
  std::string Get(Family family, const std::string& key) { return *rocks_.Get(family, key).value(); }
  absl::Status Write() { return rocks_.Write(batch_); }

  CommitHeader Header(uint64_t version) {
    return *DecodeCommitHeader(kVerifyCollection, Version(version),
                               Get(Family::kCommits, CommitKey(VerifyPrefix(), Version(version))));
  }
  void PutHeader(const CommitHeader& header) {
    Put(Family::kCommits, CommitKey(VerifyPrefix(), header.version), EncodeCommitHeader(kVerifyCollection, header));
  }
  void PutRow(uint64_t row, const RowInput& input, RowId previous) {
    std::string value = EncodeRow(input, input.id.Encode());
    FinishRow(value, kVerifyCollection, RowId(row), previous);
    Put(Family::kRows, RowKey(VerifyPrefix(), RowId(row)), value);
  }
  void PutVector(uint64_t row, uint16_t field, const std::vector<float>& vector) {
    std::string value = VectorHead(VectorType::kF32, vector.size());
    value.append(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
    Put(Family::kVectors, VectorKey(VerifyPrefix(), RowId(row), field), value);
  }
  void PutPoint(std::string_view id, uint64_t row, bool deleted) {
    Put(Family::kPoints, NamedKey(VerifyPrefix(), Id(id).Encode()), EncodePoint({RowId(row), deleted}));
  }

 private:
  Rocks& rocks_;
  rocksdb::WriteBatch batch_;
};

std::string Number(uint64_t number) {
  std::string value;
  PutBe64(value, number);
  return value;
}

absl::StatusOr<VerifyReport> CorruptAndVerify(const std::string& path,
                                              const std::function<void(Raw&)>& corrupt) {
  {
    RocksOptions options;
    options.path = path;
    options.write_buffer_bytes = size_t{1} << 20;
    auto rocks = Rocks::Open(options);
    if (!rocks.ok()) return rocks.status();
    Raw raw(**rocks);
    corrupt(raw);
    if (auto s = raw.Write(); !s.ok()) return s;
  }
  return VerifyStore(Options(path));
}

struct Damage {
  const char* name;
  std::function<void(Raw&)> corrupt;
  std::vector<std::string> problems;  // each is part of a problem, in order, and there are no others
};

std::vector<Damage> CommitDamages() {
  return {
      {"CommitMissing",
       [](Raw& raw) { raw.Delete(Family::kCommits, CommitKey(VerifyPrefix(), Version(2))); },
       {"commit 3 follows commit 1: version numbers are not dense, 2 is missing"}},
      {"CommitSealBroken",
       [](Raw& raw) { raw.Put(Family::kCommits, CommitKey(VerifyPrefix(), Version(3)), "garbage garbage"); },
       {"commit 3 of collection 1 is damaged"}},
      {"CommitKeyUnknown", [](Raw& raw) { raw.Put(Family::kCommits, VerifyPrefix() + "\x07", "x"); },
       {"is of no known kind"}},
      {"FirstRowWrong",
       [](Raw& raw) {
         CommitHeader header = raw.Header(3);
         header.first_row = RowId(5);
         header.row_count = 0;
         header.live_rows -= 1;
         raw.PutHeader(header);
       },
       {"commit 3: its first row is 5, but the commits before it end at row 4"}},
      {"RowCountTooLarge",
       [](Raw& raw) {
         CommitHeader header = raw.Header(3);
         header.row_count += 2;
         header.live_rows += 2;
         raw.PutHeader(header);
       },
       {"rows 5 to 6 are missing"}},
      {"LiveRowsWrong",
       [](Raw& raw) {
         CommitHeader header = raw.Header(3);
         header.live_rows = 9;
         raw.PutHeader(header);
       },
       {"commit 3: live_rows is 9, but the rows added and retired up to it leave 3"}},
      {"TimeRunsBack",
       [](Raw& raw) {
         CommitHeader header = raw.Header(3);
         header.time_us = 150;
         raw.PutHeader(header);
       },
       {"commit 3: its time 150 is before that of the commit before it, 200"}},
      {"RetiredTwice",
       [](Raw& raw) {
         CommitHeader header = raw.Header(3);
         header.retired = {RowId(1)};
         header.live_rows -= 1;
         raw.PutHeader(header);
       },
       {"commit 3 retires row 1, which commit 2 has retired already"}},
      {"RetiresNewerRow",
       [](Raw& raw) {
         CommitHeader header = raw.Header(3);
         header.retired = {RowId(7)};
         header.live_rows -= 1;
         raw.PutHeader(header);
         raw.Put(Family::kRetired, RowKey(VerifyPrefix(), RowId(7)), EncodeVersion(Version(3)));
       },
       {"commit 3 retires row 7, which is not older than it"}},
      {"RequestMissing", [](Raw& raw) { raw.Delete(Family::kCommits, RequestKey(VerifyPrefix(), "req-1")); },
       {"commit 1: its request id \"req-1\" has no entry"}},
      {"RequestOfMissingCommit",
       [](Raw& raw) { raw.Put(Family::kCommits, RequestKey(VerifyPrefix(), "r"), EncodeVersion(Version(9))); },
       {"request id \"r\" names commit 9, which is missing"}},
      {"RequestOfOtherCommit",
       [](Raw& raw) { raw.Put(Family::kCommits, RequestKey(VerifyPrefix(), "r"), EncodeVersion(Version(1))); },
       {"request id \"r\" names commit 1, which has the request id \"req-1\""}},
      {"RequestValueBad", [](Raw& raw) { raw.Put(Family::kCommits, RequestKey(VerifyPrefix(), "r"), "x"); },
       {"request id \"r\": a stored version has 1 bytes"}},
  };
}

std::vector<Damage> RowDamages() {
  return {
      {"RowMissing", [](Raw& raw) { raw.Delete(Family::kRows, RowKey(VerifyPrefix(), RowId(2))); },
       {"row 2 is missing", "vector 0 of row 2: there is no such row", "point c names row 2, which is missing"}},
      {"RowBeyondCommits",
       [](Raw& raw) {
         raw.PutRow(5, Row("e", {}), kNoRow);
         raw.PutPoint("e", 5, false);
       },
       {"row 5 belongs to no commit: the last one ends at row 5"}},
      {"RowSealBroken", [](Raw& raw) { raw.Put(Family::kRows, RowKey(VerifyPrefix(), RowId(2)), "garbage garbage"); },
       {"row 2 of collection 1 is damaged"}},
      {"RowUnderOthersKey",
       [](Raw& raw) {
         raw.Put(Family::kRows, RowKey(VerifyPrefix(), RowId(2)), raw.Get(Family::kRows, RowKey(VerifyPrefix(), RowId(4))));
       },
       {"row 2 of collection 1 is damaged: its checksum does not match"}},
      {"RowKeyBad", [](Raw& raw) { raw.Put(Family::kRows, VerifyPrefix() + "xy", "x"); },
       {"rows: not the key of a row"}},
      {"RowFieldsWrong",
       [](Raw& raw) {
         RowInput row = Row("d", {});
         row.vectors.resize(2);
         raw.PutRow(4, row, kNoRow);
       },
       {"row 4 has 2 vector fields; the schema has 1"}},
      {"PreviousNotOlder", [](Raw& raw) { raw.PutRow(4, Row("d", {}), RowId(4)); },
       {"row 4 has the previous row 4, which is not older than it"}},
      {"PreviousOfOtherPoint", [](Raw& raw) { raw.PutRow(3, Row("a", {0, 2}), RowId(1)); },
       {"row 3 has the previous row 1, which is of another point", "point b names row 1, which is not its latest row",
        "row 0 is the latest of its point, but `points` does not name it"}},
      {"PreviousNotRetired",
       [](Raw& raw) {
         raw.PutRow(4, Row("c", {}), RowId(2));
         raw.PutPoint("c", 4, false);
         raw.Delete(Family::kPoints, NamedKey(VerifyPrefix(), Id("d").Encode()));
       },
       {"row 4 replaces row 2, which no commit up to its own, 3, retires"}},
      {"PreviousShared",
       [](Raw& raw) {
         raw.PutRow(4, Row("a", {}), RowId(0));
         raw.PutPoint("a", 4, false);
         raw.Delete(Family::kPoints, NamedKey(VerifyPrefix(), Id("d").Encode()));
       },
       {"row 4 has the previous row 0, which is that of another row already",
        "row 3 is the latest of its point, but `points` does not name it"}},
      {"VectorMissing", [](Raw& raw) { raw.Delete(Family::kVectors, VectorKey(VerifyPrefix(), RowId(1), 0)); },
       {"vector 0 of row 1 is missing"}},
      {"VectorUnexpected", [](Raw& raw) { raw.PutVector(4, 0, {1, 2}); },
       {"vector 0 of row 4: the row says that it has no such vector"}},
      {"VectorOfNoRow", [](Raw& raw) { raw.PutVector(9, 0, {1, 2}); },
       {"vector 0 of row 9: there is no such row"}},
      {"VectorOfNoField", [](Raw& raw) { raw.PutVector(0, 7, {1, 2}); },
       {"vector 7 of row 0: the row says", "vector 7 of row 0: the schema has 1 dense fields"}},
      {"VectorDimWrong", [](Raw& raw) { raw.PutVector(0, 0, {1, 2, 3}); },
       {"vector 0 of row 0 has 3 dimensions; the field \"v\" has 2"}},
      {"VectorNotFinite",
       [](Raw& raw) { raw.PutVector(0, 0, {1, std::numeric_limits<float>::quiet_NaN()}); },
       {"vector 0 of row 0 is not finite at 1"}},
      {"VectorBad", [](Raw& raw) { raw.Put(Family::kVectors, VectorKey(VerifyPrefix(), RowId(0), 0), "xyz"); },
       {"vector 0 of row 0 is damaged"}},
      {"VectorKeyBad", [](Raw& raw) { raw.Put(Family::kVectors, VerifyPrefix() + "xy", "x"); },
       {"vectors: not the key of a vector"}},
  };
}

std::vector<Damage> PointDamages() {
  return {
      {"RetiredMissing", [](Raw& raw) { raw.Delete(Family::kRetired, RowKey(VerifyPrefix(), RowId(1))); },
       {"retired row 1: the header of commit 2 lists it, but `retired` has no entry"}},
      {"RetiredUnlisted",
       [](Raw& raw) { raw.Put(Family::kRetired, RowKey(VerifyPrefix(), RowId(4)), EncodeVersion(Version(3))); },
       {"retired row 4: commit 3 should have retired it, but no header lists it"}},
      {"RetiredAtOtherVersion",
       [](Raw& raw) { raw.Put(Family::kRetired, RowKey(VerifyPrefix(), RowId(1)), EncodeVersion(Version(3))); },
       {"retired row 1 is kept as retired by commit 3, but the header of commit 2 lists it"}},
      {"RetiredValueBad", [](Raw& raw) { raw.Put(Family::kRetired, RowKey(VerifyPrefix(), RowId(1)), "x"); },
       {"retired row 1: a stored version has 1 bytes"}},
      {"RetiredKeyBad", [](Raw& raw) { raw.Put(Family::kRetired, VerifyPrefix() + "xy", "x"); },
       {"retired: not the key of a row"}},
      {"PointMissing", [](Raw& raw) { raw.Delete(Family::kPoints, NamedKey(VerifyPrefix(), Id("c").Encode())); },
       {"row 2 is the latest of its point, but `points` does not name it"}},
      {"PointStale", [](Raw& raw) { raw.PutPoint("a", 0, true); },
       {"point a names row 0, which is not its latest row",
        "row 3 is the latest of its point, but `points` does not name it"}},
      {"PointOfOtherRow", [](Raw& raw) { raw.PutPoint("z", 2, false); },
       {"point z names row 2, which is of another point"}},
      {"PointOfNoRow", [](Raw& raw) { raw.PutPoint("z", 99, false); },
       {"point z names row 99, which is missing"}},
      {"PointDeletedButLive", [](Raw& raw) { raw.PutPoint("c", 2, true); },
       {"point c is kept as deleted, but its latest row, 2, is not retired"}},
      {"PointLiveButDeleted", [](Raw& raw) { raw.PutPoint("b", 1, false); },
       {"point b is kept as live, but its latest row, 1, is retired"}},
      {"PointIdBad",
       [](Raw& raw) { raw.Put(Family::kPoints, NamedKey(VerifyPrefix(), "\x09zz"), EncodePoint({RowId(0), false})); },
       {"points: not an encoded point id"}},
      {"PointValueBad",
       [](Raw& raw) { raw.Put(Family::kPoints, NamedKey(VerifyPrefix(), Id("z").Encode()), "x"); },
       {"point z: a point's entry is damaged"}},
  };
}

std::vector<Damage> OtherDamages() {
  const std::string stranger = CollectionPrefix(kVerifyTenant, CollectionId(77));
  return {
      {"ArtifactOtherBytes",
       [](Raw& raw) { raw.Put(Family::kArtifacts, NamedKey(VerifyPrefix(), ContentHash("bytes")), EncodeArtifact("other")); },
       {"is damaged: its bytes have another hash"}},
      {"ArtifactKeyBad",
       [](Raw& raw) { raw.Put(Family::kArtifacts, NamedKey(VerifyPrefix(), "nohash"), EncodeArtifact("x")); },
       {"artifact \"nohash\": its key is not a content hash"}},
      {"DocumentKeyEmpty", [](Raw& raw) { raw.Put(Family::kDocuments, VerifyPrefix(), "x"); },
       {"documents: a document key is empty"}},
      {"TagOfNoVersion",
       [](Raw& raw) { raw.Put(Family::kCatalog, TagKey(VerifyPrefix(), "next"), EncodeTag({"next", Version(8), 1})); },
       {"the tag \"next\" names version 8, which does not exist"}},
      {"TagBad", [](Raw& raw) { raw.Put(Family::kCatalog, TagKey(VerifyPrefix(), "next"), "x"); },
       {"the tag \"next\" is damaged"}},
      {"TagOfNoCollection",
       [=](Raw& raw) { raw.Put(Family::kCatalog, TagKey(stranger, "t"), EncodeTag({"t", Version(1), 1})); },
       {"the tag \"t\" is of collection 77, which is not in the catalog"}},
      {"SettingOfNoCollection", [=](Raw& raw) { raw.Put(Family::kCatalog, SettingKey(stranger, "s"), "x"); },
       {"the setting \"s\" is of collection 77, which is not in the catalog"}},
      {"CatalogKeyUnknown", [](Raw& raw) { raw.Put(Family::kCatalog, "\x7Fzz", "x"); },
       {"catalog: the key \"\\x7fzz\" is of no known kind"}},
      {"TenantBad", [](Raw& raw) { raw.Put(Family::kCatalog, TenantKey("evil"), "x"); },
       {"the number of tenant \"evil\" does not decode"}},
      {"TenantNumberTwice", [](Raw& raw) { raw.Put(Family::kCatalog, TenantKey("evil"), Number(1)); },
       {"tenant \"evil\" has the number 1, which another tenant has too"}},
      {"AliasBad", [](Raw& raw) { raw.Put(Family::kCatalog, AliasKey(kVerifyTenant, "live"), "x"); },
       {"alias \"live\" of tenant number 1: the alias \"live\" is damaged"}},
      {"AliasToNoCollection",
       [](Raw& raw) { raw.Put(Family::kCatalog, AliasKey(kVerifyTenant, "live"), EncodeAlias({"live", "gone", 1})); },
       {"alias \"live\" of tenant number 1 leads to \"gone\", which is not there"}},
      {"AliasWithACollectionsName",
       [](Raw& raw) { raw.Put(Family::kCatalog, AliasKey(kVerifyTenant, "docs"), EncodeAlias({"docs", "docs", 1})); },
       {"alias \"docs\" of tenant number 1: a collection has the same name"}},
      {"CollectionEntryBad",
       [](Raw& raw) { raw.Put(Family::kCatalog, CollectionKey(kVerifyTenant, "evil"), "garbage garbage"); },
       {"collection \"evil\" of tenant number 1: a collection's catalog entry is damaged"}},
      {"CollectionUnderOthersKey",
       [](Raw& raw) {
         raw.Put(Family::kCatalog, CollectionKey(kVerifyTenant, "evil"), raw.Get(Family::kCatalog, CollectionKey(kVerifyTenant, "docs")));
       },
       {"collection \"evil\" of tenant number 1: the entry is that of collection \"docs\"",
        "has the number 1, which another collection has too"}},
      {"CollectionCounterBehind", [](Raw& raw) { raw.Put(Family::kCatalog, NextCollectionKey(), Number(1)); },
       {"the next collection's number is 1, but collection 1 exists"}},
      {"TenantCounterBehind", [](Raw& raw) { raw.Put(Family::kCatalog, NextTenantKey(), Number(1)); },
       {"the next tenant's number is 1, but tenant 1 exists"}},
      {"CounterBad", [](Raw& raw) { raw.Put(Family::kCatalog, NextTenantKey(), "x"); },
       {"the counter of tenants does not decode", "the next tenant's number is 1"}},
      {"DataOfNoCollection",
       [=](Raw& raw) {
         raw.Put(Family::kRows, RowKey(stranger, RowId(0)), "x");
         raw.Put(Family::kRows, RowKey(stranger, RowId(1)), "x");
       },
       {"rows: there is data of collection 77 of tenant number 1, which is not in the catalog"}},
      {"KeyWithoutPrefix", [](Raw& raw) { raw.Put(Family::kDocuments, "abc", "x"); },
       {"documents: the key \"abc\" has no collection's prefix"}},
      {"AnswerBad", [](Raw& raw) { raw.Put(Family::kAnswers, AnswerKey(kVerifyTenant, "answer-1"), "x"); },
       {"the answer \"answer-1\" of tenant number 1 is damaged",
        "number 1, answer \"answer-1\": its record was changed: it is damaged",
        "number 2, answer \"answer-1\": its record was changed: it is damaged"}},
      {"AnswerMissing", [](Raw& raw) { raw.Put(Family::kAnswers, AnswerOrderKey(kVerifyTenant, 9), "nobody"); },
       {"names the answer \"nobody\", which is missing"}},
      {"AnswerNotInOrder", [](Raw& raw) { raw.Delete(Family::kAnswers, AnswerOrderKey(kVerifyTenant, 2)); },
       {"the answer \"answer-1\" of tenant number 1 is not in the order of answers",
        "the chain of tenant \"acme\", number 2, answer \"answer-1\": it was removed from the order"}},
      {"AnswerLinkMissing", [](Raw& raw) { raw.Delete(Family::kAnswers, AnswerLinkKey(kVerifyTenant, 1)); },
       {"the chain of tenant \"acme\", number 1, answer \"answer-1\": it was removed"}},
      {"AnswerOfNoTenant", [](Raw& raw) { raw.Put(Family::kAnswers, AnswerOrderKey(TenantNumber(5), 9), "x"); },
       {"is of tenant number 5, which is not in the catalog"}},
      {"AnswerKeyUnknown",
       [](Raw& raw) { raw.Put(Family::kAnswers, std::string("\0\0\0\x01\x09", 5), "x"); },
       {"answers: the key \"\\x00\\x00\\x00\\x01\\t\" is of no known kind"}},
      {"EvaluationBad", [](Raw& raw) { raw.Put(Family::kEvaluations, EvaluationKey(kVerifyTenant, "run/1"), "x"); },
       {"evaluations: tenant number 1: the evaluation record \"run/1\" is damaged"}},
      {"AuditEntryBad", [](Raw& raw) { raw.Put(Family::kAudit, AuditKey(kVerifyTenant, 2), "x"); },
       {"audit: tenant \"acme\": the chain breaks at entry 2"}},
      {"AuditEntryGone", [](Raw& raw) { raw.Delete(Family::kAudit, AuditKey(kVerifyTenant, 1)); },
       {"audit: tenant \"acme\": the chain breaks at entry 1"}},
      {"AuditEntryForged",
       [](Raw& raw) {
         // With a hash that fits itself, so that only the next entry tells.
         AuditEntry forged{.number = 2, .tenant = "acme", .previous = NoAuditHash()};
         raw.Put(Family::kAudit, AuditKey(kVerifyTenant, 2), EncodeAuditEntry(forged));
       },
       {"audit: tenant \"acme\": the chain breaks at entry 2"}},
      {"JournalRecordBad", [](Raw& raw) { raw.Put(Family::kAudit, JournalRecordKey(kVerifyTenant, "hook/a"), "x"); },
       {"the journal record \"hook/a\" is damaged"}},
      {"AuditOfNoTenant", [](Raw& raw) { raw.Put(Family::kAudit, AuditKey(TenantNumber(5), 1), "x"); },
       {"is of tenant number 5, which is not in the catalog"}},
      {"EvaluationOfNoTenant",
       [](Raw& raw) { raw.Put(Family::kEvaluations, EvaluationKey(TenantNumber(5), "run/1"), "x"); },
       {"is of tenant number 5, which is not in the catalog"}},
  };
}

// Each damage is done to a copy of one sound store.
void ExpectReported(const std::vector<Damage>& damages) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("sound")));
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    const std::string path = dir.File(damage.name);
    std::filesystem::copy(dir.File("sound"), path);
    auto report = CorruptAndVerify(path, damage.corrupt);
    ASSERT_TRUE(report.ok()) << report.status();
    std::vector<::testing::Matcher<std::string>> expected;
    for (const std::string& problem : damage.problems) expected.push_back(HasSubstr(problem));
    EXPECT_THAT(report->problems, ElementsAreArray(expected));
    std::filesystem::remove_all(path);
  }
}

TEST(VerifyTest, NamesDamageOfCommits) { ExpectReported(CommitDamages()); }
TEST(VerifyTest, NamesDamageOfRowsAndVectors) { ExpectReported(RowDamages()); }
TEST(VerifyTest, NamesDamageOfPointsAndRetiredRows) { ExpectReported(PointDamages()); }
TEST(VerifyTest, NamesDamageOfAllElse) { ExpectReported(OtherDamages()); }

TEST(VerifyTest, SoundStoreHasNoProblems) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("store")));
  auto report = VerifyStore(Options(dir.File("store")));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, IsEmpty());
  EXPECT_EQ(report->collections, 1u);
  EXPECT_EQ(report->commits, 3u);
  EXPECT_EQ(report->rows, 5u);
  EXPECT_EQ(report->vectors, 4u);
  EXPECT_EQ(report->artifacts, 1u);
}

TEST(VerifyTest, DroppedCollectionLeavesNothingToReport) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("store")));
  {
    auto store = Store::Open(Options(dir.File("store")));
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->catalog().DropCollection("acme", "docs").ok());
  }
  auto report = VerifyStore(Options(dir.File("store")));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, IsEmpty());
  EXPECT_EQ(report->collections, 0u);
  EXPECT_EQ(report->rows, 0u);
}

TEST(VerifyTest, ReportsADamagedBlockByFile) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("store")));
  std::string damaged;
  {
    RocksOptions options;
    options.path = dir.File("store");
    options.read_only = true;
    auto rocks = Rocks::Open(options);
    ASSERT_TRUE(rocks.ok()) << rocks.status();
    std::vector<rocksdb::LiveFileMetaData> files;
    (*rocks)->db().GetLiveFilesMetaData(&files);
    for (const auto& file : files) {
      if (file.column_family_name == "vectors") damaged = file.name;
    }
  }
  ASSERT_FALSE(damaged.empty());
  {
    // The first bytes of a data file are its first data block.
    std::fstream stream(dir.File("store") + damaged, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(4);
    const int byte = stream.get();
    stream.seekp(4);
    stream.put(static_cast<char>(byte ^ 0x40));
    ASSERT_TRUE(stream.good());
  }
  auto report = VerifyStore(Options(dir.File("store")));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, Contains(HasSubstr("file " + damaged + " of vectors: Corruption")));
  EXPECT_THAT(report->problems, Contains(HasSubstr("(acme/docs): cannot scan vectors")));
}

TEST(VerifyTest, TellsHowFarItIs) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("store")));
  {
    auto store = Store::Open(Options(dir.File("store")));
    ASSERT_TRUE(store.ok()) << store.status();
    CommitRequest request;
    request.collection = kVerifyCollection;
    for (int i = 0; i < 5'000; ++i) request.upserts.push_back(Row(absl::StrCat("p", i), {1, 1}));
    ASSERT_TRUE((*store)->commit_log().Commit(request).ok());
  }
  std::vector<uint64_t> rows;
  auto report = VerifyStore(Options(dir.File("store")),
                            [&](const VerifyReport& so_far) { rows.push_back(so_far.rows); });
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_THAT(rows, SizeIs(testing::Ge(3u))) << "rows, vectors and points, and their owners";
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
  EXPECT_EQ(rows.back(), report->rows);
}

TEST(VerifyTest, ListsAtMostAThousandProblems) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("store")));
  auto report = CorruptAndVerify(dir.File("store"), [](Raw& raw) {
    for (uint64_t row = 100; row < 1300; ++row) raw.PutVector(row, 0, {1, 2});
  });
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_THAT(report->problems, SizeIs(1000));
  EXPECT_THAT(report->problems.front(), HasSubstr("collection 1 (acme/docs): vector 0 of row 100"));
  EXPECT_THAT(report->problems.back(), HasSubstr("more problems"));
}

TEST(VerifyTest, ChangesNothing) {
  TempDir dir;
  ASSERT_NO_FATAL_FAILURE(MakeStore(dir.File("store")));
  const auto data_files = [&] {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(dir.File("store"))) {
      const std::string name = file.path().filename().string();
      if (name.rfind("LOG", 0) != 0) names.push_back(name + " " + std::to_string(file.file_size()));
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  const std::vector<std::string> before = data_files();
  ASSERT_TRUE(VerifyStore(Options(dir.File("store"))).ok());
  EXPECT_EQ(data_files(), before);
}

TEST(VerifyTest, NoStoreIsAnError) {
  TempDir dir;
  EXPECT_EQ(VerifyStore(Options(dir.File("store"))).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(dir.File("store")));
}

}  // namespace
}  // namespace vouch
