#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/dense/beam.h"
#include "index/dense/cell_order.h"
#include "index/dense/vector_codes.h"

namespace vouch {

inline constexpr uint32_t kNoNode = 0xFFFFFFFFu;
inline constexpr uint32_t kMaxLinks = 2 * 128;  // of a node and level

// What a walk needs beside graph and codes; one a thread.
struct WalkScratch {
  VisitedMarks visited;
  Beam beam;
  CodeQuery query;
  std::vector<BeamEntry> allowed;
  std::vector<float> cell_keys;
  KeyOrder cell_order;
};

// Puts the nodes, at most kMaxLinks, into the beam by their keys.
inline void InsertScored(const VectorCodes& codes, const CodeQuery& query, std::span<const uint32_t> nodes, Beam& beam) {
  float keys[kMaxLinks];
  codes.Keys(query, nodes, keys);
  BeamEntry near[kMaxLinks];
  size_t count = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    near[count] = BeamEntry::Make(keys[i], nodes[i]);
    count += keys[i] > beam.limit() ? 0 : 1;
  }
  beam.InsertAll({near, count});
}

// The nodes of one level nearest to the query by code that a best-first search finds (Malkov and Yashunin 2018,
// algorithm 2), from what the beam holds on. `links(node)` gives a span of neighbours that ends at the first kNoNode.
// All new neighbours of a node are prefetched before the first is scored.
template <typename Links>
void WalkLevel(const VectorCodes& codes, const CodeQuery& query, const Links& links, VisitedMarks& visited, Beam& beam,
               uint64_t& distances) {
  uint32_t fresh[kMaxLinks];
  uint32_t node = 0;
  while (beam.TakeNext(node)) {
    size_t count = 0;
    for (uint32_t neighbor : links(node)) {
      if (neighbor == kNoNode) break;
      if (!visited.Visit(neighbor)) continue;
      fresh[count++] = neighbor;
      codes.Prefetch(neighbor);
    }
    if (const BeamEntry* next = beam.PeekNext()) {
      const std::span<const uint32_t> next_links = links(next->node());
      for (size_t i = 0; i < next_links.size(); i += 16) __builtin_prefetch(next_links.data() + i);
    }
    distances += count;
    InsertScored(codes, query, {fresh, count}, beam);
  }
}

// From `best` to a node of the level none of whose neighbours is nearer.
template <typename Links>
BeamEntry DescendLevel(const VectorCodes& codes, const CodeQuery& query, const Links& links, BeamEntry best,
                       uint64_t& distances) {
  for (bool improved = true; improved;) {
    improved = false;
    const std::span<const uint32_t> neighbors = links(best.node());
    size_t count = 0;
    for (; count < neighbors.size() && neighbors[count] != kNoNode; ++count) codes.Prefetch(neighbors[count]);
    float keys[kMaxLinks];
    codes.Keys(query, neighbors.first(count), keys);
    distances += count;
    for (size_t i = 0; i < count; ++i) {
      const BeamEntry entry = BeamEntry::Make(keys[i], neighbors[i]);
      if (entry.bits >= best.bits) continue;
      best = entry;
      improved = true;
    }
  }
  return best;
}

}  // namespace vouch
