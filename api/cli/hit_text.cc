#include "api/cli/hit_text.h"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/text_output.h"
#include "nlohmann/json.hpp"
#include "rag/document.h"

namespace vouch {
namespace {

constexpr size_t kSnippetBytes = 240;
constexpr size_t kMostTerms = 8;  // shown of one explanation

std::string TextAt(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// "docs/guide.md, bytes 120-480" or "manual.pdf, p. 12, bytes 120-480 of its text"; empty where the point did not come from a document.
std::string SourceOf(const nlohmann::json& payload, const nlohmann::json& provenance) {
  std::string source = TextAt(payload, "source");
  if (source.empty()) source = TextAt(payload, "doc_id");
  if (source.empty()) return "";
  const auto page = payload.find("page");
  const bool rendered = !TextAt(provenance, "rendition_hash").empty();
  if (rendered && page != payload.end() && page->is_number_unsigned()) {
    absl::StrAppend(&source, ", p. ", page->get<uint64_t>());
  }
  const auto span = provenance.find("source");
  if (span != provenance.end() && span->is_array() && span->size() == 2 &&
      (*span)[0].is_number_unsigned()) {
    absl::StrAppend(&source, ", bytes ", (*span)[0].get<uint64_t>(), "-",
                    (*span)[1].get<uint64_t>(), rendered ? " of its text" : "");
  }
  return source;
}

nlohmann::json ParseObject(const std::string& text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json::object();
}

// Whether a node is the child of a fusion, by its path: "fuse[0].text(body)", "fuse.feedback[0].…".
bool IsUnderFusion(std::string_view path) {
  const size_t child = path.rfind("].");
  if (child == std::string_view::npos) return false;
  std::string_view parent = path.substr(0, path.rfind('[', child));
  constexpr std::string_view kFeedback = ".feedback";
  if (parent.ends_with(kFeedback)) parent.remove_suffix(kFeedback.size());
  return parent.ends_with("fuse");
}

// What each term gave, the most first; of many only those that gave most.
std::string FormatTerms(const v1::NodeScore& node) {
  std::vector<const v1::TermContribution*> terms;
  for (const v1::TermContribution& term : node.terms()) terms.push_back(&term);
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto* a, const auto* b) { return a->score() > b->score(); });
  std::string out;
  for (size_t i = 0; i < std::min(terms.size(), kMostTerms); ++i) {
    const v1::TermContribution& term = *terms[i];
    absl::StrAppendFormat(&out, "        %s%s%s: %.4g (", term.field(),
                          term.field().empty() ? "" : ":", term.term(), term.score());
    if (!term.asked().empty() && term.asked() != term.term()) {
      absl::StrAppendFormat(&out, "for %s, ", term.asked());
    }
    absl::StrAppendFormat(&out, "%u here, in %s, idf %.4g", term.frequency(),
                          FormatCounted(term.document_frequency(), "point"), term.idf());
    if (term.query_weight() != 1) absl::StrAppendFormat(&out, ", weight %.3g", term.query_weight());
    out += ")\n";
  }
  if (terms.size() > kMostTerms) {
    absl::StrAppend(&out, "        and ", FormatCounted(terms.size() - kMostTerms, "term"),
                    " more\n");
  }
  return out;
}

// The query's tokens that gave most first.
std::string FormatTokenMatches(const v1::NodeScore& node) {
  std::vector<const v1::TokenMatch*> matches;
  for (const v1::TokenMatch& match : node.token_matches()) matches.push_back(&match);
  std::stable_sort(matches.begin(), matches.end(),
                   [](const auto* a, const auto* b) { return a->score() > b->score(); });
  std::string out;
  for (size_t i = 0; i < std::min(matches.size(), kMostTerms); ++i) {
    absl::StrAppendFormat(&out, "        query token %u: %.4g (token %u here)\n",
                          matches[i]->query_token(), matches[i]->score(), matches[i]->token());
  }
  if (matches.size() > kMostTerms) {
    absl::StrAppend(&out, "        and ", FormatCounted(matches.size() - kMostTerms, "token"),
                    " more\n");
  }
  return out;
}

// Title and headings; a title that is also the first heading once.
std::string HeadlineOf(const std::string& title, const std::string& heading) {
  if (heading.empty() || heading == title) return title;
  const bool repeated = title.empty() || heading.starts_with(title + " > ");
  return repeated ? heading : absl::StrCat(title, " > ", heading);
}

// The text without the headings that it starts with: they stand in the line above.
std::string BodyOf(const std::string& text, const nlohmann::json& provenance) {
  std::vector<Block> blocks;
  if (!DecodeBlocks(TextAt(provenance, "blocks"), &blocks)) return text;
  for (const Block& block : blocks) {
    if (block.kind == Block::Kind::kHeading) continue;
    return block.begin < text.size() ? text.substr(block.begin) : text;
  }
  return text;
}

std::string FormatExplanation(const v1::Hit& hit) {
  std::string out;
  for (const v1::NodeScore& node : hit.explanation()) {
    absl::StrAppendFormat(&out, "      %s: rank %u, score %.4g", node.node(), node.rank(),
                          node.score());
    if (IsUnderFusion(node.node())) {
      absl::StrAppendFormat(&out, ", counts %.4g x weight %.3g, gives %.4g", node.normalized(),
                            node.weight(), node.contribution());
    }
    out += '\n';
    if (!node.note().empty()) absl::StrAppend(&out, "        ", node.note(), "\n");
    out += FormatTerms(node);
    for (const v1::SparseContribution& term : node.sparse_terms()) {
      absl::StrAppendFormat(&out, "        index %u: %.4g (%.4g here, %.4g in the query)\n",
                            term.index(), term.score(), term.weight(), term.query_weight());
    }
    out += FormatTokenMatches(node);
  }
  return out;
}

std::string FormatValue(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolean:
      return value.boolean() ? "true" : "false";
    case v1::Value::kInteger:
      return absl::StrCat(value.integer());
    case v1::Value::kNumber:
      return absl::StrCat(value.number());
    case v1::Value::kText:
      return value.text();
    case v1::Value::KIND_NOT_SET:
      break;
  }
  return "";
}

