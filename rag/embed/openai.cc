#include "rag/embed/openai.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "rag/embed/openai_reply.h"
#include "rag/http/http_client.h"
#include "rag/http/http_error.h"
#include "rag/http/post_with_retries.h"
#include "storage/concat.h"
#include "storage/schema.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint32_t kMaxBatch = 2'048;
constexpr int64_t kMaxTimeoutMs = 3'600'000;

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

class OpenAiEmbedder final : public Embedder {
 public:
  explicit OpenAiEmbedder(OpenAiEmbedderOptions options)
      : options_(std::move(options)),
        url_(Concat(options_.base_url, "/embeddings")),
        id_(Concat("openai/", options_.model, "?dim=", options_.dim,
                   options_.request_dim ? "&request_dim=true" : "",
                   "&base_url=", UrlWithoutSecrets(options_.base_url))) {}

  std::string id() const override { return id_; }
  uint32_t dim() const override { return options_.dim; }

  absl::StatusOr<std::vector<std::vector<float>>> Embed(std::span<const std::string> texts,
                                                        const CancelToken& cancel) const override {
    std::vector<std::vector<float>> vectors(texts.size());
    std::vector<size_t> asked;  // those that have something to embed
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!IsValidUtf8(texts[i]))
        return absl::InvalidArgumentError(Concat("text ", i, " to embed is not UTF-8"));
      if (!IsBlank(texts[i])) asked.push_back(i);
    }
    for (size_t begin = 0; begin < asked.size(); begin += options_.batch) {
      const auto batch =
          std::span(asked).subspan(begin, std::min<size_t>(options_.batch, asked.size() - begin));
      absl::StatusOr<std::vector<std::vector<float>>> embedded = EmbedBatch(texts, batch, cancel);
      if (!embedded.ok()) return embedded.status();
      for (size_t i = 0; i < batch.size(); ++i) vectors[batch[i]] = std::move((*embedded)[i]);
    }
    return vectors;
  }

 private:
  absl::StatusOr<std::vector<std::vector<float>>> EmbedBatch(std::span<const std::string> texts,
                                                             std::span<const size_t> batch,
                                                             const CancelToken& cancel) const {
    Json body = {{"model", options_.model}, {"input", Json::array()}, {"encoding_format", "float"}};
    for (size_t at : batch) body["input"].push_back(texts[at]);
    if (options_.request_dim) body["dimensions"] = options_.dim;
    HttpRequest request{
        .url = url_,
        .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
        .body = body.dump(-1, ' ', false, Json::error_handler_t::replace),
        .timeout_ms = options_.timeout_ms,
        // A float takes up to some 25 bytes of JSON.
        .max_reply_bytes = (size_t{1} << 20) + batch.size() * options_.dim * 32};
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
    absl::StatusOr<std::vector<std::vector<float>>> vectors =
        ParseEmbeddingsReply(*reply, batch.size(), options_.dim);
    if (!vectors.ok()) {
      return Explain(
          absl::Status(vectors.status().code(),
                       Concat(UrlWithoutSecrets(url_), ": ", ToStd(vectors.status().message()))));
    }
    return vectors;
  }

  // Says which model; a server that repeats the key in its message does not get it printed.
  absl::Status Explain(const absl::Status& failure) const {
    std::string message =
        Concat("embedding model ", options_.model, " at ", ToStd(failure.message()));
    return absl::Status(failure.code(), WithoutSecret(std::move(message), options_.api_key));
  }

  const OpenAiEmbedderOptions options_;
  const std::string url_;
  const std::string id_;
  const HttpClient http_;
};

absl::Status Validate(const OpenAiEmbedderOptions& options) {
  const auto bad = [](std::string_view what) {
    return absl::InvalidArgumentError(Concat("openai embedder: ", what));
  };
  if (!options.base_url.starts_with("http://") && !options.base_url.starts_with("https://")) {
    return bad(Concat("the model server's base_url is \"",
                      Escape(UrlWithoutSecrets(options.base_url)),
                      "\"; expected http://… or https://…"));
  }
  if (options.model.empty()) return bad("the model's name is empty");
  if (!IsValidUtf8(options.model) || !IsValidUtf8(options.base_url))
    return bad("model or base_url is not UTF-8");
  if (options.api_key.find_first_of("\r\n") != std::string::npos)
    return bad("the api_key has a line break");
  if (options.dim == 0 || options.dim > Limits::kMaxDim) {
    return bad(Concat("dim is ", options.dim, "; it takes 1 to ", Limits::kMaxDim));
  }
  if (options.batch == 0 || options.batch > kMaxBatch) {
    return bad(Concat("batch is ", options.batch, "; it takes 1 to ", kMaxBatch));
  }
  if (options.timeout_ms < 1 || options.timeout_ms > kMaxTimeoutMs) {
    return bad(Concat("timeout_ms is ", options.timeout_ms, "; it takes 1 to ", kMaxTimeoutMs));
  }
  if (options.retries < 0 || options.retries > 10)
    return bad(Concat("retries is ", options.retries, "; it takes 0 to 10"));
  if (options.first_pause_ms < 0 || options.first_pause_ms > RetryPolicy::kMaxPauseMs) {
    return bad(Concat("first_pause_ms is ", options.first_pause_ms, "; it takes 0 to ",
                      RetryPolicy::kMaxPauseMs));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Embedder>> CreateOpenAiEmbedder(
    OpenAiEmbedderOptions options) {
  while (!options.base_url.empty() && options.base_url.back() == '/') options.base_url.pop_back();
  if (absl::Status status = Validate(options); !status.ok()) return status;
  return std::make_shared<const OpenAiEmbedder>(std::move(options));
}

}  // namespace vouch
