// Texts: what a snapshot's text fields are searched for.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/index_reader.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/bm25_rows.h"
#include "index/reader_checks.h"
#include "index/segment_set.h"

namespace vouch {
namespace {

std::vector<TextSegment> TextSegments(const SegmentSet& set, int field, const RowMask& mask) {
  std::vector<TextSegment> segments;
  for (size_t i = 0; i < set.segments.size(); ++i) {
    if (mask.segments[i].visible_count == 0) continue;
    segments.push_back({.index = set.segments[i]->text[static_cast<size_t>(field)].get(),
                        .first_row = set.segments[i]->rows.begin,
                        .visible = mask.segments[i].visible_or_null(),
                        .allowed = mask.segments[i].allowed_or_null()});
  }
  return segments;
}

absl::Status CheckTextField(const IndexSchema& schema, int field) {
  if (field >= 0 && static_cast<size_t>(field) < schema.schema.text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("text field ", field, " of ", schema.schema.text.size(), " does not exist"));
}

// Of the row at place `i` of a list; looks at cancel now and then.
absl::Status CheckRow(size_t i, RowId row, uint64_t rows_at, const CancelToken& cancel) {
  constexpr size_t kRowsBetweenChecks = 64;
  if (i % kRowsBetweenChecks == 0) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
  }
  return CheckRowAt(row, rows_at);
}

Bm25Params ParamsOf(const TextField& field) { return {.k1 = field.k1, .b = field.b}; }

absl::StatusOr<TextStatistics> StatisticsOf(const SegmentSet& set, int field,
                                            std::span<const WeightedTerm> terms,
                                            const RowMask& mask) {
  if (absl::Status status = CheckMask(set, mask); !status.ok()) return status;
  if (absl::Status status = CheckTextField(*set.schema, field); !status.ok()) return status;
  return CollectTextStatistics(TextSegments(set, field, mask), terms);
}

// Calls visit(scorer of the row's segment, row in it) for each of the rows, in their order.
template <typename Visit>
absl::Status ForEachTextRow(const SegmentSet& set, int field, const TextStatistics& statistics,
                            std::span<const RowId> rows, uint64_t rows_at,
                            const CancelToken& cancel, const Visit& visit) {
  const auto ordinal = static_cast<size_t>(field);
  const Bm25Params params = ParamsOf(set.schema->schema.text[ordinal]);
  std::vector<std::optional<Bm25Rows>> scorers(set.segments.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (absl::Status status = CheckRow(i, rows[i], rows_at, cancel); !status.ok()) return status;
    const size_t at = set.FindSegment(rows[i]);
    const Segment& segment = *set.segments[at];
    if (!scorers[at]) scorers[at].emplace(*segment.text[ordinal], statistics, params);
    visit(*scorers[at], segment.LocalRow(rows[i]));
  }
  return absl::OkStatus();
}

std::vector<TextFieldsSegment> TextFieldsSegments(const SegmentSet& set, const RowMask& mask) {
  std::vector<TextFieldsSegment> segments;
  for (size_t i = 0; i < set.segments.size(); ++i) {
    if (mask.segments[i].visible_count == 0) continue;
    TextFieldsSegment& segment = segments.emplace_back();
    for (const auto& index : set.segments[i]->text) segment.fields.push_back(index.get());
    segment.first_row = set.segments[i]->rows.begin;
    segment.visible = mask.segments[i].visible_or_null();
    segment.allowed = mask.segments[i].allowed_or_null();
  }
  return segments;
}

std::vector<Bm25Params> AllParams(const IndexSchema& schema) {
  std::vector<Bm25Params> params;
  for (const TextField& field : schema.schema.text) params.push_back(ParamsOf(field));
  return params;
}

std::vector<ExpansionSource> ExpansionSources(const SegmentSet& set,
                                              std::span<const TextFieldWeight> fields,
                                              const RowMask& mask) {
  std::vector<ExpansionSource> sources;
  for (const TextFieldWeight& field : fields) {
    for (size_t i = 0; i < set.segments.size(); ++i) {
      if (mask.segments[i].visible_count == 0) continue;
      sources.push_back({.index = set.segments[i]->text[static_cast<size_t>(field.field)].get(),
                         .visible = mask.segments[i].visible_or_null()});
    }
  }
  return sources;
}

}  // namespace

