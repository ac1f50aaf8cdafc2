#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"

namespace vouch {

// Text to vectors. Thread safe.
class Embedder {
 public:
  virtual ~Embedder() = default;

  // Names model and parameters exactly; equal ids give equal vectors for builtin ones:
  // "builtin/lsa?dim=300#<content hash of the model>", "builtin/hash?dim=256",
  // "openai/MODEL?dim=N&base_url=…".
  virtual std::string id() const = 0;
  virtual uint32_t dim() const = 0;
  // One vector of `dim` floats a text, in order; an empty vector where the text has nothing to
  // embed (no known term). UNAVAILABLE and DEADLINE_EXCEEDED may be tried again; INVALID_ARGUMENT
  // not.
  virtual absl::StatusOr<std::vector<std::vector<float>>> Embed(
      std::span<const std::string> texts, const CancelToken& cancel) const = 0;
};

}  // namespace vouch
