// Damage to each section of a segment file, and edges of collections: no rows, one row, equal vectors, the least and the
// largest dimension. Answers stay those of a fresh index over the same rows.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/segment_format.h"
#include "tests/index/collection_model.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using segment_format::SectionKind;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One field of each kind, and a payload field of each type.
CollectionSchema EverySection() {
  CollectionSchema schema = ModelSchema();
  schema.sparse.push_back({.name = "s"});
  schema.multi_vector.push_back(
      {.name = "m", .dim = 3, .metric = Metric::kInnerProduct, .type = VectorType::kF16});
  schema.payload = {{"year", PayloadType::kInteger}, {"lang", PayloadType::kKeyword}, {"score", PayloadType::kFloat},
                    {"done", PayloadType::kBool},    {"at", PayloadType::kDatetime},  {"place", PayloadType::kGeo},
                    {"title", PayloadType::kText}};
  return schema;
}

std::vector<RowInput> EveryRow(size_t count) {
  RowMaker maker(3);
  std::vector<RowInput> rows;
  for (uint64_t i = 0; i < count; ++i) {
    RowInput row = maker.Row();
    row.id = PointId(i);
    row.vectors = {maker.Vector(5), {}};
    row.vectors[1] = maker.Vector(3);
    NormalizeVector(row.vectors[1]);
    row.sparse = {{.indices = {static_cast<uint32_t>(i % 7), 9}, .values = {1, static_cast<float>(1 + i % 5)}}};
    row.multi_vectors = {{.dim = 3, .values = maker.Vector(3 * (1 + i % 4))}};
    row.payload.pop_back();
    absl::StrAppend(&row.payload, R"(,"score":)", static_cast<double>(i) / 8, R"(,"done":)", i % 2 == 0 ? "true" : "false",
                    R"(,"at":"2026-01-0)", 1 + i % 9, R"(","place":{"lat":)", i % 90, R"(,"lon":)", i % 180, "}}");
    rows.push_back(std::move(row));
  }
  return rows;
}

