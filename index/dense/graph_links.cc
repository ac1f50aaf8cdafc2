#include "index/dense/graph_links.h"

#include <algorithm>

namespace vouch {

void LinkChooser::SetCandidates(uint32_t node, std::span<const uint32_t> nodes, LinkScratch& scratch) const {
  codes_.EncodeNode(node, scratch.query);
  scratch.candidates.clear();
  for (const uint32_t other : nodes) scratch.candidates.push_back(BeamEntry::Make(codes_.Key(scratch.query, other), other));
  std::sort(scratch.candidates.begin(), scratch.candidates.end(), [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
}

void LinkChooser::Choose(uint32_t node, size_t count, LinkScratch& scratch) const {
  scratch.links.clear();
  if (scratch.chosen.size() < count) scratch.chosen.resize(count);
  const float own = has_length_ ? codes_.bias(node) : 0.0f;
  for (const BeamEntry& candidate : scratch.candidates) {
    if (scratch.links.size() == count) break;
    const float distance = candidate.key() + own;
    bool nearer = true;
    for (size_t i = 0; i < scratch.links.size() && nearer; ++i) {
      const float length = has_length_ ? codes_.bias(scratch.links[i]) : 0.0f;
      nearer = codes_.Key(scratch.chosen[i], candidate.node()) + length >= distance;
    }
    if (!nearer) continue;
    codes_.EncodeNode(candidate.node(), scratch.chosen[scratch.links.size()]);
    scratch.links.push_back(candidate.node());
  }
}

void LinkChooser::AddBackLinks(uint32_t target, std::span<const uint32_t> sources, uint32_t level, LinkScratch& scratch) const {
  const std::span<uint32_t> places = graph_.Links(target, level);
  const auto used = static_cast<size_t>(std::find(places.begin(), places.end(), kNoNode) - places.begin());
  std::vector<uint32_t>& all = scratch.links;
  all.assign(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(used));
  for (const uint32_t source : sources) {
    const auto there = places.begin() + static_cast<std::ptrdiff_t>(used);
    if (std::find(places.begin(), there, source) == there) all.push_back(source);
  }
  if (all.size() > places.size()) {
    SetCandidates(target, all, scratch);
    Choose(target, places.size(), scratch);
  }
  std::fill(std::copy(all.begin(), all.end(), places.begin()), places.end(), kNoNode);
}

}  // namespace vouch
