#pragma once

#include <cstdint>
#include <span>

#include "index/dense/beam.h"
#include "index/dense/vector_codes.h"

namespace vouch {

inline constexpr uint32_t kNoNode = 0xFFFFFFFFu;
inline constexpr uint32_t kMaxLinks = 2 * 128;  // of a node and level

// What a walk needs beside graph and codes; one a thread.
struct WalkScratch {
  VisitedMarks visited;
  Beam beam;
  CodeQuery query;
};

// The nodes of one level nearest to the query by code that a best-first search finds (Malkov and Yashunin 2018,
// algorithm 2), from what the beam holds on. `links(node)` gives a span of neighbours that ends at the first kNoNode.
// All new neighbours of a node are prefetched before the first is scored, and scored four at a time.
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
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
      float keys[4];
      codes.KeyFour(query, fresh + i, keys);
      for (size_t j = 0; j < 4; ++j) beam.Insert(BeamEntry::Make(keys[j], fresh[i + j]));
    }
    for (; i < count; ++i) beam.Insert(BeamEntry::Make(codes.Key(query, fresh[i]), fresh[i]));
  }
}

// From `best` to a node of the level none of whose neighbours is nearer.
template <typename Links>
BeamEntry DescendLevel(const VectorCodes& codes, const CodeQuery& query, const Links& links, BeamEntry best,
                       uint64_t& distances) {
  for (bool improved = true; improved;) {
    improved = false;
    const std::span<const uint32_t> neighbors = links(best.node());
    for (uint32_t neighbor : neighbors) {
      if (neighbor == kNoNode) break;
      codes.Prefetch(neighbor);
    }
    for (uint32_t neighbor : neighbors) {
      if (neighbor == kNoNode) break;
      const BeamEntry entry = BeamEntry::Make(codes.Key(query, neighbor), neighbor);
      ++distances;
      if (entry.bits < best.bits) {
        best = entry;
        improved = true;
      }
    }
  }
  return best;
}

}  // namespace vouch
