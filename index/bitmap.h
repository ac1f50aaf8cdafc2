#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vouch {

// Passes over words, by the widest instructions that the processor has. `to` and `from` are equally long.
struct BitKernels {
  size_t (*count)(const uint64_t* words, size_t size);
  void (*and_words)(uint64_t* to, const uint64_t* from, size_t size);
  void (*and_not_words)(uint64_t* to, const uint64_t* from, size_t size);
  void (*or_words)(uint64_t* to, const uint64_t* from, size_t size);
  // to = high & ~low
  void (*difference)(uint64_t* to, const uint64_t* high, const uint64_t* low, size_t size);
};
const BitKernels& BestBitKernels();

// Buffers that bitmaps leave are kept for the next ones, by thread: a search makes and drops a few of one size, and the
// heap would give their pages back to the system each time.
struct BitmapBuffers {
  static constexpr size_t kMaxKept = 8;                   // of a thread
  static constexpr size_t kMaxKeptBytes = size_t{2} << 20;  // of one buffer; larger ones are not kept

  static void* Take(size_t bytes);
  static void Leave(void* buffer, size_t bytes);
};

template <typename T>
struct BitmapAllocator {
  using value_type = T;
  BitmapAllocator() = default;
  template <typename U>
  BitmapAllocator(const BitmapAllocator<U>&) {}  // NOLINT: as allocators convert
  T* allocate(size_t count) { return static_cast<T*>(BitmapBuffers::Take(count * sizeof(T))); }
  void deallocate(T* buffer, size_t count) { BitmapBuffers::Leave(buffer, count * sizeof(T)); }
  friend bool operator==(const BitmapAllocator&, const BitmapAllocator&) { return true; }
};

// A fixed number of bits, one a row of a segment. Plain value; not thread safe while written.
class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(size_t size, bool value = false) : size_(size), words_((size + 63) / 64, value ? ~uint64_t{0} : 0) {
    TrimTail();
  }

  size_t size() const { return size_; }
  bool Test(size_t i) const { return (words_[i >> 6] >> (i & 63)) & 1; }
  void Set(size_t i) { words_[i >> 6] |= uint64_t{1} << (i & 63); }
  void Clear(size_t i) { words_[i >> 6] &= ~(uint64_t{1} << (i & 63)); }

  // Bits [64 · w, 64 · w + 64), the lowest first; those past the end are 0.
  uint64_t word(size_t w) const { return words_[w]; }

  size_t Count() const { return BestBitKernels().count(words_.data(), words_.size()); }
  // 64 bits a word, the lowest first; bits from size() on must stay clear.
  std::span<const uint64_t> words() const { return words_; }
  std::span<uint64_t> mutable_words() { return words_; }
  void And(const Bitmap& other) {
    BestBitKernels().and_words(words_.data(), other.words_.data(), words_.size());
  }
  void AndNot(const Bitmap& other) {
    BestBitKernels().and_not_words(words_.data(), other.words_.data(), words_.size());
  }
  void Or(const Bitmap& other) {
    BestBitKernels().or_words(words_.data(), other.words_.data(), words_.size());
  }
  void Invert() {
    for (uint64_t& word : words_) word = ~word;
    TrimTail();
  }
  // Calls visit(i) for each set bit, ascending.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t w = 0; w < words_.size(); ++w) {
      for (uint64_t word = words_[w]; word != 0; word &= word - 1) {
        visit(w * 64 + static_cast<size_t>(std::countr_zero(word)));
      }
    }
  }
  friend bool operator==(const Bitmap&, const Bitmap&) = default;

 private:
  void TrimTail() {
    if (size_ % 64 != 0 && !words_.empty()) words_.back() &= (uint64_t{1} << (size_ % 64)) - 1;
  }

  size_t size_ = 0;
  std::vector<uint64_t, BitmapAllocator<uint64_t>> words_;
};

}  // namespace vouch
