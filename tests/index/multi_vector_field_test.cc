// A multi-vector field through the whole of the index: commits, versions, merges, files and their damage.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/multi/max_sim.h"
#include "index/segment_format.h"
#include "tests/index/collection_model.h"
#include "tests/index/multi/naive_max_sim.h"
#include "tests/index/segment_data.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One field of each type, one of them by cosine.
CollectionSchema TokensSchema() {
  CollectionSchema schema;
  schema.multi_vector = {{.name = "f", .dim = 5, .metric = Metric::kCosine, .type = VectorType::kF32},
                         {.name = "h", .dim = 3, .metric = Metric::kInnerProduct, .type = VectorType::kF16},
                         {.name = "i", .dim = 2, .metric = Metric::kInnerProduct, .type = VectorType::kI8}};
  schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
  return schema;
}

class MultiVectorFieldTest : public testing::Test {
 protected:
  void Open(uint64_t seal_rows = 1'000'000) {
    index_.reset();
    IndexOptions options;
    options.directory = folder_.File("index");
    options.filesystem = &Filesystem::System();
    options.job_pool = &pool_;
    options.seal_rows = seal_rows;
    auto opened = model_.OpenIndex(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  void Commit(std::vector<RowInput> upserts, bool prepare = true) {
    auto [request, header] = model_.Commit(std::move(upserts), {});
    if (prepare) request.prepared = *index_->Prepare(request.upserts);
    index_->Apply(request, header);
  }
  // Small whole numbers, which all types have and whose ties are many; none of their tokens is zero.
  MultiVector Tokens(size_t field, size_t most) {
    MultiVector vector = {.dim = model_.schema().multi_vector[field].dim, .values = {}};
    for (uint64_t n = 1 + maker_.Below(most); n > 0; --n) {
      for (uint32_t d = 0; d < vector.dim; ++d) vector.values.push_back(static_cast<float>(maker_.Below(5)) - 2);
      if (vector.values[vector.values.size() - vector.dim] == 0) vector.values[vector.values.size() - vector.dim] = 1;
    }
    return vector;
  }
  static RowInput Row(uint64_t id, std::vector<MultiVector> tokens) {
    RowInput row;
    row.id = PointId(id);
    row.payload = absl::StrCat(R"({"year":)", id % 10, "}");
    row.multi_vectors = std::move(tokens);
    return row;
  }
  std::vector<RowInput> RandomRows(size_t count) {
    std::vector<RowInput> rows;
    for (uint64_t id = maker_.Below(200); rows.size() < count; ++id) {
      std::vector<MultiVector> tokens(3);
      for (size_t field = 0; field < 3; ++field) {
        if (maker_.Below(5) == 0) continue;
        tokens[field] = Tokens(field, 6);
        NormalizeTokens(model_.schema().multi_vector[field].metric, tokens[field]);
      }
      rows.push_back(Row(id, std::move(tokens)));
    }
    return rows;
  }
  // All fields at a version, filtered or not, against the definition.
  void Check(Version at) {
    const bool filtered = maker_.Below(2) == 0;
    const Filter filter = {.op = FilterOp::kLt, .path = "year", .values = {int64_t{3}}, .children = {}};
    const IndexReader reader = index_->Read(at, model_.rows_at(at));
    const auto mask = reader.MakeMask(filtered ? &filter : nullptr, {}, CancelToken());
    ASSERT_TRUE(mask.ok()) << mask.status();
    for (int field = 0; field < 3; ++field) {
      const MultiVector query = Tokens(static_cast<size_t>(field), 5);
      MultiVector prepared = query;
      NormalizeTokens(model_.schema().multi_vector[static_cast<size_t>(field)].metric, prepared);
      std::vector<Hit> wanted;
      std::vector<RowId> rows;
      std::vector<std::optional<float>> scores;
      for (uint64_t row = 0; row < model_.rows_at(at); ++row) {
        const MultiVector& document = model_.row(row).input.multi_vectors[static_cast<size_t>(field)];
        rows.push_back(RowId(row));
        scores.emplace_back();
        if (document.empty()) continue;
        scores.back() = NaiveMaxSim(prepared, document);
        const bool allowed = !filtered || model_.row(row).input.id.number() % 10 < 3;
        if (allowed && model_.Visible(row, at)) wanted.push_back({RowId(row), *scores.back()});
      }
      std::sort(wanted.begin(), wanted.end());
      if (wanted.size() > 15) wanted.resize(15);
      const auto hits = reader.SearchMultiVector(field, query, 15, *mask, CancelToken(), nullptr);
      ASSERT_TRUE(hits.ok()) << hits.status();
      ASSERT_EQ(*hits, wanted) << "version " << at.value << ", field " << field;
      const auto scored = reader.ScoreMultiVector(field, query, rows, CancelToken(), nullptr);
      ASSERT_TRUE(scored.ok()) << scored.status();
      ASSERT_EQ(*scored, scores);
      if (hits->empty()) continue;
      double sum = 0;
      const auto matches = reader.ExplainMultiVector(field, query, hits->front().row);
      ASSERT_TRUE(matches.ok()) << matches.status();
      for (const TokenMatch& match : *matches) sum += double{match.score};
      ASSERT_EQ(static_cast<float>(sum), hits->front().score);
    }
  }
  std::string File() const {
    std::string found;
    for (const auto& file : std::filesystem::directory_iterator(folder_.File("index"))) {
      if (file.path().extension() == ".segment") found = file.path().string();
    }
    return found;
  }
  // In place: the file stays the one that is mapped.
  static void FlipBytes(const std::string& path, uint64_t begin, uint64_t end) {
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    for (uint64_t at = begin; at < end; ++at) {
      stream.seekg(static_cast<std::streamoff>(at));
      const int byte = stream.get();
      stream.seekp(static_cast<std::streamoff>(at));
      stream.put(static_cast<char>(byte ^ 4));
    }
  }

  TempDir folder_;
  JobPool pool_{1};
  RowMaker maker_{22};
  CollectionModel model_{TokensSchema()};
  std::unique_ptr<CollectionIndex> index_;
};

TEST_F(MultiVectorFieldTest, AnswersByTheDefinitionAtEveryVersion) {
  Open(400);
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    Commit(RandomRows(1 + maker_.Below(60)), maker_.Below(3) != 0);
    for (int i = 0; i < 3; ++i) {
      ASSERT_NO_FATAL_FAILURE(
          Check(maker_.Below(2) == 0 ? model_.latest() : Version(maker_.Below(round + 2))));
    }
    if (round == 30) {
      ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
    }
    if (round % 20 == 15) Open(400);
  }
}

TEST_F(MultiVectorFieldTest, TokensThatAreDamagedWhileTheyAreMappedAreReadFromTheRowsAndWrittenAnew) {
  Open();
  for (int i = 0; i < 5; ++i) Commit(RandomRows(100));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const MemoryAccount memory = index_->Status().memory;
  EXPECT_EQ(memory.vectors, 0u);
  EXPECT_GT(memory.mapped_vectors, 0u);
  const std::vector<std::string> ids = index_->Read(model_.latest(), model_.rows()).BuildIds();
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  EXPECT_EQ(index_->Read(model_.latest(), model_.rows()).BuildIds(), ids);
  ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
  const std::string damaged = File();
  FlipBytes(damaged, std::filesystem::file_size(damaged) - memory.mapped_vectors, std::filesystem::file_size(damaged));
  for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
  EXPECT_NE(File(), damaged);
  EXPECT_EQ(index_->Read(model_.latest(), model_.rows()).BuildIds(), ids);
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 0u);
  ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
}

