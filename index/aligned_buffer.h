#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace vouch {

// Bytes on the heap that start at a multiple of kAlignment, so that vector and neighbour arrays inside can be laid on
// cache lines. Large ones ask for huge pages: a graph walk touches memory at random, and would otherwise miss the TLB
// at nearly every vector. Not thread safe while written; shared as `shared_ptr<const AlignedBuffer>` after that.
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;

  AlignedBuffer() = default;
  // Uninitialised bytes. data() is null where the memory could not be had and size was not 0.
  explicit AlignedBuffer(size_t size);
  ~AlignedBuffer();
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  std::string_view view() const { return {data_, size_}; }
  // Gives back what lies behind the first `size` bytes, as far as whole pages go.
  void Trim(size_t size);

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

constexpr size_t AlignUp(size_t value) {
  return (value + AlignedBuffer::kAlignment - 1) / AlignedBuffer::kAlignment * AlignedBuffer::kAlignment;
}

}  // namespace vouch
