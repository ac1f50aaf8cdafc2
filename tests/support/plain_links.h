#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "index/dense/build_help.h"
#include "index/gpu/kernels/link_order.h"
#include "storage/schema.h"

namespace vouch {

// Added from the first value to the last.
inline float PlainDistance(const std::vector<float>& a, const std::vector<float>& b, Metric metric) {
  float sum = 0;
  const bool product = metric == Metric::kInnerProduct;
  for (size_t i = 0; i < a.size(); ++i) sum += product ? a[i] * b[i] : (a[i] - b[i]) * (a[i] - b[i]);
  return product ? -sum : sum;
}

// A node's links as ChooseLinks defines them, in the order of devices, by comparing all. `vector(node)` gives its values, or a reference
// to them.
template <typename VectorOf>
std::vector<uint32_t> PlainLinks(const VectorOf& vector, Metric metric, uint32_t own, std::span<const uint32_t> others,
                                 LinkCounts counts) {
  const auto& from = vector(own);
  std::vector<std::pair<float, uint32_t>> candidates;
  for (const uint32_t other : others) {
    if (gpu::LinkOrder(other) >= gpu::LinkOrder(own)) continue;
    candidates.emplace_back(PlainDistance(from, vector(other), metric), gpu::LinkName(own, other));
  }
  const size_t count = std::min(candidates.size(), counts.candidates);
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end());
  candidates.resize(count);
  std::vector<uint32_t> links;
  for (const auto& [distance, name] : candidates) {
    if (links.size() == counts.links) break;
    const uint32_t candidate = gpu::LinkName(own, name);
    const auto& at = vector(candidate);
    const auto nearer = [&, bound = distance](uint32_t link) {
      const float between = PlainDistance(at, vector(link), metric);
      const bool copies = metric == Metric::kInnerProduct
                              ? between == PlainDistance(at, at, metric) && between == PlainDistance(vector(link), vector(link), metric)
                              : between == 0;
      return between < bound || copies;
    };
    if (std::none_of(links.begin(), links.end(), nearer)) links.push_back(candidate);
  }
  links.resize(counts.links, 0xFFFFFFFFu);
  return links;
}

// Of all nodes of all levels.
template <typename VectorOf>
ChooseLinks PlainLinksOf(const VectorOf& vector, Metric metric) {
  return [vector, metric](const DenseColumn&, std::span<const NodeGroups> levels, LinkCounts counts, const BuildProgress&)
             -> absl::StatusOr<std::vector<std::vector<uint32_t>>> {
    std::vector<std::vector<uint32_t>> links(levels.size());
    for (size_t level = 0; level < levels.size(); ++level) {
      for (size_t group = 0; group < levels[level].groups(); ++group) {
        const std::vector<uint32_t> others = levels[level].OthersOf(group);
        for (const uint32_t own : levels[level].NodesOf(group)) {
          const std::vector<uint32_t> chosen = PlainLinks(vector, metric, own, others, counts);
          links[level].insert(links[level].end(), chosen.begin(), chosen.end());
        }
      }
    }
    return links;
  };
}

// As FindEntries defines them, of one row.
inline std::vector<uint8_t> PlainEntries(const CodeBooks& books, std::span<const float> row) {
  std::vector<uint8_t> nearest;
  for (uint32_t group = 0; group < books.groups; ++group) {
    std::vector<std::pair<float, uint8_t>> distances;
    for (uint8_t entry = 0; entry < 16; ++entry) {
      float sum = 0;
      for (uint32_t d = 0; d < books.size; ++d) {
        const float difference = row[group * books.size + d] - books.entries[(group * 16 + entry) * books.size + d];
        sum += difference * difference;
      }
      distances.emplace_back(sum, entry);
    }
    nearest.push_back(std::min_element(distances.begin(), distances.end())->second);
  }
  return nearest;
}

}  // namespace vouch
