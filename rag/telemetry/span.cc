#include "rag/telemetry/span.h"

#include <sys/random.h>

#include <cstring>

#include "storage/concat.h"

namespace vouch {

namespace {

template <size_t N>
std::string HexOf(const std::array<uint8_t, N>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * N);
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <size_t N>
bool ReadHex(std::string_view text, std::array<uint8_t, N>* bytes) {
  for (size_t i = 0; i < N; ++i) {
    const int high = DigitValue(text[2 * i]);
    const int low = DigitValue(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    (*bytes)[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

// Random, and not all zeros. Kept in blocks: the system is asked once for many spans.
template <size_t N>
void Randomize(std::array<uint8_t, N>* bytes) {
  thread_local std::array<uint8_t, 512> pool;
  thread_local size_t used = pool.size();
  if (used + N > pool.size()) {
    if (::getrandom(pool.data(), pool.size(), 0) != static_cast<ssize_t>(pool.size())) {
      // Only a kernel without the call gets here; ids are then only different, not unguessable.
      for (size_t i = 0; i < pool.size(); ++i) pool[i] = static_cast<uint8_t>(pool[i] * 31 + i + 1);
    }
    used = 0;
  }
  std::memcpy(bytes->data(), pool.data() + used, N);
  used += N;
  (*bytes)[0] |= 1;
}

}  // namespace

std::string SpanContext::trace_text() const { return HexOf(trace); }
std::string SpanContext::span_text() const { return HexOf(span); }

bool SpanContext::SetTrace(std::string_view text) {
  return text.size() == 32 && ReadHex(text, &trace) && trace != std::array<uint8_t, 16>{};
}

SpanContext ParseTraceparent(std::string_view header) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may have more after that.
  constexpr size_t kBytes = 55;
  SpanContext context;
  std::array<uint8_t, 1> version = {};
  std::array<uint8_t, 1> flags = {};
  const bool whole = header.size() >= kBytes && header[2] == '-' && header[35] == '-' && header[52] == '-' &&
                     ReadHex(header.substr(0, 2), &version) && ReadHex(header.substr(3, 32), &context.trace) &&
                     ReadHex(header.substr(36, 16), &context.span) && ReadHex(header.substr(53, 2), &flags);
  if (!whole || version[0] == 0xFF || (version[0] == 0 && header.size() != kBytes) ||
      (header.size() > kBytes && header[kBytes] != '-') || !context.valid()) {
    return SpanContext();
  }
  context.sampled = (flags[0] & 1) != 0;
  return context;
}

std::string FormatTraceparent(const SpanContext& context) {
  return Concat("00-", context.trace_text(), "-", context.span_text(), context.sampled ? "-01" : "-00");
}

SpanContext NewSpan(const SpanContext& parent) {
  SpanContext context;
  context.sampled = true;
  if (parent.valid()) {
    context.trace = parent.trace;
    context.sampled = parent.sampled;
  } else {
    Randomize(&context.trace);
  }
  Randomize(&context.span);
  return context;
}

}  // namespace vouch
