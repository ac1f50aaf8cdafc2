#include "storage/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>

namespace vouch {
namespace {

// 0: free; 1: being filled in or emptied; else the first address.
struct Range {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
};
constexpr uintptr_t kFree = 0;
constexpr uintptr_t kClaimed = 1;

constinit Range ranges[BusGuard::kMaxRanges];
constinit std::atomic<size_t> used{0};  // places from here on were never claimed
constinit std::atomic<uintptr_t> page_bytes{4096};
struct sigaction previous;  // written before the handler is installed

static_assert(std::atomic<uintptr_t>::is_always_lock_free, "a signal handler may take no lock");

// True where `at` lies in a range, and zeros are mapped from its page on.
bool MapZeros(uintptr_t at) {
  const size_t count = used.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    const uintptr_t begin = ranges[i].begin.load(std::memory_order_acquire);
    const uintptr_t end = ranges[i].end.load(std::memory_order_acquire);
    if (begin <= kClaimed || at < begin || at >= end) continue;
    const uintptr_t page = at & ~(page_bytes.load(std::memory_order_relaxed) - 1);
    // The call itself: sanitizers put functions of their own, with locks, in the place of mmap.
    const long mapped = ::syscall(SYS_mmap, page, end - page, PROT_READ,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    return static_cast<uintptr_t>(mapped) == page;
  }
  return false;
}

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
    return previous.sa_handler(signal);
  if (previous.sa_handler == SIG_IGN && info->si_code <= 0) return;  // sent by a process
  // Held back until this handler returns, and then ends the process.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  ::raise(signal);
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool unreadable = info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR;
  if (!unreadable || !MapZeros(reinterpret_cast<uintptr_t>(info->si_addr)))
    PassOn(signal, info, context);
  errno = error;
}

bool Install() {
  page_bytes.store(static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)), std::memory_order_relaxed);
  if (::sigaction(SIGBUS, nullptr, &previous) != 0) return false;
  struct sigaction ours = {};
  ours.sa_sigaction = OnBusError;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  return ::sigaction(SIGBUS, &ours, nullptr) == 0;
}

}  // namespace

bool BusGuard::Add(const void* begin, size_t bytes) {
  static const bool installed = Install();
  if (!installed) return false;
  const uintptr_t page = page_bytes.load(std::memory_order_relaxed);
  const auto first = reinterpret_cast<uintptr_t>(begin);
  for (size_t i = 0; i < kMaxRanges; ++i) {
    uintptr_t expected = kFree;
    if (!ranges[i].begin.compare_exchange_strong(expected, kClaimed, std::memory_order_acq_rel))
      continue;
    ranges[i].end.store((first + bytes + page - 1) & ~(page - 1), std::memory_order_release);
    ranges[i].begin.store(first, std::memory_order_release);
    size_t known = used.load(std::memory_order_relaxed);
    while (known < i + 1 && !used.compare_exchange_weak(known, i + 1, std::memory_order_release)) {
    }
    return true;
  }
  return false;
}

void BusGuard::Remove(const void* begin) {
  const auto first = reinterpret_cast<uintptr_t>(begin);
  for (Range& range : ranges) {
    uintptr_t expected = first;
    if (range.begin.load(std::memory_order_acquire) != first) continue;
    if (!range.begin.compare_exchange_strong(expected, kClaimed, std::memory_order_acq_rel))
      continue;
    range.end.store(0, std::memory_order_release);
    range.begin.store(kFree, std::memory_order_release);
    return;
  }
}

}  // namespace vouch
