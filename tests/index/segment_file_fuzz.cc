// The decoder of segment files. Checksums are made right first, so that the decoders behind them are reached.
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "index/dense/vector_reader.h"
#include "index/multi/max_sim.h"
#include "index/multi/token_reader.h"
#include "index/segment_format.h"
#include "tests/index/segment_data.h"

namespace {

using namespace vouch::segment_format;  // NOLINT

const vouch::IndexSchema& Schema() {
  static const std::shared_ptr<const vouch::IndexSchema>& schema =
      *new std::shared_ptr<const vouch::IndexSchema>([] {
        vouch::CollectionSchema schema = vouch::ModelSchema();
        schema.multi_vector.push_back({.name = "m",
                                       .dim = 2,
                                       .metric = vouch::Metric::kInnerProduct,
                                       .type = vouch::VectorType::kF16});
        return *vouch::IndexSchema::Create(schema);
      }());
  return *schema;
}

// The checksums of a column's vectors, as far as both lie in the file. `column` and `vectors`: offset and length.
void RepairVectors(std::string& file, const uint64_t column[2], const uint64_t vectors[2]) {
  uint32_t numbers[2] = {};  // dim, nodes
  if (column[0] > file.size() || column[1] > file.size() - column[0] || column[1] < kColumnHeaderBytes) return;
  if (vectors[0] > file.size() || vectors[1] > file.size() - vectors[0]) return;
  std::memcpy(numbers, file.data() + column[0], sizeof(numbers));
  const uint64_t bytes = uint64_t{numbers[0]} * sizeof(float);
  if (bytes == 0) return;
  const uint64_t nodes = std::min<uint64_t>({numbers[1], vectors[1] / bytes, (column[1] - kColumnHeaderBytes) / 8});
  for (uint64_t node = 0; node < nodes; ++node) {
    const uint64_t checksum = XXH3_64bits(file.data() + vectors[0] + node * bytes, bytes);
    std::memcpy(file.data() + column[0] + kColumnHeaderBytes + node * 8, &checksum, sizeof(checksum));
  }
}

// Likewise the checksums of a multi-vector field's rows.
void RepairTokens(std::string& file, const uint64_t tables[2], const uint64_t vectors[2]) {
  uint32_t numbers[2] = {};  // dim, rows
  if (tables[0] > file.size() || tables[1] > file.size() - tables[0] || tables[1] < kTokensHeaderBytes) return;
  if (vectors[0] > file.size() || vectors[1] > file.size() - vectors[0]) return;
  std::memcpy(numbers, file.data() + tables[0], sizeof(numbers));
  const uint64_t token_bytes = uint64_t{numbers[0]} * 2;
  const uint64_t rows = numbers[1];
  if (token_bytes == 0 || tables[1] < kTokensHeaderBytes + (2 * rows + 1) * 8) return;
  const uint64_t most = vectors[1] / token_bytes;
  for (uint64_t row = 0; row < rows; ++row) {
    uint64_t starts[2];
    std::memcpy(starts, file.data() + tables[0] + kTokensHeaderBytes + row * 8, sizeof(starts));
    if (starts[0] > starts[1] || starts[1] > most) continue;
    const uint64_t checksum = XXH3_64bits(file.data() + vectors[0] + starts[0] * token_bytes,
                                          (starts[1] - starts[0]) * token_bytes);
    std::memcpy(file.data() + tables[0] + kTokensHeaderBytes + (rows + 1 + row) * 8, &checksum, sizeof(checksum));
  }
}

void RepairChecksums(std::string& file) {
  if (file.size() < kFixedHeaderBytes + kHeaderChecksumBytes) return;
  uint32_t sections = 0;
  std::memcpy(&sections, file.data() + 12, sizeof(sections));
  const size_t most = (file.size() - kFixedHeaderBytes - kHeaderChecksumBytes) / kSectionEntryBytes;
  sections = static_cast<uint32_t>(std::min<size_t>(sections, most));
  uint64_t columns[8][2] = {};
  uint64_t tokens[8][2] = {};
  const auto read_entry = [&](uint32_t i, uint32_t kind[2], uint64_t place[2]) {
    const char* entry = file.data() + kFixedHeaderBytes + i * kSectionEntryBytes;
    std::memcpy(kind, entry, 8);
    std::memcpy(place, entry + 8, 16);
  };
  for (uint32_t i = 0; i < sections; ++i) {
    uint32_t kind[2];
    uint64_t place[2];
    read_entry(i, kind, place);
    if (kind[0] == static_cast<uint32_t>(SectionKind::kColumn)) std::copy_n(place, 2, columns[kind[1] % 8]);
    if (kind[0] == static_cast<uint32_t>(SectionKind::kVectors)) RepairVectors(file, columns[kind[1] % 8], place);
    if (kind[0] == static_cast<uint32_t>(SectionKind::kTokens)) std::copy_n(place, 2, tokens[kind[1] % 8]);
    if (kind[0] == static_cast<uint32_t>(SectionKind::kTokenVectors)) RepairTokens(file, tokens[kind[1] % 8], place);
  }
  for (uint32_t i = 0; i < sections; ++i) {
    char* entry = file.data() + kFixedHeaderBytes + i * kSectionEntryBytes;
    uint32_t kind[2];
    uint64_t place[2];
    read_entry(i, kind, place);
    if (IsMapped(static_cast<SectionKind>(kind[0]))) continue;
    if (place[0] > file.size() || place[1] > file.size() - place[0]) continue;
    const uint64_t checksum = XXH3_64bits(file.data() + place[0], place[1]);
    std::memcpy(entry + 24, &checksum, sizeof(checksum));
  }
  const size_t header = kFixedHeaderBytes + sections * kSectionEntryBytes;
  const uint64_t checksum = XXH3_64bits(file.data(), header);
  std::memcpy(file.data() + header, &checksum, sizeof(checksum));
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds = {vouch::FileBytes(Schema(), vouch::SealedSegment(Schema(), 1, 4)),
                                    vouch::FileBytes(Schema(), vouch::SealedSegment(Schema(), 2, 40, 7))};
  std::vector<vouch::RowInput> rows = vouch::RowMaker(3).Rows(5);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].multi_vectors = {{.dim = 2, .values = std::vector<float>(2 * (i % 3), 1.5f)}};
  }
  const vouch::SegmentPtr fresh = *vouch::BuildFreshSegment(Schema(), vouch::RowId(0), rows,
                                                            **vouch::IndexedRows::Prepare(Schema(), rows));
  seeds.push_back(vouch::FileBytes(
      Schema(), *vouch::BuildGraphs(Schema(), *fresh, nullptr, {}, 1, [](double) { return absl::OkStatus(); })));
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  RepairChecksums(file);
  const absl::StatusOr<vouch::Segment> segment = vouch::Decode(Schema(), file);
  if (!segment.ok()) return 0;
  // What decodes must be safe to search, and its head must say where the vectors are.
  const size_t head = std::min(file.size(), kMaxHeaderBytes);
  if (!vouch::FindVectors(Schema(), file.substr(0, head), file.size()).ok()) std::abort();
  const float query[5] = {1, 2, 3, 4, 5};
  for (size_t field = 0; field < segment->dense.size(); ++field) {
    const vouch::Graph* graph = segment->graphs[field].get();
    if (graph == nullptr) continue;
    uint64_t distances = 0;
    vouch::WalkScratch scratch;
    graph->codes().Encode(query, scratch.query);
    const vouch::BeamEntry start = graph->Descend(scratch.query, distances);
    graph->Walk(scratch.query, start, 20, scratch, distances);
  }
  for (const vouch::DenseColumn& column : segment->dense) {
    vouch::VectorReader reader(column);
    for (uint32_t node = 0; node < column.nodes(); ++node) reader.Read(node);
  }
  for (const vouch::TokenColumn& column : segment->tokens) {
    vouch::TokenReader reader(column);
    vouch::MaxSim max_sim({.dim = 2, .values = {1, 2, 3, 4}});
    for (uint32_t row = 0; row < column.rows(); ++row) {
      if (column.TokensOf(row) > 0) max_sim.Score(reader.ReadNext(row));
    }
  }
  for (uint32_t row = 0; row < segment->row_count(); ++row) segment->ids->IdOf(row);
  return 0;
}
