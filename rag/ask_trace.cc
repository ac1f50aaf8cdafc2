#include "rag/ask_trace.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "rag/pipeline.h"
#include "rag/telemetry/span.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr char kProvider[] = "vouchdb";

Span ChildOf(const Answer& answer, std::string name, Span::Kind kind, int64_t start_us, int64_t end_us) {
  Span span;
  span.name = std::move(name);
  span.kind = kind;
  span.context = NewSpan(answer.trace);
  span.parent = answer.trace.span;
  span.start_us = start_us;
  span.end_us = end_us;
  return span;
}

void SetError(const absl::Status& status, Span* span) {
  if (status.ok()) return;
  span->error = ToStd(status.message());
  span->Set("error.type", absl::StatusCodeToString(status.code()));
}

// "http://host:8080/v1" → server.address and server.port.
void SetServer(std::string_view url, Span* span) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return;
  const bool tls = url.starts_with("https");
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  int64_t port = tls ? 443 : 80;
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos &&
      absl::SimpleAtoi(ToAbsl(host.substr(colon + 1)), &port)) {
    host = host.substr(0, colon);
  }
  span->Set("server.address", std::string(host));
  span->Set("server.port", port);
}

// What was sent beside the messages, by the conventions' names.
void SetParameters(const std::string& parameters, Span* span) {
  const auto json = nlohmann::json::parse(parameters, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  for (const char* key : {"temperature", "top_p", "frequency_penalty", "presence_penalty"}) {
    if (json.contains(key) && json[key].is_number())
      span->Set(Concat("gen_ai.request.", key), json[key].get<double>());
  }
  for (const auto& [key, name] : {std::pair{"max_tokens", "max_tokens"}, std::pair{"max_completion_tokens", "max_tokens"},
                                  std::pair{"seed", "seed"}, std::pair{"top_k", "top_k"}}) {
    if (json.contains(key) && json[key].is_number_integer())
      span->Set(Concat("gen_ai.request.", name), json[key].get<int64_t>());
  }
}

void RecordChat(const AskRequest& request, const Answer& answer, const ModelAttempt& attempt,
                const Generation* generation) {
  if (attempt.started_us == 0) return;  // no model was asked
  Span span = ChildOf(answer, Concat("chat ", attempt.model), Span::Kind::kClient, attempt.started_us, attempt.ended_us);
  span.Set("gen_ai.operation.name", std::string("chat"));
  span.Set("gen_ai.provider.name", std::string("openai"));  // the wire format
  span.Set("gen_ai.request.model", attempt.model);
  SetServer(attempt.endpoint, &span);
  if (attempt.usage.prompt_tokens + attempt.usage.completion_tokens > 0) {
    span.Set("gen_ai.usage.input_tokens", static_cast<int64_t>(attempt.usage.prompt_tokens));
    span.Set("gen_ai.usage.output_tokens", static_cast<int64_t>(attempt.usage.completion_tokens));
  }
  span.Set("vouchdb.model.tier", attempt.tier);
  if (attempt.outcome != "ok") {
    span.error = attempt.outcome.substr(0, attempt.outcome.find(':'));  // what follows may quote the prompt
    span.Set("error.type", attempt.outcome.substr(0, attempt.outcome.find(':')));
  } else if (generation != nullptr) {
    span.Set("gen_ai.request.stream", true);
    SetParameters(generation->parameters, &span);
    if (!generation->response_model.empty()) span.Set("gen_ai.response.model", generation->response_model);
    if (!generation->finish_reason.empty())
      span.Set("gen_ai.response.finish_reasons", std::vector<std::string>{generation->finish_reason});
    span.Set("gen_ai.prompt.name", generation->prompt_id);
    span.Set("gen_ai.prompt.version", generation->prompt_hash);
  }
  request.tracer->Record(std::move(span));
}

void RecordRetrieval(const AskRequest& request, const Answer& answer, const absl::Status& status) {
  // Without a length, retrieval is what failed.
  const bool failed = answer.retrieve_us == 0 && !status.ok();
  Span span = ChildOf(answer, Concat("retrieval ", answer.collection), Span::Kind::kClient, answer.time_us,
                      answer.time_us + answer.retrieve_us);
  span.Set("gen_ai.operation.name", std::string("retrieval"));
  span.Set("gen_ai.provider.name", std::string(kProvider));
  span.Set("gen_ai.data_source.id", answer.collection);
  span.Set("gen_ai.request.top_k", static_cast<int64_t>(answer.context_chunks));
  span.Set("vouchdb.collection.version", static_cast<int64_t>(answer.version.value));
  span.Set("vouchdb.retrieval.mode", answer.mode);
  span.Set("vouchdb.retrieval.hits", static_cast<int64_t>(answer.hits.size()));
  if (failed) SetError(status, &span);
  request.tracer->Record(std::move(span));
}

}  // namespace

void RecordEmbedding(const AskRequest& request, const Answer& answer, uint32_t dim, int64_t start_us, int64_t end_us,
                     const absl::Status& status) {
  // "openai/MODEL?dim=…" → MODEL
  const bool remote = answer.embedder.starts_with("openai/");
  std::string model = answer.embedder.substr(0, answer.embedder.find_first_of("?#"));
  if (remote) model = model.substr(7);
  Span span = ChildOf(answer, Concat("embeddings ", model), remote ? Span::Kind::kClient : Span::Kind::kInternal, start_us, end_us);
  span.Set("gen_ai.operation.name", std::string("embeddings"));
  span.Set("gen_ai.provider.name", std::string(remote ? "openai" : kProvider));
  span.Set("gen_ai.request.model", model);
  if (dim > 0) span.Set("gen_ai.embeddings.dimension.count", static_cast<int64_t>(dim));
  SetError(status, &span);
  request.tracer->Record(std::move(span));
}

void RecordAsk(const AskRequest& request, const Answer& answer, int64_t end_us, const absl::Status& status) {
  if (!answer.collection.empty()) RecordRetrieval(request, answer, status);
  for (const Rewrite& rewrite : answer.rewrites) {
    for (const ModelAttempt& attempt : rewrite.attempts) RecordChat(request, answer, attempt, nullptr);
  }
  if (answer.generation) {
    for (const ModelAttempt& attempt : answer.generation->attempts)
      RecordChat(request, answer, attempt, &*answer.generation);
  }
  const std::string workflow = !answer.pipeline.empty() ? answer.pipeline : request.collection;
  Span span;
  span.name = Concat("invoke_workflow ", workflow);
  span.kind = Span::Kind::kServer;
  span.context = answer.trace;
  span.parent = request.parent.valid() ? request.parent.span : std::array<uint8_t, 8>{};
  span.start_us = answer.time_us;
  span.end_us = end_us;
  span.Set("gen_ai.operation.name", std::string("invoke_workflow"));
  span.Set("gen_ai.provider.name", std::string(kProvider));
  if (!answer.pipeline.empty()) span.Set("vouchdb.pipeline", answer.pipeline);
  span.Set("vouchdb.collection", answer.collection.empty() ? request.collection : answer.collection);
  if (status.ok()) {
    span.Set("gen_ai.response.id", answer.id);
    span.Set("vouchdb.answer.abstained", answer.abstained);
    span.Set("vouchdb.answer.citations", static_cast<int64_t>(answer.citations.size()));
    span.Set("vouchdb.generator", answer.generator);
  }
  SetError(status, &span);
  request.tracer->Record(std::move(span));
}

}  // namespace vouch
