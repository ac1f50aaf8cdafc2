#include "index/aligned_buffer.h"

#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace vouch {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) {
  if (size == 0) return;
  const bool huge = size >= 2 * kHugePageBytes;
  const size_t alignment = huge ? kHugePageBytes : kAlignment;
  if (size > SIZE_MAX - alignment) return;
  const size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) return;
#ifdef __linux__
  // Advice only: where the system has no huge pages the buffer works all the same.
  if (huge) static_cast<void>(::madvise(memory, rounded, MADV_HUGEPAGE));
#endif
  data_ = static_cast<char*>(memory);
  size_ = size;
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

}  // namespace vouch
