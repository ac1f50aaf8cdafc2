#include "index/dense/ivf.h"

#include <atomic>
#include <cstring>
#include <random>

#include "gtest/gtest.h"
#include "index/dense/pq_kernels.h"
#include "tests/index/dense/dense_data.h"
#include "tests/support/plain_links.h"

namespace vouch {
namespace {

absl::Status NoProgress(double) { return absl::OkStatus(); }

TEST(PqKernels, AllVariantsGiveTheSumsOfTheirDefinition) {
  const uint64_t seed = 20261126;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (const size_t groups : {0u, 1u, 2u, 31u, 64u, 256u}) {
    std::vector<uint8_t> codes(groups * kPqGroupBytes), table(groups * 16);
    for (uint8_t& byte : codes) byte = static_cast<uint8_t>(random());
    for (uint8_t& byte : table) byte = static_cast<uint8_t>(groups == 256 ? 255 : random());
    for (const PqKernels& kernels : AvailablePqKernels()) {
      uint16_t sums[kPqBlock];
      kernels.sums(codes.data(), table.data(), groups, sums);
      for (size_t node = 0; node < kPqBlock; ++node) {
        uint32_t want = 0;
        for (size_t group = 0; group < groups; ++group) {
          const uint8_t byte = codes[group * 16 + node % 16];
          want += table[group * 16 + (node < 16 ? byte & 15 : byte >> 4)];
        }
        EXPECT_EQ(sums[node], want) << kernels.name << ", " << groups << " groups, node " << node;
      }
    }
  }
}

class IvfOf : public testing::TestWithParam<std::tuple<Metric, bool>> {
 protected:
  Metric metric() const { return std::get<0>(GetParam()); }
  bool with_codes() const { return std::get<1>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(All, IvfOf,
                         testing::Combine(testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct),
                                          testing::Bool()));

TEST_P(IvfOf, EqualColumnsGiveEqualBytesOnAnyNumberOfThreads) {
  const DenseColumn column = MakeColumn(ClusteredVectors(1, 3000, 21, metric()), 21, metric());
  const auto one = *Ivf::Build(column, with_codes(), 1, NoProgress);
  const auto three = *Ivf::Build(column, with_codes(), 3, NoProgress);
  EXPECT_EQ(one->bytes(), three->bytes());
  EXPECT_EQ(one->cells(), Ivf::CellsFor(3000));
  EXPECT_EQ(one->groups(), with_codes() ? 11u : 0u);
}

// Help with entries changes no byte: whether it helps always, now and then, fails in the middle, or says what is none.
TEST(IvfHelp, EntriesAreTheSameWhoeverFindsThem) {
  const DenseColumn column = MakeColumn(ClusteredVectors(1, 3000, 21, Metric::kL2), 21, Metric::kL2);
  const auto alone = *Ivf::Build(column, true, 1, NoProgress);
  for (const char* const how : {"always", "now and then", "fails", "says what is none"}) {
    std::atomic<uint64_t> calls{0}, helped{0};
    const auto find = [&](const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest) -> absl::Status {
      const uint64_t call = calls++;
      if (how == std::string_view("now and then") && call % 2 == 0) return absl::AbortedError("busy");
      if (how == std::string_view("fails") && call >= 10) return absl::UnavailableError("the device is lost");
      const size_t width = size_t{books.groups} * books.size;
      for (size_t row = 0; row * width < rows.size(); ++row) {
        const std::vector<uint8_t> of_row = PlainEntries(books, rows.subspan(row * width, width));
        std::copy(of_row.begin(), of_row.end(), nearest.begin() + static_cast<std::ptrdiff_t>(row * books.groups));
      }
      if (how == std::string_view("says what is none") && call >= 10) nearest.back() = 16;
      ++helped;
      return absl::OkStatus();
    };
    const auto built = *Ivf::Build(column, true, 4, NoProgress, {.entries = find});
    EXPECT_EQ(built->bytes(), alone->bytes()) << how;
    EXPECT_GE(helped, 4u) << how;
    EXPECT_GE(calls, 10u) << how;
    EXPECT_LE(calls, how == std::string_view("fails") ? 14u : 1000u) << "who failed is not asked again";
  }
}

TEST_P(IvfOf, KeysOrderNodesAboutAsDistancesDo) {
  if (!with_codes()) return;
  const TestVectors rows = ClusteredVectors(1, 2000, 20, metric());
  const DenseColumn column = MakeColumn(rows, 20, metric());
  const auto ivf = *Ivf::Build(column, true, 2, NoProgress);
  double recall = 0;
  for (const std::vector<float>& query : ClusteredVectors(2, 20, 20, metric())) {
    Ivf::Query prepared;
    ivf->Prepare(query.data(), metric(), prepared);
    std::vector<std::pair<float, uint32_t>> all;
    std::vector<float> keys;
    for (uint32_t cell = 0; cell < ivf->cells(); ++cell) {
      ivf->Keys(prepared, cell, keys);
      const std::span<const uint32_t> nodes = ivf->NodesOf(cell);
      ASSERT_EQ(keys.size(), nodes.size());
      for (size_t i = 0; i < nodes.size(); ++i) all.emplace_back(keys[i], nodes[i]);
    }
    ASSERT_EQ(all.size(), rows.size());
    std::sort(all.begin(), all.end());
    const std::vector<Hit> want = BruteForce(rows, query, metric(), 10);
    std::vector<Hit> first;
    for (size_t i = 0; i < 60; ++i) first.push_back({RowId(all[i].second), 0});
    recall += Recall(first, want) / 20;
  }
  EXPECT_GE(recall, 0.95);
}

TEST_P(IvfOf, DamageIsRefusedAndNothingElseIs) {
  const DenseColumn column = MakeColumn(ClusteredVectors(1, 200, 7, metric()), 7, metric());
  const auto ivf = *Ivf::Build(column, with_codes(), 1, NoProgress);
  const auto parse = [&](std::string_view bytes, uint32_t nodes = 200, uint32_t dim = 7) {
    auto buffer = std::make_shared<AlignedBuffer>(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
    return Ivf::Parse(buffer->view(), nodes, dim, with_codes(), buffer).status().code();
  };
  const std::string whole(ivf->bytes());
  EXPECT_EQ(parse(whole), absl::StatusCode::kOk);
  EXPECT_EQ(parse(whole, 199), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse(whole, 200, 8), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse(whole.substr(0, whole.size() - 1)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse(whole + std::string(64, '\0')), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse(whole.substr(0, 10)), absl::StatusCode::kDataLoss);
  for (size_t at = 0; at < 24; ++at) {
    std::string bad = whole;
    bad[at] ^= 0x40;
    EXPECT_EQ(parse(bad), absl::StatusCode::kDataLoss) << at;
  }
  uint32_t header[6];
  std::memcpy(header, whole.data(), sizeof(header));
  const IvfLayout layout(header[0], header[1], header[2], header[3], header[4], header[5]);
  const float nan = std::nanf("");
  for (const size_t at : {layout.shift, layout.mean, with_codes() ? layout.book : layout.mean,
                          with_codes() ? layout.bias + 4 : layout.shift}) {
    std::string bad = whole;
    std::memcpy(bad.data() + at, &nan, sizeof(nan));
    EXPECT_EQ(parse(bad), absl::StatusCode::kDataLoss) << at;
  }
  for (const auto& [at, value] : {std::pair(layout.start, 1u), {layout.start + 4, 201u}, {layout.node, 200u},
                                  {layout.node, 0xFFFFFFFFu}}) {
    std::string bad = whole;
    std::memcpy(bad.data() + at, &value, sizeof(value));
    EXPECT_EQ(parse(bad), absl::StatusCode::kDataLoss) << at;
  }
  std::string twice = whole;
  std::memcpy(twice.data() + layout.node, twice.data() + layout.node + 4, 4);
  EXPECT_EQ(parse(twice), absl::StatusCode::kDataLoss);
  // An inverted file of the other kind.
  const auto other = *Ivf::Build(column, !with_codes(), 1, NoProgress);
  EXPECT_EQ(parse(other->bytes()), absl::StatusCode::kDataLoss);
}

// Two vectors in one cell, one group: small enough to be written down.
TEST(Ivf, TheBytesAreThoseOfTheFormat) {
  const DenseColumn column = MakeColumn({{0, 2}, {4, 2}}, 2, Metric::kL2);
  const auto ivf = *Ivf::Build(column, true, 1, NoProgress);
  const std::string_view bytes = ivf->bytes();
  const auto at = [&]<typename T>(size_t offset, T) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
  };
  const uint32_t header[] = {2, 2, 1, 1, 2, 1};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(at(4 * i, uint32_t{}), header[i]);
  EXPECT_EQ(at(64, float{}), 2.0f);  // shift
  EXPECT_EQ(at(68, float{}), 2.0f);
  EXPECT_EQ(at(128, float{}), 0.0f);  // mean
  EXPECT_EQ(at(192, uint32_t{}), 0u);  // start
  EXPECT_EQ(at(196, uint32_t{}), 2u);
  EXPECT_EQ(at(256, uint32_t{}), 0u);  // node
  EXPECT_EQ(at(260, uint32_t{}), 1u);
  EXPECT_EQ(at(320, float{}), -2.0f);  // book: the first half of the entries began at the first node
  EXPECT_EQ(at(320 + 8 * 8, float{}), 2.0f);
  EXPECT_EQ(at(448, float{}), 4.0f);  // bias
  EXPECT_EQ(at(452, float{}), 4.0f);
  EXPECT_EQ(at(512, uint8_t{}), 0u);  // code of node 0 and, in the high half, of none
  EXPECT_EQ(at(513, uint8_t{}), 8u);
  EXPECT_EQ(bytes.size(), 528u);
}

TEST(Ivf, BuildRefusesWhatItCannotTake) {
  EXPECT_EQ(Ivf::Build(MakeColumn({}, 3, Metric::kL2), true, 1, NoProgress).status().code(),
            absl::StatusCode::kInvalidArgument);
  const DenseColumn column = MakeColumn(ClusteredVectors(1, 100, 3, Metric::kL2), 3, Metric::kL2);
  EXPECT_EQ(Ivf::Build(column, true, 1, [](double) { return absl::CancelledError("stop"); }).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace vouch
