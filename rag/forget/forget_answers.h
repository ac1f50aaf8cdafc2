#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rag/answer.h"
#include "storage/store.h"

namespace vouch {

struct ForgottenTexts {
  uint64_t answers = 0;
  uint64_t texts = 0;
  uint64_t results = 0;  // of evaluations
};

// Erases a document's texts in all answers and results of evaluations of a tenant; `change` false only counts. Turns of
// conversations that repeat an answer to be erased go with it. Questions are the caller's and stay.
absl::Status ForgetInAnswers(Store& store, std::string_view tenant, std::string_view collection,
                             std::string_view document, bool change, const CancelToken& cancel,
                             ForgottenTexts* counts);

}  // namespace vouch
