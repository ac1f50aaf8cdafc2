#include "rag/parse/token_estimate.h"

#include "absl/strings/ascii.h"

namespace vouch {
namespace {

enum class Kind { kSpace, kLetter, kDigit, kOther, kWide };

Kind KindOf(unsigned char c) {
  if (c >= 0x80) return Kind::kWide;
  if (absl::ascii_isalpha(c)) return Kind::kLetter;
  if (absl::ascii_isdigit(c)) return Kind::kDigit;
  return absl::ascii_isgraph(c) ? Kind::kOther : Kind::kSpace;
}

uint64_t BytesPerToken(Kind kind) {
  switch (kind) {
    case Kind::kLetter:
      return 4;
    case Kind::kDigit:
      return 3;
    case Kind::kWide:
      return 2;
    case Kind::kOther:
    case Kind::kSpace:
      return 1;
  }
  return 1;
}

}  // namespace

uint64_t EstimateTokens(std::string_view text) {
  uint64_t tokens = 0;
  for (size_t begin = 0; begin < text.size();) {
    const Kind kind = KindOf(text[begin]);
    size_t end = begin + 1;
    while (end < text.size() && KindOf(text[end]) == kind) ++end;
    const uint64_t per_token = BytesPerToken(kind);
    if (kind != Kind::kSpace) tokens += (end - begin + per_token - 1) / per_token;
    begin = end;
  }
  return tokens;
}

}  // namespace vouch
