#include "rag/cite.h"

#include <nlohmann/json.hpp>

#include "rag/parse/html_entity.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";
constexpr std::string_view kNoBreakSpace = "\xC2\xA0";

bool IsSpace(char c) { return kSpace.find(c) != std::string_view::npos; }

// No-break spaces count as white space: parsers make plain ones of them.
std::string Spaced(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, kNoBreakSpace.size()) == kNoBreakSpace) {
      plain += ' ';
      ++i;
    } else {
      plain += text[i];
    }
  }
  return CollapseSpace(plain);
}

std::string DecodeEntities(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    const HtmlEntity entity = text.front() == '&' ? DecodeHtmlEntity(text) : HtmlEntity();
    if (entity.length > 0) {
      decoded += entity.text;
      text.remove_prefix(entity.length);
    } else {
      decoded += text.front();
      text.remove_prefix(1);
    }
  }
  return decoded;
}

std::string DecodeBackslashes(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    decoded += text[i];
  }
  return decoded;
}

// The same after decoding the source in one of the ways in which a parser may have.
bool SameDecoded(std::string_view text, std::string_view source) {
  const std::string wanted = Spaced(text);
  if (Spaced(source) == wanted || Spaced(DecodeEntities(source)) == wanted) return true;
  const auto json =
      nlohmann::json::parse(Concat("\"", source, "\""), nullptr, /*allow_exceptions=*/false);
  if (json.is_string() && Spaced(json.get_ref<const std::string&>()) == wanted) return true;
  return Spaced(DecodeBackslashes(source)) == wanted;
}

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(kSpace) == std::string_view::npos;
}

}  // namespace

std::string CollapseSpace(std::string_view text) {
  std::string collapsed;
  bool space = false;
  for (char c : text) {
    if (IsSpace(c)) {
      space = true;
      continue;
    }
    if (space && !collapsed.empty()) collapsed += ' ';
    space = false;
    collapsed += c;
  }
  return collapsed;
}

bool VerifyQuote(std::string_view quote, std::string_view chunk_text, ByteSpan span,
                 const SpanMap& spans, std::string_view source) {
  if (span.begin >= span.end || span.end > chunk_text.size()) return false;
  const std::string_view text = chunk_text.substr(span.begin, span.end - span.begin);
  if (CollapseSpace(text) != quote) return false;
  const SpanMap slice = spans.Slice(span.begin, span.end);
  uint64_t text_end = 0;
  uint64_t source_end = 0;
  for (const SpanPiece& piece : slice.pieces()) {
    if (piece.text_begin < text_end || piece.text_end < piece.text_begin ||
        piece.text_end > text.size())
      return false;
    if (piece.source_begin < source_end || piece.source_end < piece.source_begin ||
        piece.source_end > source.size()) {
      return false;
    }
    if (!IsBlank(text.substr(text_end, piece.text_begin - text_end))) return false;
    const std::string_view ours = text.substr(piece.text_begin, piece.text_end - piece.text_begin);
    const std::string_view theirs =
        source.substr(piece.source_begin, piece.source_end - piece.source_begin);
    if (piece.exact ? ours != theirs : !SameDecoded(ours, theirs)) return false;
    text_end = piece.text_end;
    source_end = piece.source_end;
  }
  return text_end > 0 && IsBlank(text.substr(text_end));
}

}  // namespace vouch
