#include "rag/eval/results_lock.h"

namespace vouch {

std::mutex& ResultsLock() {
  static auto& lock = *new std::mutex();
  return lock;
}

}  // namespace vouch
