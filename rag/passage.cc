#include "rag/passage.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "rag/cite.h"
#include "storage/store.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

std::string TextAt(const Json& payload, const char* key) {
  if (!payload.is_object()) return "";
  const auto found = payload.find(key);
  return found != payload.end() && found->is_string() ? found->get<std::string>() : "";
}

Passage ReadPassage(const PointHit& hit) {
  const Json payload = Json::parse(hit.payload, nullptr, /*allow_exceptions=*/false);
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

}  // namespace

std::vector<Passage> ReadPassages(const std::vector<PointHit>& hits) {
  std::vector<Passage> passages;
  passages.reserve(hits.size());
  for (const PointHit& hit : hits) passages.push_back(ReadPassage(hit));
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
          .source = passage.provenance.source};
}

Citation CitationOf(const Passage& passage, ByteSpan span, uint32_t number, KeptSources* sources) {
  Citation citation;
  citation.source_number = number;
  citation.point = passage.hit->id;
  citation.row = passage.hit->row;
  citation.document = passage.provenance.document;
  citation.uri = passage.provenance.uri;
  citation.source_hash = passage.provenance.source_hash;
  citation.source = passage.provenance.spans.ToSource(span.begin, span.end);
  citation.quote =
      CollapseSpace(std::string_view(passage.text).substr(span.begin, span.end - span.begin));
  citation.verified =
      passage.ingested && VerifyQuote(citation.quote, passage.text, span, passage.provenance.spans,
                                      sources->Get(citation.source_hash));
  return citation;
}

}  // namespace vouch
