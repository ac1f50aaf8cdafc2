#include "index/payload/value_index.h"

#include <roaring/containers/array.h>
#include <roaring/containers/bitset.h>
#include <roaring/containers/containers.h>
#include <roaring/containers/run.h>
#include <roaring/roaring.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace vouch {
namespace {

// A code has its own bitmap where codes are few and have this many rows each on average: less would cost more memory than
// row numbers.
constexpr uint32_t kMaxRoaringCodes = 4096;
constexpr uint64_t kMinRoaringRows = 128;
constexpr uint64_t kContainerBits = 65'536;

// Costs in postings, each a nanosecond or two: so many words are passed over in the time of one; going to another bitmap.
constexpr uint64_t kWordsAtOnce = 8;
constexpr uint64_t kBitmapVisit = 16;

template <bool kSet>
void Apply(uint64_t mask, uint64_t& word) {
  if constexpr (kSet) {
    word |= mask;
  } else {
    word &= ~mask;
  }
}

template <bool kSet>
void ApplyRun(uint64_t begin, uint64_t end, uint64_t* words) {
  for (uint64_t at = begin; at < end;) {
    const uint64_t stop = std::min(end, (at / 64 + 1) * 64);
    const uint64_t bits = stop - at;
    Apply<kSet>((bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1) << (at % 64), words[at / 64]);
    at = stop;
  }
}

// The containers as they lie: bitsets by words, arrays by elements. `words` stand for the rows [0, row_words * 64).
template <bool kSet>
void ApplyRoaring(const roaring_bitmap_t& bitmap, std::span<uint64_t> words) {
  const roaring_array_t& containers = bitmap.high_low_container;
  for (int32_t i = 0; i < containers.size; ++i) {
    const uint64_t first = containers.keys[i] * (kContainerBits / 64);
    uint64_t* const at = words.data() + first;
    switch (containers.typecodes[i]) {
      case BITSET_CONTAINER_TYPE_CODE: {
        const auto* bitset = static_cast<const bitset_container_t*>(containers.containers[i]);
        const uint64_t count = std::min<uint64_t>(kContainerBits / 64, words.size() - first);
        (kSet ? BestBitKernels().or_words : BestBitKernels().and_not_words)(at, bitset->array, count);
        break;
      }
      case ARRAY_CONTAINER_TYPE_CODE: {
        const auto* array = static_cast<const array_container_t*>(containers.containers[i]);
        for (int32_t j = 0; j < array->cardinality; ++j) {
          Apply<kSet>(uint64_t{1} << (array->array[j] % 64), at[array->array[j] / 64]);
        }
        break;
      }
      case RUN_CONTAINER_TYPE_CODE: {
        const auto* runs = static_cast<const run_container_t*>(containers.containers[i]);
        for (int32_t j = 0; j < runs->n_runs; ++j) {
          const uint64_t begin = runs->runs[j].value;
          ApplyRun<kSet>(begin, begin + runs->runs[j].length + 1, at);
        }
        break;
      }
    }
  }
}

// Calls visit(row, code) for each value, rows ascending.
template <typename Visit>
void ForEachValue(const CodeArray& codes, std::span<const uint32_t> ends, Visit visit) {
  codes.Visit([&](const auto& array) {
    if (ends.empty()) {
      for (size_t row = 0; row < array.size(); ++row) visit(static_cast<uint32_t>(row), uint32_t{array[row]});
      return;
    }
    uint32_t value = 0;
    for (size_t row = 0; row < ends.size(); ++row) {
      for (; value < ends[row]; ++value) visit(static_cast<uint32_t>(row), uint32_t{array[value]});
    }
  });
}

constexpr uint32_t kNone = 0xFFFFFFFFu;

}  // namespace

ValueIndex::~ValueIndex() = default;

void ValueIndex::FreeRoaring::operator()(roaring_bitmap_s* bitmap) const { roaring_bitmap_free(bitmap); }

std::unique_ptr<const ValueIndex> ValueIndex::Build(const CodeArray& codes, std::span<const uint32_t> ends,
                                                    uint32_t rows, uint32_t distinct) {
  std::unique_ptr<ValueIndex> index(new ValueIndex());
  index->rows_ = rows;
  index->distinct_ = distinct;
  index->CountPostings(codes, ends);
  index->FillPostings(codes, ends);
  index->MakeCheckpoints();
  const uint64_t postings = index->starts_.back();
  if (distinct <= kMaxRoaringCodes && postings >= kMinRoaringRows * distinct) index->MakeBitmaps();
  return index;
}

