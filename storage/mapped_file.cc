#include "storage/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "storage/bus_guard.h"

namespace vouch {

MappedFile::MappedFile(void* mapping, size_t mapped_bytes, size_t skipped)
    : mapping_(mapping),
      mapped_bytes_(mapped_bytes),
      data_(static_cast<const char*>(mapping) + skipped),
      size_(mapped_bytes - skipped) {}

MappedFile::~MappedFile() {
  BusGuard::Remove(mapping_);
  (void)::munmap(mapping_, mapped_bytes_);
}

std::shared_ptr<const MappedFile> MappedFile::Map(int descriptor, uint64_t offset, uint64_t size,
                                                  int& error) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t skipped = offset % page;
  if (size == 0 || size > SIZE_MAX - page) {
    error = EINVAL;
    return nullptr;
  }
  void* mapping = ::mmap(nullptr, size + skipped, PROT_READ, MAP_SHARED, descriptor,
                         static_cast<off_t>(offset - skipped));
  if (mapping == MAP_FAILED) {
    error = errno;
    return nullptr;
  }
  if (!BusGuard::Add(mapping, size + skipped)) {
    (void)::munmap(mapping, size + skipped);
    error = EMFILE;
    return nullptr;
  }
  // Reading ahead at random places would only push out what others need.
  (void)::madvise(mapping, size + skipped, MADV_RANDOM);
  return std::shared_ptr<const MappedFile>(new MappedFile(mapping, size + skipped, skipped));
}

void MappedFile::WillNeed(size_t offset, size_t size) const {
  if (offset >= size_) return;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = static_cast<size_t>(data_ - static_cast<const char*>(mapping_)) + offset;
  const size_t aligned = begin / page * page;
  const size_t bytes = std::min(size, size_ - offset) + (begin - aligned);
  (void)::madvise(static_cast<char*>(mapping_) + aligned, bytes, MADV_WILLNEED);
}

}  // namespace vouch
