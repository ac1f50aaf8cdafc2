#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/http/http_client.h"
#include "rag/telemetry/span.h"

namespace vouch {

struct OtlpOptions {
  // As OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318"; spans go to /v1/traces below it.
  std::string endpoint = {};
  std::string service_name = "vouch";
  std::string service_version = {};
  size_t queue_spans = 2'048;   // that wait at most; more: a longer gap of the collector is bridged, at ~1 KB a span
  size_t batch_spans = 512;     // in one request
  int64_t batch_ms = 1'000;     // a span waits at most so long for others
  int64_t timeout_ms = 10'000;  // of one request
  int retries = 2;              // of a batch that a collector may take later
  int64_t retry_pause_ms = 500;
  // Hears how many spans were taken by the collector and how many were given up, on any thread. May be empty.
  std::function<void(uint64_t exported, uint64_t dropped)> count = {};
};

// INVALID_ARGUMENT: no http or https URL.
absl::Status CheckOtlpEndpoint(const std::string& endpoint);

// The body of one request (OTLP 1.0, JSON encoding of ExportTraceServiceRequest): ids in hexadecimal, 64-bit numbers as text.
std::string OtlpRequestJson(const OtlpOptions& options, const std::vector<Span>& spans);

// Sends spans to a collector over OTLP/HTTP, in batches, by a thread of its own.
//
// Invariants:
// 1. Record takes a lock for a moment, and does nothing else: no I/O, no waiting.
// 2. At most queue_spans + batch_spans spans are held. What comes on top is dropped and counted, as is a batch that the
//    collector refuses or that its retries did not bring there.
// 3. The destructor sends what waits, in one try, for at most kLastMs.
class OtlpExporter final : public Tracer {
 public:
  static constexpr int64_t kLastMs = 2'000;

  // INVALID_ARGUMENT: the endpoint.
  static absl::StatusOr<std::unique_ptr<OtlpExporter>> Create(OtlpOptions options);
  ~OtlpExporter() override;

  void Record(Span&& span) override;

 private:
  explicit OtlpExporter(OtlpOptions options);
  void Run();
  void Send(const std::vector<Span>& batch, bool last);
  void Count(uint64_t exported, uint64_t dropped) const;
  bool Pause(int64_t pause_ms);  // false: the exporter ends

  const OtlpOptions options_;
  const HttpClient http_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<Span> waiting_;  // guarded by mu_
  bool ending_ = false;        // guarded by mu_
  std::thread thread_;
};

}  // namespace vouch
