#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/dense/beam.h"
#include "index/dense/node_filter.h"
#include "index/dense/vector_codes.h"

namespace vouch {

// Compares nodes by code in the order given and puts the best into a beam. What comes in is asked
// of memory some dozens of nodes before it is compared.
class CodeScan {
 public:
  // All outlive the scan; the beam was begun.
  CodeScan(const VectorCodes& codes, const CodeQuery& query, Beam& beam)
      : codes_(codes), query_(query), beam_(beam) {}

  void Add(uint32_t node) {
    nodes_[at_][size_[at_]++] = node;
    if (size_[at_] >= kAhead) Turn();
  }
  // Those of `nodes` whose bit is set.
  void AddSet(const uint64_t* bits, std::span<const uint32_t> nodes) {
    for (size_t i = 0; i < nodes.size(); i += kAhead) {
      const size_t count = nodes.size() - i < kAhead ? nodes.size() - i : kAhead;
      size_[at_] += filter_(bits, nodes.data() + i, count, nodes_[at_] + size_[at_]);
      if (size_[at_] >= kAhead) Turn();
    }
  }
  void Finish() {
    Turn();
    Turn();
  }
  // So many were given.
  uint64_t added() const { return compared_ + size_[0] + size_[1]; }

 private:
  static constexpr size_t kAhead = 64;

  // Asks for what came in, compares what was asked for before, and takes up anew there.
  void Turn() {
    for (size_t i = 0; i < size_[at_]; ++i) codes_.Prefetch(nodes_[at_][i]);
    at_ ^= 1;
    const size_t count = size_[at_];
    float keys[kPlaces];
    codes_.Keys(query_, {nodes_[at_], count}, keys);
    for (size_t i = 0; i < count; ++i) {
      if (keys[i] > beam_.limit()) continue;
      beam_.Insert(BeamEntry::Make(keys[i], nodes_[at_][i]));
    }
    compared_ += count;
    size_[at_] = 0;
  }

  static constexpr size_t kPlaces = 2 * kAhead + kFilterSlack;

  const VectorCodes& codes_;
  const CodeQuery& query_;
  Beam& beam_;
  const NodeFilter filter_ = BestNodeFilter();
  uint32_t nodes_[2][kPlaces];
  size_t size_[2] = {0, 0};
  size_t at_ = 0;
  uint64_t compared_ = 0;
};

}  // namespace vouch
