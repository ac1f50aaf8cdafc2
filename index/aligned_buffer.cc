#include "index/aligned_buffer.h"

#include <cstdint>
#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
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

void AlignedBuffer::Trim(size_t size) {
  if (size >= size_) return;
#ifdef __linux__
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(data_) + size + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(data_) + size_) / page * page;
  if (begin < end) static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
#endif
  size_ = size;
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

}  // namespace vouch
