#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace vouch {

// A node and its key as one integer that sorts by (key, node): 32 bits of order-preserving float, 31 bits of node, and
// the walk's own mark in bit 0.
struct BeamEntry {
  uint64_t bits = 0;

  static BeamEntry Make(float key, uint32_t node) {
    const auto raw = std::bit_cast<uint32_t>(key);
    const uint32_t ordered = (raw & 0x80000000u) != 0 ? ~raw : raw | 0x80000000u;
    return {uint64_t{ordered} << 32 | uint64_t{node} << 1};
  }
  uint32_t node() const { return static_cast<uint32_t>(bits) >> 1; }
  float key() const {
    const auto ordered = static_cast<uint32_t>(bits >> 32);
    return std::bit_cast<float>((ordered & 0x80000000u) != 0 ? ordered & 0x7FFFFFFFu : ~ordered);
  }
};

// Which nodes a walk has seen: a node is seen where its mark equals the walk's. Marks of a byte keep the table in
// cache; it is cleared once in 255 walks. Bounded by the nodes of the largest graph walked.
class VisitedMarks {
 public:
  void Begin(size_t nodes) {
    if (marks_.size() < nodes) marks_.resize(nodes, 0);
    if (++current_ == 0) {
      std::fill(marks_.begin(), marks_.end(), uint8_t{0});
      current_ = 1;
    }
  }
  // True the first time.
  bool Visit(uint32_t node) {
    if (marks_[node] == current_) return false;
    marks_[node] = current_;
    return true;
  }

 private:
  std::vector<uint8_t> marks_;
  uint8_t current_ = 0;
};

// The `ef` best entries seen, ascending; the mark of an entry says that its neighbours were looked at. Reused from walk
// to walk, so that a walk allocates nothing.
class Beam {
 public:
  // Entries of a key above `limit` are not worth inserting.
  void Begin(size_t ef, float limit = std::numeric_limits<float>::infinity()) {
    ef_ = std::max<size_t>(1, ef);
    limit_ = limit;
    size_ = 0;
    next_ = 0;
    if (storage_.size() < ef_ + 1) storage_.resize(ef_ + 1);
  }

  // An entry of a greater key is not worth inserting: the beam is full of better ones, or it was begun so.
  float limit() const { return limit_; }

  void Insert(BeamEntry entry) {
    BeamEntry* entries = storage_.data();
    if (size_ == ef_ && entry.bits >= (entries[size_ - 1].bits & ~uint64_t{1})) return;
    const size_t position = MakePlace(entry);
    entries[position] = entry;
    next_ = std::min(next_, position);
    if (size_ == ef_) limit_ = std::min(limit_, entries[size_ - 1].key());
  }

  // As if each of `batch`, which it sorts, was inserted; what they push back is moved once, not once for each.
  void InsertAll(std::span<BeamEntry> batch) {
    if (batch.empty()) return;
    if (batch.size() == 1) return Insert(batch[0]);
    std::sort(batch.begin(), batch.end(), [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
    if (storage_.size() < ef_ + batch.size()) storage_.resize(ef_ + batch.size());
    BeamEntry* entries = storage_.data();
    // How many of the old and of the batch are among the best.
    size_t old = size_, fresh = batch.size();
    while (old + fresh > ef_) {
      const bool old_last = old > 0 && (entries[old - 1].bits & ~uint64_t{1}) > batch[fresh - 1].bits;
      --(old_last ? old : fresh);
    }
    size_ = old + fresh;
    size_t end = old;  // old entries from here on are in their place
    for (size_t i = fresh; i-- > 0;) {
      const BeamEntry* at = std::lower_bound(entries, entries + end, batch[i],
                                             [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
      const auto position = static_cast<size_t>(at - entries);
      std::memmove(entries + position + i + 1, entries + position, (end - position) * sizeof(BeamEntry));
      entries[position + i] = batch[i];
      next_ = std::min(next_, position + i);
      end = position;
    }
    if (size_ == ef_) limit_ = std::min(limit_, entries[size_ - 1].key());
  }

  // Marks and gives the best entry that is not marked; false where all are.
  bool TakeNext(uint32_t& node) {
    SkipMarked();
    if (next_ == size_) return false;
    storage_[next_].bits |= 1;
    node = storage_[next_].node();
    return true;
  }
  // The entry that TakeNext gives if no better one is inserted before.
  const BeamEntry* PeekNext() {
    SkipMarked();
    return next_ == size_ ? nullptr : &storage_[next_];
  }
  std::span<const BeamEntry> entries() const { return {storage_.data(), size_}; }

 private:
  // Short moves are cheaper entry by entry than by a call.
  static constexpr size_t kShort = 32;

  // Moves what comes after the entry, of which the last is lost where the beam is full, and gives its place.
  size_t MakePlace(BeamEntry entry) {
    BeamEntry* entries = storage_.data();
    const size_t old = size_ < ef_ ? size_++ : size_ - 1;
    if (old <= kShort) {
      size_t position = old;
      for (; position > 0 && entries[position - 1].bits > entry.bits; --position) entries[position] = entries[position - 1];
      return position;
    }
    BeamEntry* at = std::lower_bound(entries, entries + old, entry, [](BeamEntry a, BeamEntry b) { return a.bits < b.bits; });
    std::memmove(at + 1, at, static_cast<size_t>(entries + old - at) * sizeof(BeamEntry));
    return static_cast<size_t>(at - entries);
  }
  void SkipMarked() {
    while (next_ < size_ && (storage_[next_].bits & 1) != 0) ++next_;
  }

  std::vector<BeamEntry> storage_;
  size_t size_ = 0;
  size_t ef_ = 1;
  float limit_ = std::numeric_limits<float>::infinity();
  size_t next_ = 0;  // entries before it are marked
};

}  // namespace vouch
