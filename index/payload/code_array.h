#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "index/flat_codec.h"

namespace vouch {

// Places in a dictionary, in as few bytes each as the dictionary's size allows: 1, 2 or 4. Plain value; not thread
// safe while written.
class CodeArray {
 public:
  // Calls visit with the vector of uint8_t, uint16_t or uint32_t.
  template <typename F>
  auto Visit(F visit) const {
    return width_ == 1 ? visit(bytes_) : width_ == 2 ? visit(shorts_) : visit(words_);
  }
  template <typename F>
  auto Visit(F visit) {
    return width_ == 1 ? visit(bytes_) : width_ == 2 ? visit(shorts_) : visit(words_);
  }

  CodeArray() = default;
  // For `count` codes below `distinct`, all 0.
  CodeArray(size_t count, uint64_t distinct) : width_(WidthFor(distinct)) {
    Visit([count](auto& codes) { codes.resize(count); });
  }

  static int WidthFor(uint64_t distinct) { return distinct <= 0x100 ? 1 : distinct <= 0x10000 ? 2 : 4; }

  size_t size() const {
    return Visit([](const auto& codes) { return codes.size(); });
  }
  uint32_t operator[](size_t i) const {
    return width_ == 1 ? bytes_[i] : width_ == 2 ? shorts_[i] : words_[i];
  }
  void Set(size_t i, uint32_t code) {
    Visit([&](auto& codes) {
      codes[i] = static_cast<typename std::remove_reference_t<decltype(codes)>::value_type>(code);
    });
  }
  // The codes alone; a reader knows their number and the dictionary's size.
  void Write(FlatWriter* writer) const {
    Visit([&](const auto& codes) { writer->Array(codes); });
  }
  // False where bytes are missing; codes are not compared with `distinct`.
  bool Read(FlatReader* reader, uint64_t count, uint64_t distinct) {
    width_ = WidthFor(distinct);
    return Visit([&](auto& codes) { return reader->Array(count, &codes); });
  }
  size_t memory_bytes() const { return bytes_.capacity() + 2 * shorts_.capacity() + 4 * words_.capacity(); }

 private:
  int width_ = 1;
  std::vector<uint8_t> bytes_;
  std::vector<uint16_t> shorts_;
  std::vector<uint32_t> words_;
};

}  // namespace vouch
