#include "query/rerank_cross.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/prepared_rows.h"
#include "query/planner.h"

namespace vouch {
namespace {

// Payloads held at a time.
constexpr size_t kRowsOfARead = 64;

// The first bytes of a text of UTF-8, whole characters.
void CutText(std::string& text, size_t max_bytes) {
  if (text.size() <= max_bytes) return;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
}

bool IsBlank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
}

}  // namespace

absl::StatusOr<const CrossEncoder*> FindCrossEncoder(const CrossEncoders& encoders,
                                                     std::string_view name) {
  if (encoders.empty()) {
    return absl::InvalidArgumentError(
        "there is no cross-encoder; the setting `rerankers` names a file of them");
  }
  if (name.empty() && encoders.size() == 1) return encoders.begin()->second.get();
  const auto found = encoders.find(name);
  if (found != encoders.end()) return found->second.get();
  const std::string known =
      absl::StrJoin(encoders, ", ", [](std::string* out, const auto& encoder) {
        absl::StrAppend(out, "'", encoder.first, "'");
      });
  return absl::InvalidArgumentError(
      name.empty() ? absl::StrCat("name a cross-encoder (model); there are ", known)
                   : absl::StrCat("unknown cross-encoder '", std::string(name), "'; there are ",
                                  known));
}

absl::StatusOr<TextField> DocumentsOf(const CrossEncoderRerank& rerank, const CrossEncoder& encoder,
                                      const CollectionSchema& schema) {
  const std::string path = rerank.path.empty() ? encoder.document_path() : rerank.path;
  if (path.empty()) {
    const absl::StatusOr<int> field = ResolveTextField(schema, "");
    if (field.ok()) return schema.text[static_cast<size_t>(*field)];
    return absl::InvalidArgumentError(absl::StrCat("path: the texts are at no path, and ",
                                                   field.status().message()));
  }
  TextField field;
  field.paths = {path};
  return field;
}

absl::StatusOr<CrossScorer::Documents> CrossScorer::ReadDocuments(
    const TextField& field, size_t max_bytes, std::span<const RankedRow> candidates,
    const CancelToken& cancel, Node& node) const {
  std::vector<RowId> rows;
  for (const RankedRow& candidate : candidates) {
    if (!node.scores.contains(candidate.row.value)) rows.push_back(candidate.row);
  }
  Documents documents;
  for (size_t begin = 0; begin < rows.size(); begin += kRowsOfARead) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const std::span<const RowId> part =
        std::span(rows).subspan(begin, std::min(kRowsOfARead, rows.size() - begin));
    const absl::StatusOr<std::vector<RowRecord>> records =
        store_.ReadRows(info_.id, part, /*with_vectors=*/false);
    if (!records.ok()) return records.status();
    for (size_t i = 0; i < part.size(); ++i) {
      std::string text = IndexedText(field, (*records)[i].payload);
      CutText(text, max_bytes);
      if (IsBlank(text)) {
        node.scores.emplace(part[i].value, std::nullopt);
        continue;
      }
      documents.rows.push_back(part[i].value);
      documents.texts.push_back(std::move(text));
    }
  }
  return documents;
}

absl::StatusOr<CrossScorer::Outcome> CrossScorer::Rerank(const CrossEncoderRerank& rerank,
                                                         std::span<const RankedRow> candidates,
                                                         const CancelToken& cancel) {
  const absl::StatusOr<const CrossEncoder*> encoder = FindCrossEncoder(encoders_, rerank.model);
  if (!encoder.ok()) return encoder.status();
  const absl::StatusOr<TextField> field = DocumentsOf(rerank, **encoder, info_.schema);
  if (!field.ok()) return field.status();
  Node& node = nodes_[&rerank];
  node.model = (*encoder)->id();
  if (node.failure.empty()) {
    const absl::StatusOr<Documents> documents =
        ReadDocuments(*field, (*encoder)->max_document_bytes(), candidates, cancel, node);
    if (!documents.ok()) return documents.status();
    absl::StatusOr<std::vector<double>> scores{std::vector<double>()};
    if (!documents->texts.empty()) {
      scores = (*encoder)->Score(rerank.text, documents->texts, cancel);
    }
    if (scores.ok() && (scores->size() != documents->texts.size() ||
                        !std::all_of(scores->begin(), scores->end(),
                                     [](double score) { return std::isfinite(score); }))) {
      scores = absl::FailedPreconditionError(
          absl::StrCat(node.model, " gave ", scores->size(), " scores for ",
                       documents->texts.size(), " texts, or one that is not finite"));
    }
    if (!scores.ok()) {
      if (absl::Status ended = cancel.Check(); !ended.ok()) return ended;
      if (rerank.on_failure == CrossEncoderFailure::kError) {
        return absl::Status(scores.status().code(),
                            absl::StrCat("cross-encoder: ", scores.status().message()));
      }
      node.failure = std::string(scores.status().message());
    } else {
      for (size_t i = 0; i < scores->size(); ++i) {
        node.scores.emplace(documents->rows[i], (*scores)[i]);
      }
    }
  }
  Outcome outcome{.hits = {}, .model = node.model, .failure = node.failure};
  if (!node.failure.empty()) {
    outcome.hits.assign(candidates.begin(), candidates.end());
    return outcome;
  }
  for (const RankedRow& candidate : candidates) {
    const std::optional<double>& score = node.scores.at(candidate.row.value);
    if (score) outcome.hits.push_back({candidate.row, *score});
  }
  std::sort(outcome.hits.begin(), outcome.hits.end());
  return outcome;
}

std::string CrossScorer::NoteOf(const CrossEncoderRerank& rerank) const {
  const auto node = nodes_.find(&rerank);
  if (node == nodes_.end()) return "";
  if (node->second.failure.empty()) return absl::StrCat("by ", node->second.model);
  return absl::StrCat("as its child gave it, since the model failed: ", node->second.failure);
}

bool CrossScorer::HasNoText(const CrossEncoderRerank& rerank, RowId row) const {
  const auto node = nodes_.find(&rerank);
  if (node == nodes_.end()) return false;
  const auto score = node->second.scores.find(row.value);
  return score != node->second.scores.end() && !score->second;
}

std::vector<std::string> CrossScorer::Warnings() const {
  std::vector<std::string> warnings;
  for (const auto& [rerank, node] : nodes_) {
    if (node.failure.empty()) continue;
    warnings.push_back(
        absl::StrCat("not reranked, since the cross-encoder failed: ", node.failure));
  }
  std::sort(warnings.begin(), warnings.end());
  return warnings;
}

}  // namespace vouch
