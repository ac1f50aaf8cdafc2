#include "index/dense/faiss_guard.h"

#include <omp.h>

#include <exception>
#include <new>

#include "absl/strings/str_cat.h"

namespace vouch {

absl::Status GuardFaiss(const std::function<absl::Status()>& body) {
  omp_set_num_threads(1);  // a setting of the calling thread only
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory for building an index");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("FAISS: ", error.what()));
  }
}

}  // namespace vouch
