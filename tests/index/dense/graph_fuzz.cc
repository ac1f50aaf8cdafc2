// The graph section of a segment alone: what parses must be safe to walk.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "index/aligned_buffer.h"
#include "index/dense/graph.h"
#include "index/dense/graph_build.h"
#include "tests/index/dense/dense_data.h"

namespace {

constexpr uint32_t kDim = 5;

const vouch::Graph& BuiltGraph() {
  static const std::shared_ptr<const vouch::Graph>& graph =
      *new std::shared_ptr<const vouch::Graph>([] {
        const vouch::DenseColumn column = vouch::MakeColumn(
            vouch::ClusteredVectors(1, 60, kDim, vouch::Metric::kL2), kDim, vouch::Metric::kL2);
        // Few links, so that some nodes stand on upper levels.
        return *vouch::BuildGraph(column, {.m = 4, .ef_construction = 20, .ef_search = 20}, 1,
                                  [](double) { return absl::OkStatus(); });
      }());
  return *graph;
}

}  // namespace

std::vector<std::string> FuzzSeeds() { return {std::string(BuiltGraph().bytes())}; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto owner = std::make_shared<vouch::AlignedBuffer>(size);
  if (size > 0) std::memcpy(owner->data(), data, size);
  // The codes belong to no other object: they live as long as the graph that was built.
  const std::shared_ptr<const vouch::VectorCodes> codes(std::shared_ptr<const void>(),
                                                        &BuiltGraph().codes());
  const auto graph = vouch::Graph::Parse(owner->view(), codes, owner);
  if (!graph.ok()) return 0;
  const float query[kDim] = {1, 2, 3, 4, 5};
  uint64_t distances = 0;
  vouch::WalkScratch scratch;
  codes->Encode(query, scratch.query);
  const vouch::BeamEntry start = (*graph)->Descend(scratch.query, distances);
  for (const vouch::BeamEntry& entry : (*graph)->Walk(scratch.query, start, 20, scratch, distances)) {
    if (entry.node() >= codes->nodes()) std::abort();
  }
  uint32_t places[vouch::Graph::kMaxAround];
  for (const uint32_t node : (*graph)->Around(start.node(), places)) {
    if (node >= codes->nodes()) std::abort();
  }
  const vouch::CellTable& cells = (*graph)->cells();
  if (cells.cells() > 0) cells.Keys(scratch.query, scratch.cell_keys);
  for (uint32_t cell = 0; cell < cells.cells(); ++cell) {
    for (const uint32_t node : cells.nodes(cell)) {
      if (node >= codes->nodes()) std::abort();
    }
  }
  return 0;
}
