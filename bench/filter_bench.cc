// What the row mask of a request costs: IndexReader::MakeMask over one segment by the filter's shape and the share of rows
// that it keeps, without deletes and with 30 % of the rows deleted. One thread, the median of the turns.
//   bench_filter [rows | filter]...    filters in place of those below
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "index/index_reader.h"
#include "index/segment_set.h"
#include "query/filter_parser.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261125;
constexpr int kTurns = 5;
constexpr double kTurnSeconds = 0.02;

CollectionSchema BenchSchema() {
  CollectionSchema schema;
  schema.payload = {{"tag", PayloadType::kKeyword},   {"user", PayloadType::kKeyword}, {"year", PayloadType::kInteger},
                    {"price", PayloadType::kFloat},   {"at", PayloadType::kDatetime},  {"draft", PayloadType::kBool},
                    {"labels", PayloadType::kKeyword}};
  return schema;
}

// tag: "half" for 50 % of the rows, "tenth" for 10 %, "hundredth" and "thousandth"; user: distinct in ten rows each; year: one
// of 50; price: a random float in [0, 1000); at: within 1,000 days; draft: 1 of 2; labels: two of 20.
TypedPayload RandomPayload(std::mt19937_64& random, size_t rows) {
  const double share = std::uniform_real_distribution<double>(0, 1)(random);
  const char* tag = share < 0.5      ? "half"
                    : share < 0.6    ? "tenth"
                    : share < 0.61   ? "hundredth"
                    : share < 0.611  ? "thousandth"
                                     : "rest";
  TypedPayload payload;
  payload.fields = {{std::string(tag)},
                    {"user-" + std::to_string(random() % (rows / 10 + 1))},
                    {static_cast<int64_t>(1975 + random() % 50)},
                    {std::uniform_real_distribution<double>(0, 1000)(random)},
                    {static_cast<int64_t>(random() % 86'400'000'000'000)},
                    {random() % 2 == 0},
                    {"label-" + std::to_string(random() % 20), "label-" + std::to_string(random() % 20)}};
  return payload;
}

std::shared_ptr<SegmentSet> MakeSet(size_t rows) {
  std::mt19937_64 random(kSeed);
  const CollectionSchema schema = BenchSchema();
  std::vector<TypedPayload> payloads;
  std::vector<PointId> ids;
  for (size_t row = 0; row < rows; ++row) {
    payloads.push_back(RandomPayload(random, rows));
    ids.push_back(PointId(row));
  }
  std::vector<const TypedPayload*> payload_of;
  std::vector<const PointId*> id_of;
  for (size_t row = 0; row < rows; ++row) {
    payload_of.push_back(&payloads[row]);
    id_of.push_back(&ids[row]);
  }
  auto segment = std::make_shared<Segment>();
  segment->rows = {RowId(0), RowId(rows)};
  segment->ids = IdColumn::Build(id_of);
  const auto start = std::chrono::steady_clock::now();
  segment->payload = PayloadColumns::Build(schema, payload_of);
  const auto built = std::chrono::steady_clock::now();
  const std::string bytes = segment->payload->Serialize();
  const auto written = std::chrono::steady_clock::now();
  segment->payload = *PayloadColumns::Parse(schema, bytes, static_cast<uint32_t>(rows));
  const auto read = std::chrono::steady_clock::now();
  const auto ms = [](auto took) { return std::chrono::duration<double, std::milli>(took).count(); };
  std::printf("%zu rows, %zu payload fields: built in %.0f ms, read in %.0f ms, %.1f bytes a row in the file, %.1f in memory\n\n",
              rows, schema.payload.size(), ms(built - start), ms(read - written),
              static_cast<double>(bytes.size()) / static_cast<double>(rows),
              static_cast<double>(segment->payload->memory_bytes()) / static_cast<double>(rows));
  segment->sealed = true;
  auto set = std::make_shared<SegmentSet>();
  set->schema = *IndexSchema::Create(schema);
  set->retired = std::make_shared<RetiredRows>();
  set->segments.push_back(std::move(segment));
  set->latest = Version(1000);
  set->rows = rows;
  return set;
}

