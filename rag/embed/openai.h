#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rag/embed/embedder.h"

namespace vouch {

struct OpenAiEmbedderOptions {
  std::string base_url = {};  // "http://127.0.0.1:11434/v1"
  std::string model;
  uint32_t dim = 0;             // 1 … Limits::kMaxDim; what the model gives
  bool request_dim = false;     // send "dimensions": for models that can shorten their vectors
  std::string api_key = {};     // never part of the id, never printed
  uint32_t batch = 64;          // texts a request, 1 … 2,048
  int64_t timeout_ms = 60'000;  // of one request
  // Of 429, 408, 5xx, broken connections and timeouts, as RetryPolicy (rag/http/post_with_retries.h).
  int retries = 3;
  int64_t first_pause_ms = 250;
};

// POST base_url/embeddings with encoding_format float; takes base64 replies too. Checks count,
// indexes, dimension and finiteness of the reply. A text of white space alone gets an empty vector
// without asking the server.
//
// Embed's errors name the server and model: UNAVAILABLE and DEADLINE_EXCEEDED after the retries;
// UNAUTHENTICATED (401), PERMISSION_DENIED (403), NOT_FOUND (404: no such model or path),
// INVALID_ARGUMENT (other 4xx, or a wrong reply), each with the server's own message.
absl::StatusOr<std::shared_ptr<const Embedder>> CreateOpenAiEmbedder(OpenAiEmbedderOptions options);

}  // namespace vouch
