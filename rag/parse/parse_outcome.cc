// How a parser's child tells its outcome.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "rag/parse/parser_child.h"
#include "rag/parse/take_number.h"
#include "rag/parse/utf8.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr int kMaxLevel = 6;
constexpr size_t kMaxMessageBytes = 2'000;

absl::Status Garbled(std::string_view what) {
  return absl::InternalError(Concat("the parser's outcome is garbled: ", what));
}

bool InsideCharacter(std::string_view text, uint64_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

bool TakeBlocks(std::string_view text, std::string_view of, std::vector<Block>* blocks) {
  uint64_t last_end = 0;
  while (!text.empty()) {
    Block block;
    uint32_t kind = 0;
    if (!TakeNumber(&text, &kind) || !TakeByte(&text, ' ') || !TakeNumber(&text, &block.level) ||
        !TakeByte(&text, ' ') || !TakeNumber(&text, &block.begin) || !TakeByte(&text, ' ') ||
        !TakeNumber(&text, &block.end) || !TakeByte(&text, '\n')) {
      return false;
    }
    if (kind > static_cast<uint32_t>(Block::Kind::kTable)) return false;
    block.kind = static_cast<Block::Kind>(kind);
    const bool heading = block.kind == Block::Kind::kHeading;
    if (block.level < (heading ? 1 : 0) || block.level > kMaxLevel) return false;
    if (block.begin < last_end || block.begin >= block.end || block.end > of.size()) return false;
    if (InsideCharacter(of, block.begin) || InsideCharacter(of, block.end)) return false;
    last_end = block.end;
    blocks->push_back(block);
  }
  return true;
}

absl::Status TakeError(std::string_view rest) {
  int code = 0;
  if (!TakeNumber(&rest, &code) || !TakeByte(&rest, '\n')) return Garbled("an error without a code");
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal: {
      // Already bounded and checked where all is well; the child may be in other hands by now.
      const bool text = !FindInvalidUtf8(rest) && rest.size() <= kMaxMessageBytes;
      return absl::Status(static_cast<absl::StatusCode>(code), ToAbsl(text ? rest : "the document cannot be parsed"));
    }
    default:
      return Garbled("an unknown error");
  }
}

}  // namespace

std::string EncodeOutcome(const absl::StatusOr<ParsedDocument>& outcome) {
  if (!outcome.ok()) {
    std::string message(outcome.status().message());
    if (message.size() > kMaxMessageBytes) message.resize(kMaxMessageBytes);
    return absl::StrCat("error ", outcome.status().raw_code(), "\n", message);
  }
  std::string blocks;
  for (const Block& block : outcome->blocks) {
    absl::StrAppend(&blocks, static_cast<int>(block.kind), " ", block.level, " ", block.begin, " ", block.end, "\n");
  }
  const std::string places = EncodePlaces(outcome->places);
  std::string bytes =
      absl::StrCat("ok ", outcome->title.size(), " ", outcome->text.size(), " ", outcome->metadata.size(), " ",
                   blocks.size(), " ", places.size(), " ", outcome->parser.size(), "\n");
  for (const std::string* part :
       {&outcome->title, &outcome->text, &outcome->metadata, &std::as_const(blocks), &places, &outcome->parser}) {
    bytes.append(*part);
  }
  return bytes;
}

absl::StatusOr<ParsedDocument> DecodeOutcome(std::string_view bytes) {
  std::string_view rest = bytes;
  if (rest.starts_with("error ")) return TakeError(rest.substr(6));
  if (!rest.starts_with("ok")) return Garbled("neither a document nor an error");
  rest.remove_prefix(2);
  constexpr size_t kParts = 6;
  uint64_t sizes[kParts] = {};
  for (uint64_t& size : sizes) {
    if (!TakeByte(&rest, ' ') || !TakeNumber(&rest, &size)) return Garbled("no sizes");
  }
  if (!TakeByte(&rest, '\n')) return Garbled("no end of the sizes");
  std::string_view parts[kParts];
  for (size_t i = 0; i < kParts; ++i) {
    if (sizes[i] > rest.size()) return Garbled("shorter than it says");
    parts[i] = rest.substr(0, sizes[i]);
    rest.remove_prefix(sizes[i]);
  }
  if (!rest.empty()) return Garbled("longer than it says");
  ParsedDocument document;
  document.title = std::string(parts[0]);
  document.text = std::string(parts[1]);
  document.metadata = std::string(parts[2]);
  document.parser = std::string(parts[5]);
  document.rendered = true;
  document.spans = SpanMap::Identity(document.text.size());
  for (const std::string* text : {&document.title, &document.text, &document.parser}) {
    if (FindInvalidUtf8(*text) || text->find('\0') != text->npos) return Garbled("not UTF-8");
  }
  constexpr size_t kMaxMetadataBytes = size_t{64} << 10;
  if (document.metadata.size() > kMaxMetadataBytes) return Garbled("too much metadata");
  const auto metadata = nlohmann::json::parse(document.metadata, nullptr, /*allow_exceptions=*/false);
  if (!metadata.is_object()) return Garbled("bad metadata");
  if (!TakeBlocks(parts[3], document.text, &document.blocks)) return Garbled("bad blocks");
  if (!DecodePlaces(parts[4], &document.places) ||
      (!document.places.empty() && document.places.back().end > document.text.size())) {
    return Garbled("bad places");
  }
  return document;
}

}  // namespace vouch