absl::StatusOr<std::vector<Hit>> IndexReader::SearchText(int field, std::string_view text, size_t k,
                                                         const RowMask& mask, const CancelToken& cancel,
                                                         SearchStats* stats) const {
  const absl::StatusOr<AnalyzedText> query = AnalyzeText(field, text);
  if (!query.ok()) return query.status();
  return SearchTerms(field, WeightedTermsOf(*query), k, mask, cancel, stats);
}

absl::StatusOr<std::vector<Hit>> IndexReader::SearchTerms(int field,
                                                          std::span<const WeightedTerm> terms,
                                                          size_t k, const RowMask& mask,
                                                          const CancelToken& cancel,
                                                          SearchStats* stats) const {
  const IndexSchema& schema = *segments_->schema;
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  if (absl::Status status = CheckTextField(schema, field); !status.ok()) return status;
  const std::vector<TextSegment> segments = TextSegments(*segments_, field, mask);
  const TextStatistics statistics = CollectTextStatistics(segments, terms);
  if (stats != nullptr) {
    stats->segments += segments.size();
    stats->segments_exact += segments.size();
    for (const TermStatistics& term : statistics.terms) stats->rows_visited += term.document_frequency;
    stats->plan = absl::StrCat("bm25 of ", statistics.terms.size(), " terms, exact on ", segments.size(),
                               segments.size() == 1 ? " segment" : " segments");
  }
  return SearchBm25(segments, statistics, ParamsOf(schema.schema.text[static_cast<size_t>(field)]),
                    k, cancel);
}

absl::StatusOr<AnalyzedText> IndexReader::AnalyzeText(int field, std::string_view text) const {
  if (absl::Status status = CheckTextField(*segments_->schema, field); !status.ok()) return status;
  return segments_->schema->analyzers[static_cast<size_t>(field)]->Analyze(text);
}

absl::StatusOr<std::vector<float>> IndexReader::ScoreTerms(int field,
                                                           std::span<const WeightedTerm> terms,
                                                           std::span<const RowId> rows,
                                                           const RowMask& mask,
                                                           const CancelToken& cancel) const {
  const absl::StatusOr<TextStatistics> statistics = StatisticsOf(*segments_, field, terms, mask);
  if (!statistics.ok()) return statistics.status();
  std::vector<float> scores;
  scores.reserve(rows.size());
  const auto add = [&](Bm25Rows& scorer, uint32_t row) { scores.push_back(scorer.Score(row)); };
  absl::Status status = ForEachTextRow(*segments_, field, *statistics, rows, rows_at_, cancel, add);
  if (!status.ok()) return status;
  return scores;
}

absl::StatusOr<std::vector<std::vector<TermContribution>>> IndexReader::ExplainTerms(
    int field, std::span<const WeightedTerm> terms, std::span<const RowId> rows,
    const RowMask& mask, const CancelToken& cancel) const {
  const absl::StatusOr<TextStatistics> statistics = StatisticsOf(*segments_, field, terms, mask);
  if (!statistics.ok()) return statistics.status();
  std::vector<std::vector<TermContribution>> shares;
  shares.reserve(rows.size());
  const auto add = [&](Bm25Rows& scorer, uint32_t row) { shares.push_back(scorer.Explain(row)); };
  absl::Status status = ForEachTextRow(*segments_, field, *statistics, rows, rows_at_, cancel, add);
  if (!status.ok()) return status;
  return shares;
}

