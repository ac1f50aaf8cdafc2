#include "rag/telemetry/otlp_exporter.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rag/http/http_error.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

struct ValueToJson {
  Json operator()(const std::string& value) const { return {{"stringValue", value}}; }
  Json operator()(int64_t value) const { return {{"intValue", std::to_string(value)}}; }
  Json operator()(double value) const { return {{"doubleValue", value}}; }
  Json operator()(bool value) const { return {{"boolValue", value}}; }
  Json operator()(const std::vector<std::string>& values) const {
    Json list = Json::array();
    for (const std::string& value : values) list.push_back({{"stringValue", value}});
    return {{"arrayValue", {{"values", std::move(list)}}}};
  }
};

Json Attribute(const std::string& key, const SpanValue& value) {
  return {{"key", key}, {"value", std::visit(ValueToJson(), value)}};
}

std::string Nanos(int64_t us) { return us <= 0 ? std::string("0") : Concat(us, "000"); }

Json SpanToJson(const Span& span) {
  Json attributes = Json::array();
  for (const auto& [key, value] : span.attributes) attributes.push_back(Attribute(key, value));
  SpanContext parent = span.context;
  parent.span = span.parent;
  constexpr int kOk = 0, kError = 2;  // unset and error, by OTLP's numbers
  Json json = {{"traceId", span.context.trace_text()}, {"spanId", span.context.span_text()}};
  if (span.parent != std::array<uint8_t, 8>{}) json["parentSpanId"] = parent.span_text();
  json["name"] = span.name;
  json["kind"] = static_cast<int>(span.kind);
  json["startTimeUnixNano"] = Nanos(span.start_us);
  json["endTimeUnixNano"] = Nanos(std::max(span.start_us, span.end_us));
  json["attributes"] = std::move(attributes);
  json["status"] = span.error.empty() ? Json{{"code", kOk}} : Json{{"code", kError}, {"message", span.error}};
  return json;
}

}  // namespace

absl::Status CheckOtlpEndpoint(const std::string& endpoint) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (endpoint.starts_with(scheme) && endpoint.size() > scheme.size()) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      Concat("the endpoint is '", Escape(endpoint, 200), "'; it takes a URL, as http://127.0.0.1:4318"));
}

std::string OtlpRequestJson(const OtlpOptions& options, const std::vector<Span>& spans) {
  Json list = Json::array();
  for (const Span& span : spans) list.push_back(SpanToJson(span));
  const Json resource = {{"attributes",
                          {Attribute("service.name", options.service_name),
                           Attribute("service.version", options.service_version)}}};
  const Json scope = {{"name", "vouch"}, {"version", options.service_version}};
  Json scoped = Json::array();
  scoped.push_back({{"scope", scope}, {"spans", std::move(list)}});
  Json resources = Json::array();
  resources.push_back({{"resource", resource}, {"scopeSpans", std::move(scoped)}});
  return Json{{"resourceSpans", std::move(resources)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::unique_ptr<OtlpExporter>> OtlpExporter::Create(OtlpOptions options) {
  if (absl::Status status = CheckOtlpEndpoint(options.endpoint); !status.ok()) return status;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  std::unique_ptr<OtlpExporter> exporter(new OtlpExporter(std::move(options)));
  exporter->thread_ = std::thread([&exporter = *exporter] { exporter.Run(); });
  return exporter;
}

OtlpExporter::OtlpExporter(OtlpOptions options) : options_(std::move(options)) {}

OtlpExporter::~OtlpExporter() {
  {
    const std::lock_guard lock(mu_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void OtlpExporter::Record(Span&& span) {
  if (!span.context.sampled) return;
  bool full = false;
  bool due = false;
  {
    const std::lock_guard lock(mu_);
    full = ending_ || waiting_.size() >= options_.queue_spans;
    if (!full) waiting_.push_back(std::move(span));
    due = waiting_.size() >= options_.batch_spans;
  }
  if (due) changed_.notify_one();
  if (full) Count(0, 1);
}

void OtlpExporter::Count(uint64_t exported, uint64_t dropped) const {
  if (options_.count) options_.count(exported, dropped);
}

bool OtlpExporter::Pause(int64_t pause_ms) {
  std::unique_lock lock(mu_);
  return !changed_.wait_for(lock, std::chrono::milliseconds(pause_ms), [this] { return ending_; });
}

void OtlpExporter::Run() {
  for (;;) {
    std::vector<Span> batch;
    bool last = false;
    {
      std::unique_lock lock(mu_);
      changed_.wait_for(lock, std::chrono::milliseconds(options_.batch_ms),
                        [this] { return ending_ || waiting_.size() >= options_.batch_spans; });
      last = ending_;
      const size_t count = std::min(waiting_.size(), last ? waiting_.size() : options_.batch_spans);
      const auto end = waiting_.begin() + static_cast<ptrdiff_t>(count);
      batch.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
    }
    if (!batch.empty()) Send(batch, last);
    if (last) return;
  }
}

void OtlpExporter::Send(const std::vector<Span>& batch, bool last) {
  HttpRequest request;
  request.url = Concat(options_.endpoint, "/v1/traces");
  request.headers = {{"Content-Type", "application/json"}};
  request.body = OtlpRequestJson(options_, batch);
  request.timeout_ms = last ? std::min(kLastMs, options_.timeout_ms) : options_.timeout_ms;
  request.silence_ms = request.timeout_ms;
  request.max_reply_bytes = size_t{1} << 20;
  for (int tried = 0;; ++tried) {
    // A try that runs when the exporter ends is given kLastMs more.
    absl::Time deadline = absl::InfiniteFuture();
    const CancelToken cancel(absl::InfiniteFuture(), [&] {
      const std::lock_guard lock(mu_);
      if (!ending_) return false;
      if (deadline == absl::InfiniteFuture()) deadline = absl::Now() + absl::Milliseconds(kLastMs);
      return absl::Now() > deadline;
    });
    const absl::StatusOr<HttpReply> reply = http_.Post(request, cancel);
    const absl::Status status = !reply.ok()                                       ? reply.status()
                                : reply->status >= 200 && reply->status <= 299 ? absl::OkStatus()
                                                                               : StatusOfReply(request.url, *reply);
    if (status.ok()) return Count(batch.size(), 0);
    if (last || tried >= options_.retries || !IsWorthRetrying(status)) return Count(0, batch.size());
    const int64_t asked_for = reply.ok() ? reply->retry_after_ms : -1;
    if (!Pause(std::clamp(asked_for, options_.retry_pause_ms << tried, int64_t{30'000})))
      return Count(0, batch.size());
  }
}

}  // namespace vouch
