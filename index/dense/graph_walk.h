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

// Puts the nodes into the beam by their keys, computed four at a time.
inline void InsertScored(const VectorCodes& codes, const CodeQuery& query, std::span<const uint32_t> nodes, Beam& beam) {
  size_t i = 0;
  for (; i + 4 <= nodes.size(); i += 4) {
    float keys[4];
    codes.KeyFour(query, nodes.data() + i, keys);
    for (size_t j = 0; j < 4; ++j) beam.Insert(BeamEntry::Make(keys[j], nodes[i + j]));
  }
  for (; i < nodes.size(); ++i) beam.Insert(BeamEntry::Make(codes.Key(query, nodes[i]), nodes[i]));
}

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
    InsertScored(codes, query, {fresh, count}, beam);
  }
}

// One step of a walk among allowed nodes only: scores the node's new allowed neighbours, and those of its neighbours that
// are not allowed until there are as many as a node has on average, so that the allowed nodes stay connected where they are
// few ("ACORN", Patel and others, 2024).
template <typename Links, typename Allowed>
void ExpandAllowed(const VectorCodes& codes, const CodeQuery& query, const Links& links, const Allowed& allowed,
                   uint32_t node, VisitedMarks& visited, Beam& beam, uint64_t& distances) {
  uint32_t fresh[kMaxLinks];
  uint32_t through[kMaxLinks];
  size_t count = 0;
  size_t passed = 0;
  for (uint32_t neighbor : links(node)) {
    if (neighbor == kNoNode) break;
    if (!visited.Visit(neighbor)) continue;
    if (allowed(neighbor)) {
      fresh[count++] = neighbor;
      codes.Prefetch(neighbor);
    } else {
      through[passed++] = neighbor;
      __builtin_prefetch(links(neighbor).data());
    }
  }
  const size_t enough = links(node).size() / 2;
  for (size_t i = 0; i < passed && count < enough; ++i) {
    for (uint32_t neighbor : links(through[i])) {
      if (neighbor == kNoNode || count == enough) break;
      if (!allowed(neighbor) || !visited.Visit(neighbor)) continue;
      fresh[count++] = neighbor;
      codes.Prefetch(neighbor);
    }
  }
  InsertScored(codes, query, {fresh, count}, beam);
  distances += count;
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