absl::StatusOr<std::vector<Hit>> IndexReader::SearchExpression(const TextExpression& expression,
                                                               size_t k, const RowMask& mask,
                                                               const CancelToken& cancel,
                                                               SearchStats* stats) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  const std::vector<TextFieldsSegment> segments = TextFieldsSegments(*segments_, mask);
  const absl::StatusOr<PreparedText> prepared =
      PreparedText::Prepare(expression, segments, AllParams(*segments_->schema), cancel);
  if (!prepared.ok()) return prepared.status();
  uint64_t postings = 0;
  absl::StatusOr<std::vector<Hit>> hits = prepared->Search(k, cancel, &postings);
  if (stats != nullptr) {
    size_t terms = 0;
    for (const PreparedText::Part& part : prepared->parts()) terms += part.expression->terms.size();
    stats->segments += segments.size();
    stats->segments_exact += segments.size();
    stats->rows_visited += postings;
    stats->plan = absl::StrCat("bm25f of ", prepared->parts().size(), " parts with ", terms,
                               " terms, exact on ", segments.size(),
                               segments.size() == 1 ? " segment" : " segments");
  }
  return hits;
}

absl::StatusOr<std::vector<IndexReader::TextAccount>> IndexReader::ExplainExpression(
    const TextExpression& expression, std::span<const RowId> rows, const RowMask& mask,
    const CancelToken& cancel) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  const std::vector<TextFieldsSegment> segments = TextFieldsSegments(*segments_, mask);
  const absl::StatusOr<PreparedText> prepared =
      PreparedText::Prepare(expression, segments, AllParams(*segments_->schema), cancel);
  if (!prepared.ok()) return prepared.status();
  std::vector<std::string> names;
  for (const TextField& field : segments_->schema->schema.text) names.push_back(field.name);
  std::vector<TextAccount> accounts(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (absl::Status status = CheckRow(i, rows[i], rows_at_, cancel); !status.ok()) return status;
    const Segment& own = *segments_->segments[segments_->FindSegment(rows[i])];
    for (const TextFieldsSegment& segment : segments) {
      if (segment.first_row != own.rows.begin) continue;
      accounts[i].shares = prepared->Explain(segment, own.LocalRow(rows[i]), names);
      accounts[i].unmet = prepared->Unmet(segment, own.LocalRow(rows[i]));
    }
  }
  return accounts;
}

absl::StatusOr<std::vector<ExpandedTerm>> IndexReader::ExpandPrefix(
    std::span<const TextFieldWeight> fields, std::string_view prefix, std::string_view own,
    const RowMask& mask, const CancelToken& cancel) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  return vouch::ExpandPrefix(ExpansionSources(*segments_, fields, mask), prefix, own, cancel);
}

absl::StatusOr<std::vector<ExpandedTerm>> IndexReader::ExpandFuzzy(
    std::span<const TextFieldWeight> fields, std::string_view word, uint32_t edits,
    uint32_t prefix_length, const RowMask& mask, const CancelToken& cancel) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  return vouch::ExpandFuzzy(ExpansionSources(*segments_, fields, mask), word, edits, prefix_length,
                            cancel);
}

absl::StatusOr<AnalyzedText> IndexReader::ReadText(int field, RowId row) const {
  if (absl::Status status = CheckTextField(*segments_->schema, field); !status.ok()) return status;
  if (absl::Status status = CheckRowAt(row, rows_at_); !status.ok()) return status;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  const TextIndex& index = *segment.text[static_cast<size_t>(field)];
  std::vector<uint32_t> tokens;
  index.ReadTokens(segment.LocalRow(row), &tokens);
  AnalyzedText text;
  text.length = static_cast<uint32_t>(tokens.size());
  std::vector<uint32_t> sorted = tokens;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (uint32_t ordinal : sorted) {
    text.terms.push_back({std::string(index.dictionary().term(ordinal)), 0});
  }
  for (uint32_t token : tokens) {
    const auto place = static_cast<uint32_t>(
        std::lower_bound(sorted.begin(), sorted.end(), token) - sorted.begin());
    ++text.terms[place].frequency;
    text.order.push_back(place);
  }
  return text;
}

}  // namespace vouch
