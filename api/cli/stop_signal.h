#pragma once

namespace vouch {

// SIGINT and SIGTERM for a program that stops in order; at most one object at a time.
//
// By handlers and not by a thread in sigwait: libraries have started threads before main (OpenBLAS
// does), which do not block these signals and would end the process by their default.
//
// Invariants:
// 1. Before Arm a signal ends the process at once, as it does by default: there is nothing to
// drain.
// 2. After Arm the first signal is given to Await, and every further one ends the process at once.
class StopSignal {
 public:
  StopSignal() = default;
  ~StopSignal();  // signals do what they do by default again
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void Arm();
  // Blocks until a signal comes; returns its number. After Arm, once.
  int Await();
  // Whether a signal has come, without waiting.
  bool Came() const;
};

}  // namespace vouch
