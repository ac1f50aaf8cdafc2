// The decoder of segment files. Checksums are made right first, so that the decoders behind them are reached.
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "index/segment_format.h"
#include "tests/index/segment_data.h"

namespace {

using namespace vouch::segment_format;  // NOLINT

const vouch::IndexSchema& Schema() {
  static const std::shared_ptr<const vouch::IndexSchema>& schema =
      *new std::shared_ptr<const vouch::IndexSchema>(vouch::TestIndexSchema());
  return *schema;
}

void RepairChecksums(std::string& file) {
  if (file.size() < kFixedHeaderBytes + kHeaderChecksumBytes) return;
  uint32_t sections = 0;
  std::memcpy(&sections, file.data() + 12, sizeof(sections));
  const size_t most = (file.size() - kFixedHeaderBytes - kHeaderChecksumBytes) / kSectionEntryBytes;
  sections = static_cast<uint32_t>(std::min<size_t>(sections, most));
  for (uint32_t i = 0; i < sections; ++i) {
    char* entry = file.data() + kFixedHeaderBytes + i * kSectionEntryBytes;
    uint64_t place[2];
    std::memcpy(place, entry + 8, sizeof(place));
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
  // What decodes must be safe to search.
  const float query[5] = {1, 2, 3, 4, 5};
  for (size_t field = 0; field < segment->dense.size(); ++field) {
    const vouch::Graph* graph = segment->graphs[field].get();
    if (graph == nullptr) continue;
    uint64_t distances = 0;
    vouch::WalkScratch scratch;
    graph->codes().Encode(query, scratch.query);
    graph->Walk(scratch.query, 20, scratch, distances);
  }
  for (uint32_t row = 0; row < segment->row_count(); ++row) segment->ids->IdOf(row);
  return 0;
}