// "ship (text, bytes 42-46), …"
std::string FormatHighlights(const v1::Hit& hit) {
  constexpr int kShown = 8;
  std::string out;
  for (int i = 0; i < hit.highlights_size() && i < kShown; ++i) {
    const v1::Highlight& mark = hit.highlights(i);
    absl::StrAppend(&out, i == 0 ? "    matched: " : ", ", mark.term(), " (", mark.path());
    if (mark.element() > 0) absl::StrAppend(&out, "[", mark.element(), "]");
    absl::StrAppend(&out, ", bytes ", mark.begin(), "-", mark.end(), ")");
  }
  if (hit.highlights_size() > kShown)
    absl::StrAppend(&out, ", and ", hit.highlights_size() - kShown, " more");
  if (!out.empty()) out += "\n";
  return out;
}

}  // namespace

std::string FormatHits(const google::protobuf::RepeatedPtrField<v1::Hit>& hits, uint32_t first_rank,
                       const std::string& query, bool explain) {
  std::string out;
  uint32_t rank = first_rank;
  for (const v1::Hit& hit : hits) {
    const nlohmann::json payload = ParseObject(hit.point().payload_json());
    const nlohmann::json provenance = ParseObject(hit.point().provenance_json());
    const std::string id = FormatPointId(hit.point().id());
    const std::string title = HeadlineOf(TextAt(payload, "title"), TextAt(payload, "heading"));
    absl::StrAppendFormat(&out, "%2u. %.4f  %s\n", rank++, hit.score(), title.empty() ? id : title);
    const std::string source = SourceOf(payload, provenance);
    absl::StrAppend(&out, "    ", id, source.empty() ? "" : "  ",
                    source.empty() ? "" : "(" + source + ")", "\n");
    const std::string text = BodyOf(TextAt(payload, "text"), provenance);
    const std::string body = text.empty() ? hit.point().payload_json() : text;
    if (!body.empty()) absl::StrAppend(&out, "    ", MakeSnippet(body, query, kSnippetBytes), "\n");
    out += FormatHighlights(hit);
    if (explain) out += FormatExplanation(hit);
  }
  return out;
}

