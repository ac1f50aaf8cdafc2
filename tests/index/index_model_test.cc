// Random commits, reads at all versions, optimising, reopening and damaged files, against the model.
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/collection_model.h"
#include "tests/index/faulty_filesystem.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

class IndexModel {
 public:
  explicit IndexModel(uint64_t seed) : maker_(seed) { Open(); }

  void Open() {
    index_.reset();
    IndexOptions options;
    options.directory = folder_.File("index");
    options.filesystem = &filesystem_;
    options.job_pool = &pool_;
    options.seal_rows = 60;
    options.max_segment_rows = 700;
    auto opened = model_.OpenIndex(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  void Commit() {
    std::vector<RowInput> rows = maker_.Rows(maker_.Below(3) == 0 ? maker_.Below(50) : 1);
    std::vector<PointId> deletes;
    for (uint64_t i = maker_.Below(4); i > 0; --i) {
      const PointId id = maker_.Id();
      const auto same = [&](const auto& other) { return other == id; };
      const bool in_rows = std::any_of(rows.begin(), rows.end(), [&](const RowInput& row) { return row.id == id; });
      if (!in_rows && std::none_of(deletes.begin(), deletes.end(), same)) deletes.push_back(id);
    }
    auto [request, header] = model_.Commit(std::move(rows), std::move(deletes));
    if (maker_.Below(2) == 0) request.prepared = *index_->Prepare(request.upserts);
    index_->Apply(request, header);
  }
  void Check() {
    const Version at = maker_.Below(2) == 0 ? model_.latest() : Version(maker_.Below(model_.latest().value + 1));
    Principal who;
    if (maker_.Below(2) == 0) who.groups = {absl::StrCat("group-", maker_.Below(3))};
    const int64_t year = 2000 + static_cast<int64_t>(maker_.Below(22));
    const std::string id = maker_.Id().ToString();
    const bool filtered = maker_.Below(3) != 0;
    const bool by_id = maker_.Below(4) == 0;
    Filter filter = {.op = FilterOp::kGe, .path = "year", .values = {year}, .children = {}};
    if (by_id) filter = {.op = FilterOp::kHasId, .path = "", .values = {id}, .children = {}};

    const IndexReader reader = index_->Read(at, model_.rows_at(at));
    const auto mask = reader.MakeMask(filtered ? &filter : nullptr, who, CancelToken());
    ASSERT_TRUE(mask.ok()) << mask.status();
    const auto allowed = [&](uint64_t row) {
      if (!model_.Visible(row, at) || !model_.Permitted(row, who)) return false;
      if (!filtered) return true;
      const RowInput& input = model_.row(row).input;
      if (by_id) return input.id.ToString() == id;
      return std::stoll(input.payload.substr(input.payload.find("\"year\":") + 7)) >= year;
    };
    std::vector<RowId> rows;
    uint64_t visible = 0;
    for (uint64_t row = 0; row < model_.rows(); ++row) {
      if (allowed(row)) rows.push_back(RowId(row));
      visible += model_.Visible(row, at) ? 1 : 0;
    }
    EXPECT_EQ(mask->visible_count, visible);
    EXPECT_EQ(mask->allowed_count, rows.size());
    const AllowedEstimate estimate = reader.EstimateAllowed(filtered ? &filter : nullptr, who);
    ASSERT_EQ(estimate.segments.size(), mask->segments.size());
    for (size_t i = 0; i < mask->segments.size(); ++i) {
      EXPECT_LE(estimate.segments[i].lower, mask->segments[i].allowed_count);
      EXPECT_GE(estimate.segments[i].upper, mask->segments[i].allowed_count);
    }
    EXPECT_LE(estimate.total.lower, rows.size());
    EXPECT_GE(estimate.total.upper, rows.size());
    EXPECT_EQ(reader.ScrollRows(*mask, kNoRow, model_.rows()), rows);
    for (RowId row : rows) EXPECT_EQ(reader.IdOf(row), model_.row(row.value).input.id);
    CheckDense(reader, *mask, allowed);
    CheckText(reader, *mask, at, allowed);
  }
  void Optimize() { ASSERT_TRUE(index_->Optimize(CancelToken(), nullptr).ok()); }
  void WaitIdle() { ASSERT_TRUE(index_->WaitIdle(CancelToken()).ok()); }

  // Removes, cuts or flips a bit in some of the files; the number of segment files touched.
  size_t DamageFiles() {
    index_.reset();
    size_t damaged = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.File("index"))) {
      if (maker_.Below(2) == 0) continue;
      const std::string path = entry.path().string();
      const bool segment = path.ends_with(".segment");
      const uint64_t size = std::filesystem::file_size(path);
      switch (maker_.Below(3)) {
        case 0: std::filesystem::remove(path); break;
        case 1: std::filesystem::resize_file(path, maker_.Below(size)); break;
        case 2: {
          // Within the header and the ids: not in zeros that mean nothing.
          std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
          const auto at = static_cast<std::streamoff>(maker_.Below(std::min<uint64_t>(size, 200)));
          file.seekg(at);
          const char changed = static_cast<char>(file.get() ^ 4);
          file.seekp(at);
          file.put(changed);
          break;
        }
      }
      damaged += segment ? 1 : 0;
    }
    return damaged;
  }
  // Removes all segment files and leaves their list; their number.
  size_t RemoveSegmentFiles() {
    index_.reset();
    size_t removed = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.File("index"))) {
      if (entry.path().extension() == ".segment") removed += std::filesystem::remove(entry.path()) ? 1 : 0;
    }
    return removed;
  }
  CollectionIndex& index() { return *index_; }
  RowMaker& maker() { return maker_; }
  FaultyFilesystem& filesystem() { return filesystem_; }

 private:
  void CheckDense(const IndexReader& reader, const RowMask& mask, const std::function<bool(uint64_t)>& allowed) {
    for (int field = 0; field < 2; ++field) {
      const std::vector<float> query = maker_.Vector(field == 0 ? 5 : 3);
      const size_t k = 1 + maker_.Below(30);
      const auto hits =
          reader.SearchDense({.field = field, .vector = query, .k = k, .ef_search = 0, .exact = true}, mask,
                             CancelToken(), nullptr);
      ASSERT_TRUE(hits.ok()) << hits.status();
      const std::vector<Hit> want = model_.Nearest(static_cast<size_t>(field), query, k, allowed);
      EXPECT_EQ(*hits, want);
      // Without `exact` the planner may walk; the number of hits and that they are allowed hold all the same.
      const auto walked =
          reader.SearchDense({.field = field, .vector = query, .k = k, .ef_search = 8, .exact = false}, mask,
                             CancelToken(), nullptr);
      ASSERT_TRUE(walked.ok());
      EXPECT_EQ(walked->size(), want.size());
      for (const Hit& hit : *walked) EXPECT_TRUE(allowed(hit.row.value));
    }
  }
  // The rows that the word stands in, and equal scores however the rows lie in segments: once a version and query was
  // answered, it is answered with the same bits ever after.
  void CheckText(const IndexReader& reader, const RowMask& mask, Version at,
                 const std::function<bool(uint64_t)>& allowed) {
    const std::string word = absl::StrCat("w", maker_.Below(30));
    const auto hits = reader.SearchText(0, word, model_.rows() + 1, mask, CancelToken(), nullptr);
    ASSERT_TRUE(hits.ok()) << hits.status();
    std::vector<uint64_t> got;
    for (const Hit& hit : *hits) {
      got.push_back(hit.row.value);
      const auto [known, added] = text_scores_.try_emplace({at.value, word, hit.row.value}, hit.score);
      EXPECT_EQ(known->second, hit.score);
    }
    std::sort(got.begin(), got.end());
    std::vector<uint64_t> want;
    for (uint64_t row = 0; row < model_.rows(); ++row) {
      const std::string& payload = model_.row(row).input.payload;
      const bool has = payload.find(word + "\"") != std::string::npos || payload.find(word + " ") != std::string::npos;
      if (has && allowed(row)) want.push_back(row);
    }
    EXPECT_EQ(got, want);
  }

  TempDir folder_;
  FaultyFilesystem filesystem_;
  JobPool pool_{1};
  CollectionModel model_{ModelSchema()};
  RowMaker maker_;
  std::map<std::tuple<uint64_t, std::string, uint64_t>, float> text_scores_;
  std::unique_ptr<CollectionIndex> index_;
};

