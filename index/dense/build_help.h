#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/dense/vector_codes.h"

namespace vouch {

// Asked every few hundred rows with the share of the work done, 0 to 1; anything but OK ends the build with it.
using BuildProgress = std::function<absl::Status(double fraction)>;

// Nodes of a column in groups of near ones, and which groups lie near each other: where a graph's links are looked for.
struct NodeGroups {
  std::vector<uint32_t> nodes = {};  // group after group, each node at most once
  std::vector<uint32_t> start = {};  // of each group in `nodes`; the last one is their number
  // Of each group those that its nodes are compared with, itself among them.
  std::vector<std::vector<uint32_t>> near = {};

  size_t groups() const { return near.size(); }
  std::span<const uint32_t> NodesOf(size_t group) const {
    return std::span<const uint32_t>(nodes).subspan(start[group], start[group + 1] - start[group]);
  }
  // What a group's nodes are compared with: the nodes of those near it, of a larger one than kMostOfGroup (as copies of one vector make
  // it, which is near to many) so many, spread over it.
  static constexpr size_t kMostOfGroup = 131'072;
  std::vector<uint32_t> OthersOf(size_t group) const;
};
struct LinkCounts {
  size_t candidates = 0;  // the nearest that a node's links are chosen among
  size_t links = 0;       // chosen at most
};
// For each of the graph's levels the links of its nodes, by whoever finds them fast: counts.links places for each of nodes, in their
// order, kNoNode from the first free one on. As if nodes were inserted one after the other in a drawn order of the helper's (the nodes that
// come early link far, those that come late near), a node's links are chosen among the nodes that come before it, in the groups near its
// own: of the nearest those that are nearer to it than to every link before them (Malkov and Yashunin 2018, algorithm 4), and no copies of
// these. Nearly so will do. An error: the graph is built without. `progress` is asked on the way, on the caller's thread; what it says ends
// the choosing.
using ChooseLinks = std::function<absl::StatusOr<std::vector<std::vector<uint32_t>>>(
    const DenseColumn& column, std::span<const NodeGroups> levels, LinkCounts counts, const BuildProgress& progress)>;

// Records as VectorCodes::KeysOf takes them.
struct CodeRecords {
  const uint8_t* records = nullptr;
  uint32_t count = 0;
  size_t stride = 0;
};
// For each of the queries [0, count) that `query` makes, on any of so many threads, which of the records has the least key, the first of
// equal ones: just what VectorCodes::KeysOf gives, by whoever does it fast. An error: it is done here.
using AssignCodes = std::function<absl::StatusOr<std::vector<uint32_t>>(
    const CodeRecords& records, uint32_t count, int threads, const std::function<void(uint32_t i, CodeQuery& out)>& query)>;

// 16 entries for each group of a row's values, as product codes name them (ivf.h).
struct CodeBooks {
  const float* entries = nullptr;  // [groups][16][size]
  uint32_t groups = 0;
  uint32_t size = 0;               // values of a group
};
// For each group of each row, [row][groups][size], the entry that is nearest by squared distance, added from the first value to the last,
// the first of equal ones: [row][groups] to `nearest`, by whoever does it fast. Asked on several threads at once. ABORTED: there is no
// time for it just now; it is done here. Another error: likewise, and nothing is asked any more.
using FindEntries =
    std::function<absl::Status(const CodeBooks& books, std::span<const float> rows, std::span<uint8_t> nearest)>;

// Who helps building; empty: nobody.
struct DenseBuildHelp {
  ChooseLinks links = {};
  AssignCodes assign = {};
  FindEntries entries = {};
};

}  // namespace vouch
