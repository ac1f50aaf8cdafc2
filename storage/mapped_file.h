#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace vouch {

// A part of a file, mapped to be read at random places: it takes no memory of the process but the
// system's cache.
//
// Anyone may change or cut the file at any moment, and the bytes here with it. So whoever reads
// them copies them first and checks the copy; what is gone reads as zeros (bus_guard.h) and never
// ends the process. A file that is removed or replaced by a rename stays here as it was.
//
// Immutable but for its bytes, thread safe.
class MappedFile {
 public:
  // Bytes [offset, offset + size) of an open file, which may be closed then; size > 0. Null, and
  // the system's number of the reason in `error`: EMFILE where as many are mapped as the guard has
  // places. Filesystem::MapFile makes a status of it.
  static std::shared_ptr<const MappedFile> Map(int descriptor, uint64_t offset, uint64_t size,
                                               int& error);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* data() const { return data_; }
  size_t size() const { return size_; }
  // Tells the system that the bytes [offset, offset + size) are read next, in order. Advice only.
  void WillNeed(size_t offset, size_t size) const;

 private:
  MappedFile(void* mapping, size_t mapped_bytes, size_t skipped);

  void* mapping_;  // at a page's begin
  size_t mapped_bytes_;
  const char* data_;
  size_t size_;
};

}  // namespace vouch
