#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"

namespace vouch {

// A model that reads a question and a text together and says how well the one answers the other
// (Nogueira and Cho, "Passage Re-ranking with BERT", 2019). Thread safe. Made above this layer.
class CrossEncoder {
 public:
  virtual ~CrossEncoder() = default;

  // Names model and server exactly, and holds no secret: "cohere/rerank-v3.5?base_url=https://…".
  virtual std::string id() const = 0;
  // The payload's path of the texts it reads; empty: of the collection's text field.
  virtual std::string document_path() const = 0;
  // What it reads of a text, 1 … kMaxDocumentBytes; the rest is not sent.
  virtual size_t max_document_bytes() const = 0;

  // One finite score a document, in their order; greater is better. UNAVAILABLE and
  // DEADLINE_EXCEEDED: no reply, or none in time. FAILED_PRECONDITION: the server refused, or its
  // reply is wrong. RESOURCE_EXHAUSTED: the reply is too long. Else the end of `cancel`.
  virtual absl::StatusOr<std::vector<double>> Score(const std::string& question,
                                                    std::span<const std::string> documents,
                                                    const CancelToken& cancel) const = 0;

  static constexpr size_t kMaxDocumentBytes = size_t{64} << 10;
};

// By the names that requests have for them.
using CrossEncoders = std::map<std::string, std::shared_ptr<const CrossEncoder>, std::less<>>;

// An empty name takes the only one. INVALID_ARGUMENT lists those there are.
absl::StatusOr<const CrossEncoder*> FindCrossEncoder(const CrossEncoders& encoders,
                                                     std::string_view name);

}  // namespace vouch
