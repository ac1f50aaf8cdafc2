#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rag/embed/embedder.h"

namespace vouch {

struct OpenAiEmbedderOptions {
  std::string base_url;  // "http://127.0.0.1:11434/v1"
  std::string model;
  uint32_t dim = 0;
  std::string api_key;  // never part of the id, never printed
  uint32_t batch = 64;  // texts a request, at most 2,048
  int64_t timeout_ms = 60'000;
  int retries = 3;  // of 429, 5xx and connection errors, with growing pauses; Retry-After is kept
};

// POST base_url/embeddings, encoding_format float; takes base64 too. Checks count, indexes and
// dimension of the reply.
absl::StatusOr<std::shared_ptr<const Embedder>> CreateOpenAiEmbedder(OpenAiEmbedderOptions options);

}  // namespace vouch
