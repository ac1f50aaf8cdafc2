// The decoder of segment files. Checksums are made right first, so that the decoders behind them are reached.
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "index/dense/vector_reader.h"
#include "index/segment_format.h"
#include "tests/index/segment_data.h"

namespace {

using namespace vouch::segment_format;  // NOLINT

const vouch::IndexSchema& Schema() {
  static const std::shared_ptr<const vouch::IndexSchema>& schema =
      *new std::shared_ptr<const vouch::IndexSchema>(vouch::TestIndexSchema());
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

void RepairChecksums(std::string& file) {
  if (file.size() < kFixedHeaderBytes + kHeaderChecksumBytes) return;
  uint32_t sections = 0;
  std::memcpy(&sections, file.data() + 12, sizeof(sections));
  const size_t most = (file.size() - kFixedHeaderBytes - kHeaderChecksumBytes) / kSectionEntryBytes;
  sections = static_cast<uint32_t>(std::min<size_t>(sections, most));
  uint64_t columns[8][2] = {};
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
  }
  for (uint32_t i = 0; i < sections; ++i) {
    char* entry = file.data() + kFixedHeaderBytes + i * kSectionEntryBytes;
    uint32_t kind[2];
    uint64_t place[2];
    read_entry(i, kind, place);
    if (kind[0] == static_cast<uint32_t>(SectionKind::kVectors)) continue;
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
  return {vouch::FileBytes(Schema(), vouch::SealedSegment(Schema(), 1, 4)),
          vouch::FileBytes(Schema(), vouch::SealedSegment(Schema(), 2, 40, 7))};
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
  for (uint32_t row = 0; row < segment->row_count(); ++row) segment->ids->IdOf(row);
  return 0;
}
