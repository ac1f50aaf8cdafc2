#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "query/cross_encoder.h"

namespace vouch {

enum class RerankShape : uint8_t {
  kCohere,  // POST /v2/rerank
  kJina,    // POST /v1/rerank
};
std::string_view RerankShapeName(RerankShape shape);  // "cohere", "jina"

struct HttpCrossEncoderOptions {
  RerankShape shape = RerankShape::kCohere;
  std::string endpoint = {};  // "https://api.cohere.com", "http://127.0.0.1:8080/v1", "…/rerank"
  std::string model = {};
  std::string api_key = {};        // never part of the id, never printed
  std::string document_path = {};  // CrossEncoder::document_path
  uint32_t max_document_bytes = 8'192;
  uint32_t batch = 100;         // texts a request, 1 … kMaxBatch; more: fewer, longer requests
  int64_t timeout_ms = 10'000;  // of one request
  // As RetryPolicy. Someone waits for the answer, so there are few.
  int retries = 1;
  int64_t first_pause_ms = 250;

  static constexpr uint32_t kMaxBatch = 1'000;
  static constexpr int64_t kMaxTimeoutMs = 600'000;
  static constexpr int kMaxRetries = 10;
};

// A cross-encoder behind HTTP (rag/rerank/README.md). INVALID_ARGUMENT names the option, its value
// and what it takes.
absl::StatusOr<std::shared_ptr<const CrossEncoder>> CreateHttpCrossEncoder(
    HttpCrossEncoderOptions options);

}  // namespace vouch
