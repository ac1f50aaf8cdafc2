#include "query/highlight.h"

#include <algorithm>

#include "index/inverted/analyzer.h"
#include "index/prepared_rows.h"

namespace vouch {

Highlighter::Highlighter(const IndexReader& reader, const CollectionSchema& schema,
                         const PlannedNode& root)
    : reader_(reader), schema_(schema) {
  Collect(root);
  std::sort(fields_.begin(), fields_.end(),
            [](const Terms& a, const Terms& b) { return a.field < b.field; });
}

void Highlighter::Collect(const PlannedNode& node) {
  for (const PlannedNode& child : node.children) Collect(child);
  const auto* text = std::get_if<TextLeaf>(&node.node->node);
  if (text == nullptr) return;
  auto field = std::find_if(fields_.begin(), fields_.end(),
                            [&](const Terms& known) { return known.field == node.field; });
  if (field == fields_.end()) {
    fields_.push_back({.field = node.field, .terms = {}});
    field = fields_.end() - 1;
  }
  for (AnalyzedText::Term& term : reader_.AnalyzerOf(node.field).Analyze(text->text).terms) {
    field->terms.insert(std::move(term.term));
  }
}

void Highlighter::MarkHit(std::string_view payload, PointHit& hit) const {
  for (const Terms& wanted : fields_) {
    const TextField& field = schema_.text[static_cast<size_t>(wanted.field)];
    const Analyzer& analyzer = reader_.AnalyzerOf(wanted.field);
    for (const FieldText& text : TextsOfField(field, payload)) {
      for (Token& token : analyzer.Tokenize(text.text)) {
        if (!wanted.terms.contains(token.term)) continue;
        if (hit.highlights.size() == Highlight::kMaxPerHit) return;
        hit.highlights.push_back({.field = field.name,
                                  .path = text.path,
                                  .element = text.element,
                                  .begin = token.begin,
                                  .end = token.end,
                                  .term = std::move(token.term)});
      }
    }
  }
}

absl::Status Highlighter::Mark(const Store& store, const CollectionInfo& info,
                               std::span<PointHit> hits, const CancelToken& cancel) const {
  if (fields_.empty()) return absl::OkStatus();
  std::vector<RowId> rows;
  for (const PointHit& hit : hits) rows.push_back(hit.row);
  const absl::StatusOr<std::vector<RowRecord>> records =
      store.ReadRows(info.id, rows, /*with_vectors=*/false);
  if (!records.ok()) return records.status();
  for (size_t i = 0; i < hits.size(); ++i) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    MarkHit((*records)[i].payload, hits[i]);
  }
  return absl::OkStatus();
}

}  // namespace vouch