std::string FormatGroups(const v1::SearchResponse& response, const std::string& path,
                         const std::string& query, bool explain) {
  std::string out;
  int next = 0;
  for (const v1::HitGroup& group : response.groups()) {
    google::protobuf::RepeatedPtrField<v1::Hit> hits;
    for (uint32_t i = 0; i < group.hits() && next < response.hits_size(); ++i)
      *hits.Add() = response.hits(next++);
    absl::StrAppend(&out, path, " = ", FormatValue(group.value()), "\n",
                    FormatHits(hits, 1, query, explain));
  }
  return out;
}

std::string FormatFacets(const v1::SearchResponse& response) {
  std::string out;
  for (const v1::Facet& facet : response.facets()) {
    std::vector<std::vector<std::string>> rows;
    for (const v1::ValueCount& count : facet.values()) {
      rows.push_back({FormatValue(count.value()), FormatCount(count.points())});
    }
    absl::StrAppend(&out, "\n", FormatCounted(facet.distinct(), "value"), " of ", facet.path(),
                    "\n");
    if (!rows.empty()) out += FormatTable({facet.path(), "points"}, rows);
  }
  return out;
}

std::string FormatWhyNot(const v1::WhyNotResponse& response) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::WhyNotStage& stage : response.stages()) {
    rows.push_back({stage.node(), stage.has_rank() ? FormatCount(stage.rank()) : "-",
                    FormatCount(stage.limit()),
                    stage.has_score() ? absl::StrFormat("%.4g", stage.score()) : "-",
                    stage.has_cutoff() ? absl::StrFormat("%.4g", stage.cutoff()) : "-",
                    stage.gave() ? "gave it" : stage.reason()});
  }
  return absl::StrCat(response.verdict(), "\n\n",
                      FormatTable({"node", "rank", "limit", "score", "last", "outcome"}, rows));
}

std::string FormatPlanOnly(const v1::SearchResponse& response) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::PlanStep& step : response.plan()) rows.push_back({step.node(), step.plan()});
  return FormatTable({"node", "plan"}, rows);
}

std::string FormatPlan(const v1::SearchResponse& response) {
  std::string out =
      absl::StrCat("\nPlan: ", FormatCount(response.allowed_rows()), " of ",
                   FormatCounted(response.visible_rows(), "visible row"), " allowed\n");
  if (!response.fusion().empty()) absl::StrAppend(&out, "Fusion: ", response.fusion(), "\n");
  std::vector<std::vector<std::string>> rows;
  for (const v1::PlanStep& step : response.plan()) {
    rows.push_back({step.node(), FormatCount(step.hits()), FormatCount(step.distances()),
                    FormatCount(step.rows_visited()),
                    absl::StrFormat("%.3f ms", 1e-3 * step.time_us()),
                    step.has_recall_estimate() && step.recall_estimate() < 1
                        ? absl::StrFormat("%s, recall about %.3f", step.plan(), step.recall_estimate())
                        : step.plan()});
  }
  out += FormatTable({"node", "hits", "distances", "rows", "time", "plan"}, rows);
  for (const v1::PlanStep& step : response.plan()) {
    std::string added;
    size_t count = 0;
    for (const v1::QueryTerm& term : step.terms()) {
      if (!term.added() || ++count > kMostTerms) continue;
      absl::StrAppendFormat(&added, "%s %s %.3g", count == 1 ? ":" : ",", term.term(),
                            term.weight());
    }
    if (count > kMostTerms) absl::StrAppend(&added, " and ", count - kMostTerms, " more");
    if (!added.empty()) absl::StrAppend(&out, step.node(), " added", added, "\n");
  }
  return out;
}

}  // namespace vouch