void ValueIndex::CountPostings(const CodeArray& codes, std::span<const uint32_t> ends) {
  starts_.assign(uint64_t{distinct_} + 1, 0);
  std::vector<uint32_t> last_row(ends.empty() ? 0 : distinct_, kNone);
  ForEachValue(codes, ends, [&](uint32_t row, uint32_t code) {
    if (!last_row.empty() && std::exchange(last_row[code], row) == row) return;
    ++starts_[code + 1];
  });
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
  present_rows_ = rows_;
  if (ends.empty()) return;
  present_ = Bitmap(rows_);
  uint32_t begin = 0;
  for (uint32_t row = 0; row < rows_; ++row) {
    if (ends[row] > begin) present_.Set(row);
    most_values_ = std::max(most_values_, ends[row] - begin);
    begin = ends[row];
  }
  single_ = most_values_ == 1;
  present_rows_ = present_.Count();
  if (present_rows_ == rows_) present_ = Bitmap();
}

void ValueIndex::FillPostings(const CodeArray& codes, std::span<const uint32_t> ends) {
  std::vector<uint32_t> next(starts_.begin(), starts_.end() - 1);
  postings_.resize(starts_.back());
  const bool may_repeat = !single_;
  ForEachValue(codes, ends, [&](uint32_t row, uint32_t code) {
    if (may_repeat && next[code] > starts_[code] && postings_[next[code] - 1] == row) return;
    postings_[next[code]++] = row;
  });
}

void ValueIndex::MakeBitmaps() {
  bitmaps_.reserve(distinct_);
  costs_.reserve(uint64_t{distinct_} + 1);
  costs_.push_back(0);
  for (uint32_t code = 0; code < distinct_; ++code) {
    const uint64_t count = starts_[code + 1] - starts_[code];
    const uint32_t* const first = postings_.data() + starts_[code];
    CodeRows& rows = bitmaps_.emplace_back();
    uint64_t cost = count;
    if (count >= rows_ / kWideShare) {
      rows.words = Bitmap(rows_);
      for (uint64_t i = 0; i < count; ++i) rows.words.Set(first[i]);
      cost = rows.words.words().size() / kWordsAtOnce;
    } else {
      rows.roaring.reset(roaring_bitmap_of_ptr(count, first));
      roaring_bitmap_run_optimize(rows.roaring.get());
      roaring_bitmap_shrink_to_fit(rows.roaring.get());
    }
    costs_.push_back(costs_.back() + kBitmapVisit + cost);
  }
  std::vector<uint32_t>().swap(postings_);
}

// Each multiple of a kCheckpoints-th of the postings, moved to a border between codes; a code that is wide has one on either
// side, so that no range has to mend it.
std::vector<uint32_t> ValueIndex::PickCheckpointCodes() const {
  std::vector<uint32_t> picked = {0};
  const uint64_t total = starts_.back();
  for (uint32_t i = 1; i < kCheckpoints; ++i) {
    const uint64_t target = total * i / kCheckpoints;
    const auto above = std::upper_bound(starts_.begin(), starts_.end(), target);
    const auto code = static_cast<uint32_t>(above - starts_.begin()) - 1;
    if (code > picked.back()) picked.push_back(code);
    const bool wide = code < distinct_ && starts_[code + 1] - starts_[code] > total / (2 * kCheckpoints);
    if (wide && code + 1 > picked.back()) picked.push_back(code + 1);
  }
  if (picked.back() != distinct_) picked.push_back(distinct_);
  return picked;
}

void ValueIndex::MakeCheckpoints() {
  Bitmap below(rows_);
  uint32_t code = 0;
  for (uint32_t next : PickCheckpointCodes()) {
    for (uint32_t i = starts_[code]; i < starts_[next]; ++i) below.Set(postings_[i]);
    code = next;
    checkpoints_.push_back({.code = code, .below = below, .at_or_above = Bitmap()});
  }
  if (single_) return;
  Bitmap above(rows_);
  for (auto checkpoint = checkpoints_.rbegin(); checkpoint != checkpoints_.rend(); ++checkpoint) {
    for (uint32_t i = starts_[checkpoint->code]; i < starts_[code]; ++i) above.Set(postings_[i]);
    code = checkpoint->code;
    checkpoint->at_or_above = above;
  }
}

RowBounds ValueIndex::Bounds(CodeRange range) const {
  if (range.low == 0 && range.high == distinct_) return {present_rows_, present_rows_};
  const uint64_t postings = Postings(range);
  if (single_) return {postings, postings};
  if (range.high <= range.low + 1) return {postings, postings};  // a row stands once under a code
  return {(postings + most_values_ - 1) / most_values_, std::min(postings, present_rows_)};
}

void ValueIndex::ApplyPostings(CodeRange range, bool set, Bitmap& rows) const {
  const std::span<uint64_t> words = rows.mutable_words();
  for (uint32_t code = range.low; code < range.high && !bitmaps_.empty(); ++code) {
    const CodeRows& of_code = bitmaps_[code];
    if (of_code.roaring == nullptr) {
      set ? rows.Or(of_code.words) : rows.AndNot(of_code.words);
    } else if (set) {
      ApplyRoaring<true>(*of_code.roaring, words);
    } else {
      ApplyRoaring<false>(*of_code.roaring, words);
    }
  }
  if (!bitmaps_.empty()) return;
  for (uint32_t i = starts_[range.low]; i < starts_[range.high]; ++i) {
    const uint64_t mask = uint64_t{1} << (postings_[i] % 64);
    if (set) {
      words[postings_[i] / 64] |= mask;
    } else {
      words[postings_[i] / 64] &= ~mask;
    }
  }
}