class IndexModelTest : public testing::TestWithParam<uint64_t> {};

TEST_P(IndexModelTest, AgreesWithTheModel) {
  SCOPED_TRACE(testing::Message() << "seed " << GetParam());
  IndexModel test(GetParam());
  for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
    test.Commit();
    if (step % 4 == 0) test.Check();
    switch (test.maker().Below(60)) {
      case 0: test.Open(); break;
      case 1: test.Optimize(); break;
      case 2: test.WaitIdle(); break;
      case 3: {
        const size_t damaged = test.DamageFiles();
        test.Open();
        EXPECT_LE(test.index().Status().files_damaged, damaged);
        break;
      }
      default: break;
    }
  }
  for (int i = 0; i < 20; ++i) test.Check();
}

INSTANTIATE_TEST_SUITE_P(Seeds, IndexModelTest, testing::Values(1, 2, 3, 4, 5, 6));

TEST(IndexFaults, DamagedFilesAreCountedAndRebuilt) {
  for (uint64_t seed = 10; seed < 16; ++seed) {
    SCOPED_TRACE(seed);
    IndexModel test(seed);
    for (int step = 0; step < 60; ++step) test.Commit();
    test.Optimize();
    const size_t damaged = test.DamageFiles();
    test.Open();
    EXPECT_LE(test.index().Status().files_damaged, damaged);
    test.Check();
    test.WaitIdle();
    test.Check();
    for (const SegmentInfo& segment : test.index().Status().segments) EXPECT_TRUE(segment.sealed || damaged == 0);
    test.Open();
    EXPECT_EQ(test.index().Status().files_damaged, 0u);
    test.Check();
  }
}

