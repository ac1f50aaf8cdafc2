#pragma once

#include <cstdint>

namespace vouch {

// Bytes that an index holds, by structure. Each is what the structure asked for; what the allocator
// adds is not in it.
struct MemoryAccount {
  uint64_t ids = 0;
  uint64_t access = 0;
  uint64_t vectors =
      0;  // those in private memory: of fresh rows, or where no file could be written or mapped
  uint64_t vector_tables = 0;  // which rows have vectors, and the checksums of mapped ones
  uint64_t codes = 0;
  uint64_t graph = 0;
  uint64_t postings = 0;
  uint64_t payload = 0;
  uint64_t visibility = 0;  // retired rows, and the masks kept of them
  uint64_t mapped_vectors =
      0;  // in files: the system caches what it has room for, and takes it back when it needs it

  // All but the mapped bytes.
  uint64_t private_bytes() const {
    return ids + access + vectors + vector_tables + codes + graph + postings + payload + visibility;
  }
  MemoryAccount& operator+=(const MemoryAccount& other) {
    ids += other.ids;
    access += other.access;
    vectors += other.vectors;
    vector_tables += other.vector_tables;
    codes += other.codes;
    graph += other.graph;
    postings += other.postings;
    payload += other.payload;
    visibility += other.visibility;
    mapped_vectors += other.mapped_vectors;
    return *this;
  }
};

}  // namespace vouch