TEST_F(MultiVectorFieldTest, AFileOfAnotherHistoryIsNotUsed) {
  const MultiVector one = {.dim = 2, .values = {1, 1}};
  Open();
  Commit({Row(1, {{}, {}, one}), Row(2, {{}, {}, one})});
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  model_ = CollectionModel(TokensSchema());
  model_.Commit({Row(1, {{}, {}, one}), Row(2, {{}, {}, {.dim = 2, .values = {1, 2}}})}, {});
  Open();
  EXPECT_EQ(index_->Status().files_damaged, 1u);
  ASSERT_NO_FATAL_FAILURE(Check(model_.latest()));
}

TEST_F(MultiVectorFieldTest, QueriesAndRowsAreValidated) {
  Open();
  Commit({Row(1, {{}, {}, {.dim = 2, .values = {1, 2, 3, -1}}}), Row(2, {{}, {}, {}})});
  const IndexReader reader = index_->Read(model_.latest(), model_.rows());
  const RowMask mask = *reader.MakeMask(nullptr, {}, CancelToken());
  const auto error = [&](int field, const MultiVector& query) {
    const auto hits = reader.SearchMultiVector(field, query, 5, mask, CancelToken(), nullptr);
    EXPECT_EQ(hits.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(hits.status().message());
  };
  EXPECT_THAT(error(3, {}), HasSubstr("multi-vector field 3 of 3"));
  EXPECT_THAT(error(2, {}), HasSubstr("no token vectors"));
  EXPECT_THAT(error(2, {.dim = 3, .values = {1, 2, 3}}), HasSubstr("3 dimensions, the field has 2"));
  EXPECT_THAT(error(0, {.dim = 5, .values = {0, 0, 0, 0, 0}}), HasSubstr("a zero vector has no direction"));
  // A query need not be of the field's type.
  SearchStats stats;
  const auto hits =
      reader.SearchMultiVector(2, {.dim = 2, .values = {0.5f, 0, 0, 1}}, 5, mask, CancelToken(), &stats);
  ASSERT_TRUE(hits.ok()) << hits.status();
  EXPECT_THAT(*hits, ElementsAre(Hit{RowId(0), 3.5f}));
  EXPECT_EQ(stats.plan, "MaxSim of 2 tokens, exact on 1 segment");
  EXPECT_EQ(stats.rows_visited, 1u) << "of two, one has tokens";
  EXPECT_EQ(stats.distances, 4u);
  EXPECT_THAT(*reader.ExplainMultiVector(2, {.dim = 2, .values = {1, 0}}, RowId(1)), IsEmpty());
  EXPECT_FALSE(reader.HasMultiVector(2, RowId(1)));
  EXPECT_FALSE(reader.HasMultiVector(2, RowId(7)));
  const auto prepared = index_->Prepare(std::vector<RowInput>{Row(3, {{}, {}, {.dim = 2, .values = {0.5f, 1}}})});
  EXPECT_THAT(std::string(prepared.status().message()), HasSubstr("point 3: field 'i': token 0"));
}

TEST_F(MultiVectorFieldTest, ASearchStopsWhenItIsCancelled) {
  Open();
  const MultiVector large = {.dim = 5, .values = std::vector<float>(5 * Limits::kMaxTokens, 1)};
  std::vector<RowInput> rows;
  for (uint64_t id = 0; id < 40; ++id) rows.push_back(Row(id, {large, {}, {}}));
  Commit(std::move(rows));
  const IndexReader reader = index_->Read(model_.latest(), model_.rows());
  const RowMask mask = *reader.MakeMask(nullptr, {}, CancelToken());
  int asked = 0;
  const CancelToken cancel(absl::InfiniteFuture(), [&] { return ++asked == 3; });
  MultiVector query = {.dim = 5, .values = std::vector<float>(5 * 256, 1)};
  const auto hits = reader.SearchMultiVector(0, query, 5, mask, cancel, nullptr);
  EXPECT_EQ(hits.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 3) << "before the segment, and twice within";
  asked = 1;
  const std::vector<RowId> candidates(40, RowId(3));
  EXPECT_EQ(reader.ScoreMultiVector(0, query, candidates, cancel, nullptr).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(MultiVectorSegmentFile, RoundTripsAndCarriesTheSchemasFieldsInItsFingerprint) {
  CollectionSchema schema = TokensSchema();
  const auto made = *IndexSchema::Create(schema);
  std::vector<RowInput> rows(3);
  for (size_t i = 0; i < 3; ++i) {
    rows[i].id = PointId(i);
    rows[i].payload = "{}";
    rows[i].multi_vectors.resize(3);
    if (i != 1) rows[i].multi_vectors[2] = {.dim = 2, .values = {1, -2, static_cast<float>(i), 3}};
  }
  const SegmentPtr fresh = *BuildFreshSegment(*made, RowId(7), rows, **IndexedRows::Prepare(*made, rows));
  const EncodedSegment encoded = EncodeSegment(*made, *fresh);
  EXPECT_EQ(encoded.vectors_begin, 4096u);
  EXPECT_EQ(encoded.size_bytes, 4096u + 64u) << "the other two fields' sections are empty";
  // Golden: the hash of all these bytes.
  EXPECT_EQ(encoded.build_id, "d0d988b1d31be1f648004ccbe8c92fa1");
  const std::string bytes = FileBytes(*made, *fresh);
  EXPECT_EQ(bytes.substr(4096, 8), std::string("\x01\xfe\x00\x03\x01\xfe\x02\x03", 8));
  const absl::StatusOr<Segment> decoded = Decode(*made, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(FileBytes(*made, *decoded), bytes);
  EXPECT_EQ(decoded->tokens[2].TokensOf(1), 0u);
  EXPECT_TRUE(decoded->tokens[2].Holds(2, rows[2].multi_vectors[2]));
  for (size_t size = 0; size < bytes.size(); size += 61) {
    EXPECT_FALSE(Decode(*made, bytes.substr(0, size)).ok()) << size;
  }
  schema.multi_vector[0].name = "renamed";
  EXPECT_TRUE(Decode(**IndexSchema::Create(schema), bytes).ok());
  schema.multi_vector[2].type = VectorType::kF32;
  EXPECT_EQ(Decode(**IndexSchema::Create(schema), bytes).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace vouch
