#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/index/inverted/sparse_data.h"

namespace {

constexpr uint32_t kRows = 200;

// Short lists, and one of two blocks.
std::string MakeIndex(bool long_list) {
  std::vector<vouch::SparseVector> vectors(kRows);
  for (uint32_t row = 0; row < kRows; ++row) {
    if (long_list || row % 60 == 0) vectors[row] = vouch::Sparse({{7, 0.5f}, {9 + row % 3, 2}});
  }
  return vouch::BuildSparse(vectors)->Serialize();
}

}  // namespace

std::vector<std::string> FuzzSeeds() { return {MakeIndex(false), MakeIndex(true)}; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto index = vouch::SparseIndex::Parse(bytes, kRows);
  if (!index.ok()) return 0;
  if ((*index)->Serialize() != bytes) std::abort();
  // What reads must be safe to search.
  const vouch::SparseSegment segment{.index = index->get(), .first_row = vouch::RowId(0)};
  const auto hits = vouch::SearchSparse({&segment, 1}, vouch::Sparse({{7, 1}, {9, 1}, {10, 3}}), 5,
                                        vouch::CancelToken());
  if (!hits.ok()) std::abort();
  return 0;
}