const ValueIndex::Checkpoint* ValueIndex::FirstAtOrAbove(uint32_t code) const {
  return &*std::lower_bound(checkpoints_.begin(), checkpoints_.end(), code,
                            [](const Checkpoint& checkpoint, uint32_t wanted) { return checkpoint.code < wanted; });
}

const ValueIndex::Checkpoint* ValueIndex::LastAtOrBelow(uint32_t code) const {
  const Checkpoint* above = FirstAtOrAbove(code);
  return above->code == code ? above : above - 1;
}

const ValueIndex::Checkpoint* ValueIndex::Nearest(uint32_t code) const {
  const Checkpoint* above = FirstAtOrAbove(code);
  if (above->code == code) return above;
  const Checkpoint* below = above - 1;
  return starts_[code] - starts_[below->code] <= starts_[above->code] - starts_[code] ? below : above;
}

void ValueIndex::AddSingle(CodeRange range, const Checkpoint* from, const Checkpoint* to, Bitmap& rows) const {
  const std::span<uint64_t> words = rows.mutable_words();
  BestBitKernels().difference(words.data(), to->below.words().data(), from->below.words().data(), words.size());
  if (from->code > range.low) ApplyPostings({range.low, from->code}, true, rows);
  if (from->code < range.low) ApplyPostings({from->code, range.low}, false, rows);
  if (to->code < range.high) ApplyPostings({to->code, range.high}, true, rows);
  if (to->code > range.high) ApplyPostings({range.high, to->code}, false, rows);
}

bool ValueIndex::AddFromCheckpoints(CodeRange range, Bitmap& rows) const {
  const uint64_t pass = rows.words().size() / kWordsAtOnce;
  const auto cost = [&](uint32_t low, uint32_t high) {
    if (low > high) std::swap(low, high);
    return costs_.empty() ? uint64_t{starts_[high]} - starts_[low] : costs_[high] - costs_[low];
  };
  const uint64_t direct = cost(range.low, range.high);
  if (single_) {
    const Checkpoint* from = Nearest(range.low);
    const Checkpoint* to = Nearest(range.high);
    if (from == to) return false;
    if (3 * pass + cost(from->code, range.low) + cost(to->code, range.high) >= direct) return false;
    AddSingle(range, from, to, rows);
    return true;
  }
  if (range.low != 0 && range.high != distinct_) return false;
  const bool from_below = range.low == 0;
  const Checkpoint* at = from_below ? LastAtOrBelow(range.high) : FirstAtOrAbove(range.low);
  if (2 * pass + cost(at->code, from_below ? range.high : range.low) >= direct) return false;
  rows.Or(from_below ? at->below : at->at_or_above);
  ApplyPostings(from_below ? CodeRange{at->code, range.high} : CodeRange{range.low, at->code}, true, rows);
  return true;
}

void ValueIndex::AddRows(CodeRange range, bool rows_empty, Bitmap& rows) const {
  if (range.low >= range.high) return;
  if (range.low == 0 && range.high == distinct_) {
    if (present_.size() == 0) {
      rows = Bitmap(rows_, true);
    } else {
      rows.Or(present_);
    }
    return;
  }
  if (rows_empty || !single_) {
    if (!AddFromCheckpoints(range, rows)) ApplyPostings(range, true, rows);
    return;
  }
  // A bitmap of its own costs as much as this many rows.
  const uint64_t direct = costs_.empty() ? Postings(range) : costs_[range.high] - costs_[range.low];
  if (direct <= rows.words().size() / kWordsAtOnce) return ApplyPostings(range, true, rows);
  // Mending clears bits, which must not be those of others.
  Bitmap own(rows_);
  if (AddFromCheckpoints(range, own)) {
    rows.Or(own);
  } else {
    ApplyPostings(range, true, rows);
  }
}

size_t ValueIndex::memory_bytes() const {
  size_t bytes = sizeof(*this) + present_.words().size_bytes() + starts_.capacity() * sizeof(uint32_t) +
                 postings_.capacity() * sizeof(uint32_t) + bitmaps_.capacity() * sizeof(CodeRows) +
                 costs_.capacity() * sizeof(uint64_t);
  for (const CodeRows& code : bitmaps_) {
    bytes += code.words.words().size_bytes();
    if (code.roaring == nullptr) continue;
    bytes += sizeof(roaring_bitmap_t) + roaring_bitmap_frozen_size_in_bytes(code.roaring.get());
  }
  for (const Checkpoint& checkpoint : checkpoints_) {
    bytes += sizeof(checkpoint) + checkpoint.below.words().size_bytes() + checkpoint.at_or_above.words().size_bytes();
  }
  return bytes;
}

}  // namespace vouch
