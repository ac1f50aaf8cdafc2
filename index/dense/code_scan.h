#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "index/dense/beam.h"
#include "index/dense/cell_order.h"
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
  // All of [begin, end), which lie in memory one after the other.
  void AddAll(uint32_t begin, uint32_t end) {
    float keys[kAtOnce];
    for (; begin < end; begin += kAtOnce) {
      const size_t count = end - begin < kAtOnce ? end - begin : kAtOnce;
      codes_.KeysOf(codes_.code(begin), query_, {keys, count});
      Insert(keys, count, [&](uint32_t place) { return begin + place; });
      compared_ += count;
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
  static constexpr size_t kAtOnce = 256;

  // Asks for what came in, compares what was asked for before, and takes up anew there.
  void Turn() {
    for (size_t i = 0; i < size_[at_]; ++i) codes_.Prefetch(nodes_[at_][i]);
    at_ ^= 1;
    const size_t count = size_[at_];
    float keys[kPlaces];
    codes_.Keys(query_, {nodes_[at_], count}, keys);
    Insert(keys, count, [&](uint32_t place) { return nodes_[at_][place]; });
    compared_ += count;
    size_[at_] = 0;
  }

  static constexpr size_t kPlaces = 2 * kAhead + kFilterSlack;

  template <typename NodeOf>
  void Insert(const float* keys, size_t count, const NodeOf& node_of) {
    uint32_t places[kAtOnce + kFilterSlack];
    const size_t within =
        range_(keys, count, std::numeric_limits<float>::quiet_NaN(), beam_.limit(), places);
    for (size_t i = 0; i < within; ++i) {
      if (keys[places[i]] > beam_.limit()) continue;
      beam_.Insert(BeamEntry::Make(keys[places[i]], node_of(places[i])));
    }
  }

  const VectorCodes& codes_;
  const CodeQuery& query_;
  Beam& beam_;
  const KeyRange range_ = BestKeyRange();
  const NodeFilter filter_ = BestNodeFilter();
  uint32_t nodes_[2][kPlaces];
  size_t size_[2] = {0, 0};
  size_t at_ = 0;
  uint64_t compared_ = 0;
};

}  // namespace vouch
