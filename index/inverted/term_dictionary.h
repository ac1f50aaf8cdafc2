#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/flat_codec.h"

namespace vouch {

// Distinct strings in byte order, numbered from 0 and kept end to end: 8 bytes a string above its
// own. Thread safety: const methods may run on any number of threads.
class TermDictionary {
 public:
  static constexpr size_t kNotFound = ~size_t{0};

  size_t size() const { return ends_.size(); }
  std::string_view term(size_t i) const {
    const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }
  // The number of the first string that is not less than `text`; size() where there is none.
  size_t LowerBound(std::string_view text) const {
    size_t low = 0;
    size_t high = size();
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (term(middle) < text) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  size_t Find(std::string_view text) const {
    const size_t i = LowerBound(text);
    return i < size() && term(i) == text ? i : kNotFound;
  }

  // `text` must be greater than all strings before.
  void Append(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
  }
  void Reserve(size_t terms, size_t bytes) {
    ends_.reserve(terms);
    bytes_.reserve(bytes);
  }
  void ShrinkToFit() {
    ends_.shrink_to_fit();
    bytes_.shrink_to_fit();
  }
  size_t memory_bytes() const { return ends_.capacity() * sizeof(uint64_t) + bytes_.capacity(); }

  // u64 strings, u64 bytes, the u64 ends, the bytes.
  void Write(FlatWriter* writer) const {
    writer->Number<uint64_t>(size());
    writer->Number<uint64_t>(bytes_.size());
    writer->Array(ends_);
    writer->Bytes(bytes_);
  }
  // False where the bytes are short, the ends do not rise to the end of the bytes, or the strings
  // do not ascend.
  bool Read(FlatReader* reader) {
    uint64_t count = 0;
    uint64_t bytes = 0;
    if (!reader->Number(&count) || !reader->Number(&bytes) || !reader->Array(count, &ends_) ||
        !reader->Bytes(bytes, &bytes_)) {
      return false;
    }
    uint64_t previous = 0;
    for (uint64_t end : ends_) {
      if (end < previous || end > bytes) return false;
      previous = end;
    }
    if (previous != bytes) return false;
    for (size_t i = 1; i < ends_.size(); ++i) {
      if (!(term(i - 1) < term(i))) return false;
    }
    return true;
  }

 private:
  std::string bytes_;
  std::vector<uint64_t> ends_;
};

}  // namespace vouch
