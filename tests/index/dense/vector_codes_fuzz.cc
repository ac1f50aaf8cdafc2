// The codes section of a segment alone, with and without a projection: what parses must be safe to
// compare with.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "index/aligned_buffer.h"
#include "index/dense/vector_codes.h"
#include "tests/index/dense/dense_data.h"

namespace {

const std::vector<vouch::DenseColumn>& Columns() {
  static const auto& columns = *new std::vector<vouch::DenseColumn>{
      vouch::MakeColumn(vouch::ClusteredVectors(1, 12, 5, vouch::Metric::kL2), 5,
                        vouch::Metric::kL2),
      vouch::MakeColumn(vouch::ClusteredVectors(2, 40, 160, vouch::Metric::kInnerProduct), 160,
                        vouch::Metric::kInnerProduct)};
  return columns;
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  for (const vouch::DenseColumn& column : Columns()) {
    seeds.emplace_back((*vouch::VectorCodes::Build(column, 1))->bytes());
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto owner = std::make_shared<vouch::AlignedBuffer>(size);
  if (size > 0) std::memcpy(owner->data(), data, size);
  for (const vouch::DenseColumn& column : Columns()) {
    const auto codes = vouch::VectorCodes::Parse(owner->view(), column.nodes(), column.dim(), column.metric(), owner);
    if (!codes.ok()) continue;
    vouch::CodeQuery query;
    (*codes)->Encode(column.Values(0, nullptr), query);
    float sum = 0;
    for (uint32_t node = 0; node < (*codes)->nodes(); ++node) sum += (*codes)->Key(query, node);
    (*codes)->EncodeNode((*codes)->nodes() - 1, query);
    float keys[4];
    const uint32_t nodes[4] = {0, 1, 2, (*codes)->nodes() - 1};
    (*codes)->Keys(query, nodes, keys);
    volatile float used = sum + keys[0] + keys[1] + keys[2] + keys[3];
    (void)used;
  }
  return 0;
}
