#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "index/dense/vector_truth.h"
#include "storage/mapped_file.h"

namespace vouch {

// XXH3-64 of a vector's bytes.
uint64_t VectorChecksum(std::string_view bytes);

// The vectors of one dense field as they lie in a mapped segment file, one after the other. A
// checksum of each is in private memory since the file was opened or written, so whatever happens
// to the file is noticed: damage, zeros in the place of what was cut off, and other vectors that
// would be right elsewhere.
//
// Immutable but for the file's bytes, thread safe.
//
// Invariant: a vector is used only from a copy that had its checksum, never from the file's bytes,
// which may change between two looks.
class MappedVectors {
 public:
  struct Place {
    std::shared_ptr<const MappedFile> file;
    size_t offset = 0;   // of the first vector in `file`
    uint32_t field = 0;  // the dense field's ordinal
    std::shared_ptr<VectorTruth> truth;
  };

  // `place` has at least checksums.size() vectors of `vector_bytes` from its offset on; `checksums`
  // lie in `owner`.
  MappedVectors(size_t vector_bytes, std::span<const uint64_t> checksums,
                std::shared_ptr<const void> owner, Place place)
      : bytes_(vector_bytes),
        begin_(place.file->data() + place.offset),
        checksums_(checksums),
        owner_(std::move(owner)),
        place_(std::move(place)) {}

  uint32_t nodes() const { return static_cast<uint32_t>(checksums_.size()); }
  std::span<const uint64_t> checksums() const { return checksums_; }
  uint64_t mapped_bytes() const { return checksums_.size() * bytes_; }
  uint32_t field() const { return place_.field; }
  VectorTruth& truth() const { return *place_.truth; }

  // Copies the node's vector to `out`; false where the copy is not what was written.
  bool Copy(uint32_t node, char* out) const {
    std::memcpy(out, begin_ + node * bytes_, bytes_);
    return VectorChecksum({out, bytes_}) == checksums_[node];
  }
  void Prefetch(uint32_t node) const {
    const char* at = begin_ + node * bytes_;
    for (size_t line = 0; line < bytes_ && line < kPrefetchBytes; line += 64)
      __builtin_prefetch(at + line);
    __builtin_prefetch(at + bytes_ - 1);
    __builtin_prefetch(&checksums_[node]);
  }
  // Says that the nodes [begin, end) are read next, in order.
  void WillNeed(uint32_t begin, uint32_t end) const {
    place_.file->WillNeed(place_.offset + begin * bytes_, (end - begin) * bytes_);
  }

 private:
  static constexpr size_t kPrefetchBytes = 1024;  // the processor follows the rest by itself

  size_t bytes_;  // of a vector
  const char* begin_;
  std::span<const uint64_t> checksums_;
  std::shared_ptr<const void> owner_;
  Place place_;
};

}  // namespace vouch
