#include "rag/passage.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "rag/chunk_id.h"
#include "rag/cite.h"
#include "storage/store.h"

namespace vouch {
namespace {

using PayloadJson = nlohmann::json;

std::string TextAt(const PayloadJson& payload, const char* key) {
  if (!payload.is_object()) return "";
  const auto found = payload.find(key);
  return found != payload.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Passage ReadPassage(const PointHit& hit) {
  const PayloadJson payload = PayloadJson::parse(hit.payload, nullptr, /*allow_exceptions=*/false);
  Passage passage{.hit = &hit,
                  .text = TextAt(payload, "text"),
                  .title = TextAt(payload, "title"),
                  .heading = TextAt(payload, "heading"),
                  .provenance = {}};
  if (absl::StatusOr<Provenance> provenance = DecodeProvenance(hit.provenance); provenance.ok()) {
    passage.ingested = true;
    passage.provenance = *std::move(provenance);
  } else {
    passage.provenance.document = hit.id.ToString();  // a row that a user wrote
  }
  return passage;
}

namespace {

// Puts the chunk's text, spans, blocks and places after those of `whole`.
void AppendChunk(const Passage& chunk, std::vector<SpanPiece>* pieces, Passage* whole) {
  if (!whole->text.empty()) whole->text += '\n';
  const uint64_t shift = whole->text.size();
  whole->text += chunk.text;
  for (SpanPiece piece : chunk.provenance.spans.pieces()) {
    piece.text_begin += shift;
    piece.text_end += shift;
    pieces->push_back(piece);
  }
  if (chunk.provenance.blocks) {
    for (Block block : *chunk.provenance.blocks) {
      block.begin += shift;
      block.end += shift;
      whole->provenance.blocks->push_back(block);
    }
  }
  for (Place place : chunk.provenance.places) {
    place.begin += shift;
    place.end += shift;
    whole->provenance.places.push_back(place);
  }
  ByteSpan& source = whole->provenance.source;
  source.begin = std::min(source.begin, chunk.provenance.source.begin);
  source.end = std::max(source.end, chunk.provenance.source.end);
}

absl::Status WidenToParent(const Collection& collection, Version at, const Principal& principal, Passage* passage) {
  constexpr uint32_t kMaxChildren = 1'000;
  const auto [first, last] = *passage->provenance.parent;
  if (last - first >= kMaxChildren) return absl::OkStatus();
  std::vector<PointId> ids;
  for (uint32_t i = first; i <= last; ++i) ids.push_back(ChunkPointId(passage->provenance.document, i));
  Projection projection;
  projection.provenance = true;
  const auto found = collection.Get(ids, {at}, projection, principal);
  if (!found.ok()) return found.status();
  Passage whole = *passage;
  whole.text.clear();
  whole.provenance.blocks.emplace();
  whole.provenance.places.clear();
  std::vector<SpanPiece> pieces;
  for (const std::optional<PointHit>& sibling : *found) {
    if (!sibling) return absl::OkStatus();
    const Passage chunk = ReadPassage(*sibling);
    // Of another version of the document, or a row that a user wrote in its place.
    if (!chunk.ingested || chunk.provenance.parent != passage->provenance.parent ||
        chunk.provenance.source_hash != passage->provenance.source_hash) {
      return absl::OkStatus();
    }
    AppendChunk(chunk, &pieces, &whole);
  }
  whole.provenance.spans = SpanMap(std::move(pieces));
  *passage = std::move(whole);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Passage>> ReadPassages(const Collection& collection, const Answer& answer,
                                                  const Principal& principal) {
  std::vector<Passage> passages;
  passages.reserve(answer.hits.size());
  std::set<std::pair<std::string, uint32_t>> parents;  // of which document, from which chunk on
  for (const PointHit& hit : answer.hits) {
    Passage passage = ReadPassage(hit);
    const auto& parent = passage.provenance.parent;
    if (parent && !parents.emplace(passage.provenance.document, parent->first).second) continue;
    if (parent && parent->first < parent->second) {
      absl::Status status = WidenToParent(collection, answer.version, principal, &passage);
      if (!status.ok()) return status;
    }
    passages.push_back(std::move(passage));
  }
  return passages;
}

const std::string& KeptSources::Get(const std::string& hash) {
  const auto [entry, fresh] = kept_.try_emplace(hash);
  if (fresh && !hash.empty()) {
    absl::StatusOr<std::string> bytes = collection_.store().GetArtifact(collection_.id(), hash);
    if (bytes.ok() && ContentHash(*bytes) == hash) entry->second = *std::move(bytes);
  }
  return entry->second;
}

AnswerSource SourceOf(const Passage& passage, uint32_t number) {
  return {.number = number,
          .point = passage.hit->id,
          .row = passage.hit->row,
          .document = passage.provenance.document,
          .title = passage.title,
          .heading = passage.heading,
          .score = passage.hit->score,
          .source = passage.provenance.source,
          .page = PageAt(passage.provenance.places, 0)};
}

Citation CitationOf(const Passage& passage, ByteSpan span, uint32_t number, KeptSources* sources) {
  Citation citation;
  citation.source_number = number;
  citation.point = passage.hit->id;
  citation.row = passage.hit->row;
  citation.document = passage.provenance.document;
  citation.uri = passage.provenance.uri;
  citation.source_hash = passage.provenance.source_hash;
  citation.rendition_hash = passage.provenance.rendition_hash;
  citation.page = PageAt(passage.provenance.places, span.begin);
  citation.source = passage.provenance.spans.ToSource(span.begin, span.end);
  citation.quote =
      CollapseSpace(std::string_view(passage.text).substr(span.begin, span.end - span.begin));
  citation.verified =
      passage.ingested && VerifyQuote(citation.quote, passage.text, span, passage.provenance.spans,
                                      sources->Get(passage.provenance.text_hash()));
  return citation;
}

}  // namespace vouch