// Microseconds a mask, the median of the turns.
double Time(const IndexReader& reader, const Filter* filter, uint64_t& allowed) {
  std::vector<double> turns;
  for (int turn = 0; turn < kTurns; ++turn) {
    size_t masks = 0;
    const auto start = std::chrono::steady_clock::now();
    std::chrono::duration<double> took{};
    do {
      allowed = reader.MakeMask(filter, Principal(), CancelToken())->allowed_count;
      ++masks;
      took = std::chrono::steady_clock::now() - start;
    } while (took.count() < kTurnSeconds);
    turns.push_back(took.count() * 1e6 / static_cast<double>(masks));
  }
  std::sort(turns.begin(), turns.end());
  return turns[turns.size() / 2];
}

constexpr const char* kFilters[] = {
    "",
    "tag = 'half'",
    "tag = 'tenth'",
    "tag = 'hundredth'",
    "tag = 'thousandth'",
    "not tag = 'half'",
    "user = 'user-7'",
    "draft",
    "year = 2001",
    "year >= 2000",
    "year >= 2000 and year < 2005",
    "price < 500",
    "price >= 333.3",
    "price < 100",
    "price < 10",
    "price >= 200 and price < 700",
    "at >= '1971-01-01'",
    "labels = 'label-3'",
    "labels in ('label-1', 'label-2', 'label-3')",
    "labels >= 'label-15'",
    "tag = 'half' and price < 500",
    "tag = 'tenth' and year >= 2000",
    "tag = 'half' and price < 20",
    "user = 'user-7' and price < 500",
    "tag = 'tenth' or price < 100",
    "draft and tag in ('half', 'tenth') and not year < 1990 and price >= 250",
};
void Run(size_t rows, const std::vector<const char*>& filters) {
  const std::shared_ptr<SegmentSet> whole = MakeSet(rows);
  auto thinned = std::make_shared<SegmentSet>(*whole);
  auto retired = std::make_shared<RetiredRows>();
  std::mt19937_64 random(kSeed + 1);
  std::vector<uint64_t> order(rows);
  for (size_t row = 0; row < rows; ++row) order[row] = row;
  std::shuffle(order.begin(), order.end(), random);
  for (size_t i = 0; i < rows * 3 / 10; ++i) retired->Retire(RowId(order[i]), Version(2 + i * 900 / rows));
  thinned->retired = retired;
  const IndexReader all(whole, whole->latest, rows);
  const IndexReader most(thinned, thinned->latest, rows);

  std::printf("| filter | keeps %% | us | us, 30 %% deleted |\n|---|---|---|---|\n");
  for (const char* text : filters) {
    absl::StatusOr<Filter> filter = Filter{};
    if (*text != '\0') filter = ParseFilter(text);
    const Filter* const asked = *text == '\0' ? nullptr : &*filter;
    uint64_t allowed = 0, allowed_of_most = 0;
    const double us = Time(all, asked, allowed);
    const double us_of_most = Time(most, asked, allowed_of_most);
    std::printf("| %s | %.3g | %.2f | %.2f |\n", *text == '\0' ? "none" : text,
                100.0 * static_cast<double>(allowed) / static_cast<double>(rows), us, us_of_most);
  }
  std::printf("\n");
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  std::vector<size_t> sizes;
  std::vector<const char*> filters;
  for (int i = 1; i < argc; ++i) {
    if (const size_t rows = std::strtoull(argv[i], nullptr, 10); rows > 0) {
      sizes.push_back(rows);
    } else {
      filters.push_back(argv[i]);
    }
  }
  if (sizes.empty()) sizes = {100'000, 1'000'000};
  if (filters.empty()) filters.assign(std::begin(vouch::kFilters), std::end(vouch::kFilters));
  for (size_t rows : sizes) vouch::Run(rows, filters);
  return 0;
}
