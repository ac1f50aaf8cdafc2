#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "rag/pipeline.h"

namespace re2 {
class RE2;
}  // namespace re2

namespace vouch {

// The patterns of a pipeline's record step. Each matched byte becomes an asterisk, so that spans go on to name the same
// bytes. RE2's time is linear in the text, whatever the pattern.
class Redaction {
 public:
  // INVALID_ARGUMENT names the pattern and what is wrong with it.
  static absl::StatusOr<Redaction> Create(const RecordStep& step);

  // How many places were covered.
  uint32_t Cover(std::string* text) const;
  // Covers question, conversation, rewrites, prompt, completion, problems, answer and quotes, and counts in
  // `redacted`. Where the question has a place covered, the terms that its search was explained by go, too, and
  // the filter is covered.
  void Cover(Answer* answer) const;

 private:
  std::vector<std::shared_ptr<const re2::RE2>> patterns_;
};

}  // namespace vouch
