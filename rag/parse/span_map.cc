#include <algorithm>

#include "rag/document.h"
#include "rag/parse/take_number.h"

namespace vouch {

SpanMap SpanMap::Identity(uint64_t size, uint64_t source_begin) {
  if (size == 0) return SpanMap();
  return SpanMap({{.text_begin = 0,
                   .text_end = size,
                   .source_begin = source_begin,
                   .source_end = source_begin + size,
                   .exact = true}});
}

ByteSpan SpanMap::ToSource(uint64_t begin, uint64_t end) const {
  ByteSpan span;
  bool found = false;
  if (begin >= end) return span;
  auto piece = std::partition_point(pieces_.begin(), pieces_.end(),
                                    [&](const SpanPiece& p) { return p.text_end <= begin; });
  for (; piece != pieces_.end() && piece->text_begin < end; ++piece) {
    uint64_t source_begin = piece->source_begin;
    uint64_t source_end = piece->source_end;
    if (piece->exact) {
      source_begin += std::max(begin, piece->text_begin) - piece->text_begin;
      source_end -= piece->text_end - std::min(end, piece->text_end);
    }
    span.begin = found ? std::min(span.begin, source_begin) : source_begin;
    span.end = found ? std::max(span.end, source_end) : source_end;
    found = true;
  }
  return span;
}

SpanMap SpanMap::Slice(uint64_t begin, uint64_t end) const {
  std::vector<SpanPiece> slice;
  if (begin >= end) return SpanMap();
  auto piece = std::partition_point(pieces_.begin(), pieces_.end(),
                                    [&](const SpanPiece& p) { return p.text_end <= begin; });
  for (; piece != pieces_.end() && piece->text_begin < end; ++piece) {
    SpanPiece cut = *piece;
    cut.text_begin = std::max(begin, piece->text_begin);
    cut.text_end = std::min(end, piece->text_end);
    if (cut.exact) {
      cut.source_begin += cut.text_begin - piece->text_begin;
      cut.source_end -= piece->text_end - cut.text_end;
    }
    cut.text_begin -= begin;
    cut.text_end -= begin;
    slice.push_back(cut);
  }
  return SpanMap(std::move(slice));
}

std::string SpanMap::Encode() const {
  std::string text;
  const auto number = [&text](uint64_t value) {
    char digits[20];
    text.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  };
  for (const SpanPiece& piece : pieces_) {
    if (!text.empty()) text += ';';
    number(piece.text_begin);
    text += ',';
    number(piece.text_end);
    text += ',';
    number(piece.source_begin);
    text += ',';
    number(piece.source_end);
    if (!piece.exact) text += '~';
  }
  return text;
}

bool SpanMap::Decode(std::string_view text, SpanMap* map) {
  std::vector<SpanPiece> pieces;
  uint64_t last_end = 0;
  while (!text.empty()) {
    if (!pieces.empty() && !TakeByte(&text, ';')) return false;
    SpanPiece piece;
    if (!TakeNumber(&text, &piece.text_begin) || !TakeByte(&text, ',') ||
        !TakeNumber(&text, &piece.text_end) || !TakeByte(&text, ',') ||
        !TakeNumber(&text, &piece.source_begin) || !TakeByte(&text, ',') ||
        !TakeNumber(&text, &piece.source_end)) {
      return false;
    }
    piece.exact = !TakeByte(&text, '~');
    if (piece.text_begin < last_end || piece.text_begin >= piece.text_end) return false;
    if (piece.source_begin > piece.source_end) return false;
    if (piece.exact &&
        piece.source_end - piece.source_begin != piece.text_end - piece.text_begin) {
      return false;
    }
    last_end = piece.text_end;
    pieces.push_back(piece);
  }
  *map = SpanMap(std::move(pieces));
  return true;
}

}  // namespace vouch
