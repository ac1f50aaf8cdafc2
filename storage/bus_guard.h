#pragma once

#include <cstddef>

namespace vouch {

// Ranges of memory in which a page that cannot be read (its file was cut, its device failed) reads
// as zeros, where the system would end the process by SIGBUS. Whoever guards a range checks what it
// reads.
//
// One handler for the process, installed by the first Add and kept. On a SIGBUS of the kernel at an
// address in a guarded range it maps zeros from that page to the range's end, so that a range never
// has more than two mappings however many of its pages are gone, and the read is done again. Every
// other SIGBUS goes to the handler that was there before, or ends the process as by default.
//
// Invariants:
// 1. The handler takes no lock, allocates nothing and makes one system call, mmap; errno is as it
// was.
// 2. Ranges lie in a fixed table of kMaxRanges, each place claimed and freed by atomic words: Add
// and Remove may run on
//    any threads, beside the handler. A range is removed only when no thread reads it any more.
// 3. A program that installs a handler of its own later must pass on what it does not know.
class BusGuard {
 public:
  static constexpr size_t kMaxRanges = 4096;

  // `begin` is at a page's begin, `bytes` > 0. False where the table is full: nothing is guarded
  // then.
  [[nodiscard]] static bool Add(const void* begin, size_t bytes);
  // A range that was added, before it is unmapped.
  static void Remove(const void* begin);
};

}  // namespace vouch
