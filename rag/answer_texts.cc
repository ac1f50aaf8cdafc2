#include "rag/answer_texts.h"

#include <optional>

#include "rag/forget/forget_record.h"
#include "rag/passage.h"
#include "storage/answer_records.h"
#include "storage/concat.h"

namespace vouch {
namespace {

bool IsOf(const PointHit& hit, std::string_view document) {
  return ReadPassage(hit).provenance.document == document;
}

}  // namespace

bool IsErasedText(std::string_view text) { return text.starts_with("{\"erased\":"); }

std::set<std::string> PathsOf(const Answer& answer, std::string_view collection, std::string_view document) {
  std::set<std::string> paths;
  if (answer.collection != collection) return paths;
  std::set<std::string> points;
  for (size_t i = 0; i < answer.hits.size(); ++i) {
    if (!IsOf(answer.hits[i], document)) continue;
    points.insert(answer.hits[i].id.ToString());
    paths.insert(Concat("hits[", i, "].payload"));
    paths.insert(Concat("hits[", i, "].explanation"));
  }
  for (size_t i = 0; i < answer.sources.size(); ++i) {
    const AnswerSource& source = answer.sources[i];
    if (source.document != document && !points.contains(source.point.ToString())) continue;
    paths.insert(Concat("sources[", i, "].title"));
    paths.insert(Concat("sources[", i, "].heading"));
  }
  bool used = answer.generation.has_value() && !points.empty();
  for (size_t i = 0; i < answer.citations.size(); ++i) {
    const Citation& citation = answer.citations[i];
    if (citation.document != document && !points.contains(citation.point.ToString())) continue;
    paths.insert(Concat("citations[", i, "].quote"));
    used = true;
  }
  if (!used) return paths;
  paths.insert("text");
  if (!answer.generation) return paths;
  paths.insert("generation.completion");
  for (size_t i = 0; i < answer.generation->decisions.size(); ++i)
    paths.insert(Concat("generation.decisions[", i, "].completion"));
  for (size_t i = 0; i < answer.generation->prompt.size(); ++i)
    paths.insert(Concat("generation.prompt[", i, "].content"));
  for (size_t i = 0; i < answer.generation->sentences.size(); ++i)
    paths.insert(Concat("generation.sentences[", i, "].problems"));
  return paths;
}

absl::Status EraseForgotten(Database& database, CollectionId collection, const Answer& answer) {
  // To forget takes a commit: where there was none since, nothing was.
  const absl::StatusOr<CollectionState> state = database.store().GetState(collection);
  if (!state.ok()) return state.status();
  if (state->latest == answer.version) return absl::OkStatus();
  std::set<std::string> documents;
  for (const PointHit& hit : answer.hits) documents.insert(ReadPassage(hit).provenance.document);
  std::set<std::string> paths;
  for (const std::string& document : documents) {
    const absl::StatusOr<std::optional<std::string>> entry = database.store().GetDocument(collection, ForgottenKey(document));
    if (!entry.ok()) return entry.status();
    if (!entry->has_value()) continue;
    const absl::StatusOr<ForgetRecord> record = DecodeForgetRecord(**entry);
    if (!record.ok()) return record.status();
    // One that came back since was read anew.
    if (record->version > answer.version.value) paths.merge(PathsOf(answer, answer.collection, document));
  }
  if (paths.empty()) return absl::OkStatus();
  return AnswerRecords::Of(database.store()).EraseAnswerTexts(answer.tenant, answer.id, paths).status();
}

}  // namespace vouch
