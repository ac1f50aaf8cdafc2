#pragma once

#include <functional>
#include <string_view>

#include "absl/status/status.h"

namespace vouch {

class Store;

// The answers of a store one by one, for what looks at many of them. Thread safe; lives as long as
// the store.
class AnswerRecords {
 public:
  static AnswerRecords& Of(Store& store);
  virtual ~AnswerRecords() = default;

  // Calls `visit` with each answer of a tenant, newest first, until it returns false.
  virtual absl::Status ScanAnswers(
      std::string_view tenant,
      const std::function<bool(std::string_view id, std::string_view record)>& visit) const = 0;
};

}  // namespace vouch