TEST(IndexFaults, AMissingFileIsKnownByTheList) {
  IndexModel test(20);
  for (int step = 0; step < 60; ++step) test.Commit();
  test.Optimize();
  const std::vector<std::string> ids = test.index().Read(test.index().latest(), UINT64_MAX).BuildIds();
  EXPECT_EQ(test.RemoveSegmentFiles(), ids.size());
  test.Open();
  EXPECT_EQ(test.index().Status().files_damaged, ids.size());
  test.Check();
  test.Optimize();
  EXPECT_EQ(test.index().Read(test.index().latest(), UINT64_MAX).BuildIds(), ids);
}

TEST(IndexFaults, AFullDiskIsAStateAndNoWrongAnswer) {
  IndexModel test(30);
  test.filesystem().disk_full = true;
  for (int step = 0; step < 100; ++step) test.Commit();
  test.WaitIdle();
  EXPECT_THAT(test.index().Status().last_error, testing::HasSubstr("no space left"));
  for (int i = 0; i < 10; ++i) test.Check();
  EXPECT_EQ(test.index().Optimize(CancelToken(), nullptr).code(), absl::StatusCode::kResourceExhausted);
  test.Open();
  test.Check();
  // Space is there again: the same call goes through and clears the error.
  test.filesystem().disk_full = false;
  test.Optimize();
  EXPECT_EQ(test.index().Status().last_error, "");
  test.Open();
  EXPECT_EQ(test.index().Status().files_damaged, 0u);
  for (int i = 0; i < 10; ++i) test.Check();
}

TEST(IndexFaults, UnreadableFilesAreReadFromTheRows) {
  IndexModel test(40);
  for (int step = 0; step < 80; ++step) test.Commit();
  test.Optimize();
  test.filesystem().reads_fail = true;
  test.filesystem().removes_fail = true;
  test.Open();
  EXPECT_GT(test.index().Status().files_damaged, 0u);
  test.Check();
  test.filesystem().reads_fail = false;
  test.filesystem().removes_fail = false;
  test.Optimize();
  test.Check();
}

}  // namespace
}  // namespace vouch
