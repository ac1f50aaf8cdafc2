#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/dense/graph_bytes.h"
#include "index/dense/graph_walk.h"

namespace vouch {

// What one thread needs to choose links.
struct LinkScratch {
  CodeQuery query;
  std::vector<BeamEntry> candidates;  // ascending, each once
  std::vector<CodeQuery> chosen;
  std::vector<uint32_t> links;
};

// Chooses the links of a graph by Malkov and Yashunin's heuristic (2018, algorithm 4), by code. Thread safe, but for the graph's
// links, of which each node's belong to one thread at a time.
class LinkChooser {
 public:
  LinkChooser(const VectorCodes& codes, Metric metric, const GraphBytes& graph)
      : codes_(codes), has_length_(metric != Metric::kInnerProduct), graph_(graph) {}

  // Puts into scratch.links up to `count` of the candidates, nearest first: those that are nearer to the node than to
  // every link chosen before.
  void Choose(uint32_t node, size_t count, LinkScratch& scratch) const;
  // Links `target` to all of the sources that it is not linked to. Where its places do not suffice, old and new links are chosen among
  // anew.
  void AddBackLinks(uint32_t target, std::span<const uint32_t> sources, uint32_t level, LinkScratch& scratch) const;

 private:
  // Makes `nodes` the candidates of `node`.
  void SetCandidates(uint32_t node, std::span<const uint32_t> nodes, LinkScratch& scratch) const;

  const VectorCodes& codes_;
  const bool has_length_;  // keys plus lengths are squared distances
  const GraphBytes& graph_;
};

}  // namespace vouch
