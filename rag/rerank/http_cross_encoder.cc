#include "rag/rerank/http_cross_encoder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "rag/http/http_client.h"
#include "rag/http/http_error.h"
#include "rag/http/post_with_retries.h"
#include "rag/rerank/rerank_reply.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

// Of a reply besides documents that a server sends back unasked.
constexpr size_t kReplyBytes = size_t{1} << 20;

std::string UrlOf(const HttpCrossEncoderOptions& options) {
  const std::string& endpoint = options.endpoint;
  if (endpoint.ends_with("/rerank")) return endpoint;
  if (endpoint.ends_with("/v1") || endpoint.ends_with("/v2")) return Concat(endpoint, "/rerank");
  return Concat(endpoint, options.shape == RerankShape::kCohere ? "/v2/rerank" : "/v1/rerank");
}

class HttpCrossEncoder final : public CrossEncoder {
 public:
  explicit HttpCrossEncoder(HttpCrossEncoderOptions options)
      : options_(std::move(options)),
        url_(UrlOf(options_)),
        id_(Concat(RerankShapeName(options_.shape), "/", options_.model,
                   "?url=", UrlWithoutSecrets(url_),
                   "&max_document_bytes=", options_.max_document_bytes)) {}

  std::string id() const override { return id_; }
  std::string document_path() const override { return options_.document_path; }
  size_t max_document_bytes() const override { return options_.max_document_bytes; }

  absl::StatusOr<std::vector<double>> Score(const std::string& question,
                                            std::span<const std::string> documents,
                                            const CancelToken& cancel) const override {
    std::vector<double> scores;
    scores.reserve(documents.size());
    for (size_t begin = 0; begin < documents.size(); begin += options_.batch) {
      const auto batch =
          documents.subspan(begin, std::min<size_t>(options_.batch, documents.size() - begin));
      const absl::StatusOr<std::vector<double>> part = ScoreBatch(question, batch, cancel);
      if (!part.ok()) return part.status();
      scores.insert(scores.end(), part->begin(), part->end());
    }
    return scores;
  }

 private:
  absl::StatusOr<std::vector<double>> ScoreBatch(const std::string& question,
                                                 std::span<const std::string> documents,
                                                 const CancelToken& cancel) const {
    Json body = {{"model", options_.model}, {"query", question}, {"documents", Json::array()}};
    size_t document_bytes = 0;
    for (const std::string& document : documents) {
      body["documents"].push_back(document);
      document_bytes += document.size();
    }
    body["top_n"] = documents.size();
    if (options_.shape == RerankShape::kJina) body["return_documents"] = false;
    HttpRequest request{
        .url = url_,
        .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
        .body = body.dump(-1, ' ', false, Json::error_handler_t::replace),
        .timeout_ms = options_.timeout_ms,
        .silence_ms = 2 * options_.timeout_ms,  // the timeout alone
        // A byte is six as \u00XX.
        .max_reply_bytes = kReplyBytes + 6 * document_bytes};
    if (!options_.api_key.empty()) {
      request.headers.emplace_back("Authorization", Concat("Bearer ", options_.api_key));
    }
    const absl::StatusOr<std::string> reply = PostWithRetries(
        http_, request, {.retries = options_.retries, .first_pause_ms = options_.first_pause_ms},
        cancel);
    if (!reply.ok()) {
      const absl::Status ended = cancel.Check();
      return ended.ok() ? Explain(reply.status()) : ended;
    }
    absl::StatusOr<std::vector<double>> scores = ParseRerankReply(*reply, documents.size());
    if (scores.ok()) return scores;
    return Explain(absl::Status(
        scores.status().code(),
        Concat(UrlWithoutSecrets(url_), ": ", ToStd(scores.status().message()))));
  }

  // Says which model; a server that repeats the key in its message does not get it printed. What a
  // server refuses is no fault of the one who asked us.
  absl::Status Explain(const absl::Status& failure) const {
    const bool passing = IsWorthRetrying(failure) || absl::IsResourceExhausted(failure);
    return absl::Status(
        passing ? failure.code() : absl::StatusCode::kFailedPrecondition,
        WithoutSecret(Concat("rerank model ", options_.model, " at ", ToStd(failure.message())),
                      options_.api_key));
  }

  const HttpCrossEncoderOptions options_;
  const std::string url_;
  const std::string id_;
  const HttpClient http_;
};

absl::Status CheckNumber(std::string_view name, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("cross-encoder: ", name, " is ", value, "; it takes ", min, " to ", max));
}

absl::Status Validate(const HttpCrossEncoderOptions& options) {
  const auto bad = [](std::string_view what) {
    return absl::InvalidArgumentError(Concat("cross-encoder: ", what));
  };
  if (!options.endpoint.starts_with("http://") && !options.endpoint.starts_with("https://")) {
    return bad(Concat("endpoint is \"", Escape(UrlWithoutSecrets(options.endpoint)),
                      "\"; expected http://… or https://…"));
  }
  if (options.model.empty()) return bad("the model's name is empty");
  if (!IsValidUtf8(options.model) || !IsValidUtf8(options.endpoint) ||
      !IsValidUtf8(options.document_path)) {
    return bad("model, endpoint or document path is not UTF-8");
  }
  if (options.api_key.find_first_of("\r\n") != std::string::npos)
    return bad("the api_key has a line break");
  absl::Status status = CheckNumber("batch", options.batch, 1, HttpCrossEncoderOptions::kMaxBatch);
  if (status.ok()) {
    status = CheckNumber("max_document_bytes", options.max_document_bytes, 4,
                         static_cast<int64_t>(CrossEncoder::kMaxDocumentBytes));
  }
  if (status.ok()) {
    status = CheckNumber("timeout_ms", options.timeout_ms, 1, HttpCrossEncoderOptions::kMaxTimeoutMs);
  }
  if (status.ok()) {
    status = CheckNumber("retries", options.retries, 0, HttpCrossEncoderOptions::kMaxRetries);
  }
  if (status.ok()) {
    status = CheckNumber("first_pause_ms", options.first_pause_ms, 0, RetryPolicy::kMaxPauseMs);
  }
  return status;
}

}  // namespace

std::string_view RerankShapeName(RerankShape shape) {
  switch (shape) {
    case RerankShape::kCohere:
      return "cohere";
    case RerankShape::kJina:
      return "jina";
  }
  return "";
}

absl::StatusOr<std::shared_ptr<const CrossEncoder>> CreateHttpCrossEncoder(
    HttpCrossEncoderOptions options) {
  while (!options.endpoint.empty() && options.endpoint.back() == '/') options.endpoint.pop_back();
  if (absl::Status status = Validate(options); !status.ok()) return status;
  return std::make_shared<const HttpCrossEncoder>(std::move(options));
}

}  // namespace vouch
