#include "api/cli/hit_text.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/text_output.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

constexpr size_t kSnippetBytes = 240;
constexpr size_t kMostTerms = 8;  // shown of one explanation

std::string TextAt(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// "docs/guide.md, bytes 120-480"; empty where the point did not come from a document.
std::string SourceOf(const nlohmann::json& payload, const nlohmann::json& provenance) {
  std::string source = TextAt(payload, "source");
  if (source.empty()) source = TextAt(payload, "doc_id");
  if (source.empty()) return "";
  const auto span = provenance.find("source");
  if (span != provenance.end() && span->is_array() && span->size() == 2 &&
      (*span)[0].is_number_unsigned()) {
    absl::StrAppend(&source, ", bytes ", (*span)[0].get<uint64_t>(), "-",
                    (*span)[1].get<uint64_t>());
  }
  return source;
}

nlohmann::json ParseObject(const std::string& text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json::object();
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
    absl::StrAppendFormat(&out, "        %s: %.4g (%u here, in %s, idf %.4g", term.term(),
                          term.score(), term.frequency(),
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

std::string FormatExplanation(const v1::Hit& hit) {
  std::string out;
  for (const v1::NodeScore& node : hit.explanation()) {
    absl::StrAppendFormat(&out, "      %s: rank %u, score %.4g", node.node(), node.rank(),
                          node.score());
    if (&node != &hit.explanation(0)) {
      absl::StrAppendFormat(&out, ", counts %.4g x weight %.3g, gives %.4g", node.normalized(),
                            node.weight(), node.contribution());
    }
    out += '\n';
    out += FormatTerms(node);
  }
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
    std::string title = TextAt(payload, "title");
    const std::string heading = TextAt(payload, "heading");
    if (!heading.empty() && heading != title)
      title = title.empty() ? heading : absl::StrCat(title, " > ", heading);
    absl::StrAppendFormat(&out, "%2u. %.4f  %s\n", rank++, hit.score(), title.empty() ? id : title);
    const std::string source = SourceOf(payload, provenance);
    absl::StrAppend(&out, "    ", id, source.empty() ? "" : "  ",
                    source.empty() ? "" : "(" + source + ")", "\n");
    const std::string text = TextAt(payload, "text");
    const std::string body = text.empty() ? hit.point().payload_json() : text;
    if (!body.empty()) absl::StrAppend(&out, "    ", MakeSnippet(body, query, kSnippetBytes), "\n");
    if (explain) out += FormatExplanation(hit);
  }
  return out;
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
                    absl::StrFormat("%.3f ms", 1e-3 * step.time_us()), step.plan()});
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