class DamagedSectionsTest : public testing::Test {
 protected:
  void Open(CollectionModel& model) {
    index_.reset();
    IndexOptions options;
    options.directory = folder_.File("index");
    options.filesystem = &Filesystem::System();
    options.job_pool = &pool_;
    options.seal_rows = 1'000'000;
    options.warn = [](const std::string& message) { std::cout << message << "\n"; };
    auto opened = model.OpenIndex(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  void Commit(CollectionModel& model, std::vector<RowInput> rows) {
    const auto [request, header] = model.Commit(std::move(rows), {});
    index_->Apply(request, header);
  }
  std::string File() const {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.File("index"))) {
      if (entry.path().extension() == ".segment") found = entry.path().string();
    }
    return found;
  }
  static std::string Contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void SetContents(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  struct Section {
    uint32_t kind = 0;
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  static std::vector<Section> SectionsOf(const std::string& bytes) {
    uint32_t count = 0;
    std::memcpy(&count, bytes.data() + 12, sizeof(count));
    std::vector<Section> sections(count);
    for (uint32_t i = 0; i < count; ++i) {
      const char* entry = bytes.data() + segment_format::kFixedHeaderBytes + i * segment_format::kSectionEntryBytes;
      std::memcpy(&sections[i].kind, entry, 4);
      std::memcpy(&sections[i].offset, entry + 8, 8);
      std::memcpy(&sections[i].length, entry + 16, 8);
    }
    return sections;
  }

  // Everything that can be asked, as one text.
  std::string Answers(const CollectionModel& model, bool exact) const {
    const IndexReader reader = index_->Read(model.latest(), model.rows());
    std::string out;
    const auto add = [&](const absl::StatusOr<std::vector<Hit>>& hits) {
      EXPECT_TRUE(hits.ok()) << hits.status();
      if (!hits.ok()) return;
      for (const Hit& hit : *hits) absl::StrAppend(&out, hit.row.value, ":", hit.score, " ");
      out += "\n";
    };
    std::vector<Filter> filters(1);
    filters.push_back({.op = FilterOp::kWithinRadius, .path = "place", .values = {20.0, 20.0, 4e6}});
    filters.push_back({.op = FilterOp::kMatch, .path = "title", .values = {std::string("w3")}});
    filters.push_back({.op = FilterOp::kGe, .path = "at", .values = {std::string("2026-01-05")}});
    filters.push_back({.op = FilterOp::kEq, .path = "done", .values = {true}});
    for (const Filter& filter : filters) {
      Principal who;
      who.groups = {"group-1"};
      const absl::StatusOr<RowMask> mask = reader.MakeMask(&filter, who, CancelToken());
      EXPECT_TRUE(mask.ok());
      const std::vector<float> a = {1, 2, 0, -1, 0.5f};
      const std::vector<float> b = {0.6f, 0.8f, 0};
      add(reader.SearchDense({.field = 0, .vector = a, .k = 10, .exact = exact}, *mask, CancelToken(), nullptr));
      add(reader.SearchDense({.field = 1, .vector = b, .k = 10, .exact = exact}, *mask, CancelToken(), nullptr));
      add(reader.SearchText(0, "w3 w17", 10, *mask, CancelToken(), nullptr));
      add(reader.SearchSparse(0, {.indices = {2, 9}, .values = {1, 1}}, 10, *mask, CancelToken(), nullptr));
      const MultiVector tokens = {.dim = 3, .values = {1, 2, 0, -1, 0.5f, 1}};
      add(reader.SearchMultiVector(0, tokens, 10, *mask, CancelToken(), nullptr));
      absl::StrAppend(&out, mask->allowed_count, "\n");
    }
    return out;
  }

  TempDir folder_;
  JobPool pool_{1};
  std::unique_ptr<CollectionIndex> index_;
};

TEST_F(DamagedSectionsTest, EachIsFoundCountedAnsweredExactlyAndWrittenAnew) {
  CollectionModel model(EverySection());
  Open(model);
  Commit(model, EveryRow(400));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const std::string whole = Contents(File());
  const std::string expected = Answers(model, true);
  std::set<uint32_t> kinds;
  for (const Section& section : SectionsOf(whole)) {
    kinds.insert(section.kind);
    SCOPED_TRACE(absl::StrCat("section of kind ", section.kind, " at ", section.offset));
    const bool vectors = segment_format::IsMapped(static_cast<SectionKind>(section.kind));
    for (const bool cut : {false, true}) {
      std::string damaged = whole;
      if (cut) {
        damaged.resize(section.offset + section.length / 2);
      } else {
        // All of the vectors, so that any search meets damage; elsewhere one bit.
        const uint64_t end = vectors ? section.offset + section.length : section.offset + section.length / 2 + 1;
        for (uint64_t at = section.offset + (vectors ? 0 : section.length / 2); at < end; ++at) damaged[at] ^= 0x10;
      }
      index_.reset();
      SetContents(File(), damaged);
      Open(model);
      if (!vectors) {
        EXPECT_EQ(index_->Status().files_damaged, 1u) << "at opening";
      }
      EXPECT_EQ(Answers(model, true), expected) << (cut ? "cut" : "flipped");
      EXPECT_EQ(index_->Status().files_damaged, 1u) << "at first touch";
      ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
      EXPECT_EQ(index_->Status().last_error, "");
      EXPECT_EQ(Answers(model, true), expected);
      Open(model);
      EXPECT_EQ(index_->Status().files_damaged, 0u) << "after it was written anew";
      EXPECT_TRUE(Contents(File()) == whole);
      EXPECT_EQ(Answers(model, true), expected);
    }
  }
  EXPECT_THAT(kinds, SizeIs(11)) << "every kind of section";
}

TEST_F(DamagedSectionsTest, AFileOfNoiseOrOfNothing) {
  CollectionModel model(EverySection());
  Open(model);
  Commit(model, EveryRow(100));
  ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
  const std::string expected = Answers(model, true);
  const std::string whole = Contents(File());
  for (const std::string& bytes : {std::string(), std::string(1, 'V'), std::string(whole.size(), '\0'),
                                   std::string(whole.size(), '\xff'), whole + "more"}) {
    index_.reset();
    SetContents(File(), bytes);
    Open(model);
    EXPECT_EQ(Answers(model, true), expected) << bytes.size();
    ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok());
    Open(model);
    EXPECT_EQ(index_->Status().files_damaged, 0u);
    EXPECT_TRUE(Contents(File()) == whole);
  }
}

class EdgesTest : public DamagedSectionsTest, public testing::WithParamInterface<std::tuple<uint32_t, DenseIndexKind>> {
 protected:
  static CollectionSchema OneField() {
    CollectionSchema schema;
    DenseField field;
    field.name = "v";
    field.dim = std::get<0>(GetParam());
    field.metric = Metric::kL2;
    field.index = std::get<1>(GetParam());
    field.hnsw = {.m = 4, .ef_construction = 20, .ef_search = 20};
    schema.dense.push_back(field);
    schema.payload.push_back({.path = "n", .type = PayloadType::kInteger});
    return schema;
  }
  static RowInput One(uint64_t id, float value) {
    RowInput row;
    row.id = PointId(id);
    row.vectors = {std::vector<float>(std::get<0>(GetParam()), value)};
    row.payload = absl::StrCat(R"({"n":)", id, "}");
    return row;
  }
  // Rows found, for k hits with the filter "n < below", by a walk and exactly.
  std::vector<uint64_t> Nearest(const CollectionModel& model, size_t k, int64_t below) const {
    const IndexReader reader = index_->Read(model.latest(), model.rows());
    const Filter filter{.op = FilterOp::kLt, .path = "n", .values = {below}};
    const RowMask mask = *reader.MakeMask(&filter, Principal(), CancelToken());
    const std::vector<float> zero(std::get<0>(GetParam()), 0.0f);
    const auto exact = reader.SearchDense({.field = 0, .vector = zero, .k = k, .exact = true}, mask, CancelToken(), nullptr);
    const auto walked = reader.SearchDense({.field = 0, .vector = zero, .k = k, .exact = false}, mask, CancelToken(), nullptr);
    EXPECT_TRUE(exact.ok() && walked.ok());
    EXPECT_EQ(*exact, *walked);
    std::vector<uint64_t> rows;
    for (const Hit& hit : *exact) rows.push_back(hit.row.value);
    return rows;
  }
};

TEST_P(EdgesTest, NoRowOneRowEqualRowsAndMoreHitsThanRows) {
  const size_t equal_rows = std::get<0>(GetParam()) > 1000 ? 60 : 700;
  CollectionModel model(OneField());
  Open(model);
  const auto sealed_too = [&](const std::function<void()>& check) {
    check();
    ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok());
    check();
    Open(model);
    EXPECT_EQ(index_->Status().files_damaged, 0u);
    check();
  };
  sealed_too([&] { EXPECT_THAT(Nearest(model, 10, 1000), IsEmpty()) << "no row"; });
  Commit(model, {One(0, 2)});
  sealed_too([&] {
    EXPECT_EQ(Nearest(model, 10, 1000), std::vector<uint64_t>{0});
    EXPECT_THAT(Nearest(model, 10, 0), IsEmpty()) << "a filter that allows nothing";
  });
  std::vector<RowInput> rows;
  for (uint64_t id = 1; id < equal_rows; ++id) rows.push_back(One(id, 2));
  Commit(model, std::move(rows));
  sealed_too([&] {
    EXPECT_EQ(Nearest(model, 5, 1000), (std::vector<uint64_t>{0, 1, 2, 3, 4})) << "ties by row";
    EXPECT_THAT(Nearest(model, 10 * equal_rows, 1000), SizeIs(equal_rows));
    EXPECT_THAT(Nearest(model, 5, 0), IsEmpty());
    EXPECT_THAT(Nearest(model, 5, 3), SizeIs(3));
  });
}

INSTANTIATE_TEST_SUITE_P(Dimensions, EdgesTest,
                         testing::Combine(testing::Values(1u, 2u, 4096u),
                                          testing::Values(DenseIndexKind::kFlat, DenseIndexKind::kHnsw)));

}  // namespace
}  // namespace vouch
