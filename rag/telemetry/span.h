#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vouch {

// Which span of which trace (W3C Trace Context, level 1). All zeros: none.
struct SpanContext {
  std::array<uint8_t, 16> trace = {};
  std::array<uint8_t, 8> span = {};
  bool sampled = true;

  bool valid() const { return trace != std::array<uint8_t, 16>{} && span != std::array<uint8_t, 8>{}; }
  // 32 lower-case hexadecimal digits.
  std::string trace_text() const;
  std::string span_text() const;  // 16
  // Sets `trace` by its text; false where that is none.
  bool SetTrace(std::string_view text);
};

// Of a `traceparent` header; not valid where the header is none, or is of version ff.
SpanContext ParseTraceparent(std::string_view header);
std::string FormatTraceparent(const SpanContext& context);

using SpanValue = std::variant<std::string, int64_t, double, bool, std::vector<std::string>>;

// One finished span, in the words of OpenTelemetry.
struct Span {
  enum class Kind : uint8_t { kInternal = 1, kServer = 2, kClient = 3 };

  std::string name = {};
  Kind kind = Kind::kInternal;
  SpanContext context = {};
  std::array<uint8_t, 8> parent = {};  // zeros: none
  int64_t start_us = 0;
  int64_t end_us = 0;
  std::vector<std::pair<std::string, SpanValue>> attributes = {};
  std::string error = {};  // what went wrong; empty: nothing did

  void Set(std::string key, SpanValue value) { attributes.emplace_back(std::move(key), std::move(value)); }
};

// Takes finished spans. Thread safe; never waits, and nothing that goes wrong with it reaches the caller.
class Tracer {
 public:
  virtual ~Tracer() = default;
  virtual void Record(Span&& span) = 0;
};

// A new span below `parent`; where that is not valid, the first of a new trace. Ids are random.
SpanContext NewSpan(const SpanContext& parent);

}  // namespace vouch
