#include "rag/eval/report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "rag/eval/svg_plot.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kWorstShown = 50;

// No font or style from elsewhere; readable in dark rooms too.
constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --line: #8886; --accent: #2a6fb0; --good: #2f8f4e; --bad: #c0392b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { text-align: left; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } td.n, th.n { text-align: right; }
figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
.whisker { stroke: var(--accent); stroke-width: 2; } .dot, .bar { fill: var(--accent); }
.reference { stroke: currentColor; stroke-dasharray: 3 3; opacity: .6; }
.gain { fill: var(--good); } .loss { fill: var(--bad); }
.verdict { font-size: 1.2rem; border-left: 4px solid var(--accent); padding-left: 1rem; }
</style>
)";

std::string Number(double value, const char* missing = "–") {
  return std::isfinite(value) ? absl::StrFormat("%.4f", value) : std::string(missing);
}
std::string Range(const Interval& interval) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return "–";
  return absl::StrFormat("[%.4f, %.4f]", interval.low, interval.high);
}
std::string Time(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixMicros(time_us),
                          absl::UTCTimeZone());
}

std::string Begin(std::string_view title) {
  const std::string escaped = EscapeHtml(title);
  return Concat(kHead, "<title>", escaped, "</title></head><body>\n<h1>", escaped, "</h1>\n");
}
std::string End() { return "</body></html>\n"; }

std::string Row(const std::vector<std::string>& cells, std::string_view tag = "td") {
  std::string row = "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    row += Concat("<", tag, i == 0 ? "" : " class=\"n\"", ">", EscapeHtml(cells[i]), "</", tag, ">");
  }
  return row + "</tr>\n";
}

std::string Facts(const EvaluationRecord& record) {
  std::string table = "<table>\n";
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) table += Row({std::string(name), value});
  };
  add("evaluation", record.id);
  add("finished", record.finished ? Time(record.finished_us) : std::string("not yet"));
  add("dataset", Concat(record.dataset, "@", record.dataset_version, " (", record.dataset_hash, ")"));
  add("collection", Concat(record.collection, " at version ", record.version));
  add("pipeline", record.pipeline.empty()
                      ? std::string()
                      : Concat(record.pipeline, " (", record.pipeline_hash, ")"));
  add("retrieval", Concat(record.mode, ", ", record.depth, " documents deep"));
  add("embedder", record.embedder);
  add("fusion", record.fusion);
  add("answers by", record.generator);
  for (const std::string& judge : record.judges) add("judged", judge);
  add("questions", Concat(record.questions));
  if (record.errors > 0) add("could not be run", Concat(record.errors));
  if (record.lost_passages > 0) add("judged passages whose text is gone", Concat(record.lost_passages));
  add("engine", record.engine);
  return table + "</table>\n";
}

std::string MetricTable(const std::vector<MetricSummary>& metrics) {
  std::string table = Concat("<table>\n", Row({"measure", "mean", "95 %", "questions", "without"}, "th"));
  for (const MetricSummary& metric : metrics) {
    table += Row({metric.name, Number(metric.mean), Range(metric.interval), Concat(metric.count),
                  Concat(metric.missing)});
  }
  return table + "</table>\n";
}

std::vector<PlotRow> PlotRows(const std::vector<MetricSummary>& metrics) {
  std::vector<PlotRow> rows;
  for (const MetricSummary& metric : metrics) {
    if (metric.name == "latency_ms" || metric.name == "cost") continue;  // another scale
    rows.push_back({metric.name, metric.mean, metric.interval});
  }
  return rows;
}

std::string SliceTable(const EvaluationRecord& record, const std::string& metric) {
  if (record.slices.empty()) return "";
  std::vector<PlotRow> rows;
  std::string table =
      Concat("<h2>Slices</h2>\n<table>\n", Row({"tag", "questions", metric, "95 %"}, "th"));
  for (const SliceSummary& slice : record.slices) {
    for (const MetricSummary& summary : slice.metrics) {
      if (summary.name != metric) continue;
      table += Row({slice.tag, Concat(slice.questions), Number(summary.mean), Range(summary.interval)});
      rows.push_back({slice.tag, summary.mean, summary.interval});
    }
  }
  return Concat(table, "</table>\n", PlotIntervals(Concat(metric, " by tag"), rows, 0));
}

std::string WorstTable(const std::vector<DatasetQuestion>& questions,
                       const std::vector<QuestionResult>& results, const std::string& metric) {
  std::string table = Concat("<h2>Worst questions first</h2>\n<table>\n",
                             "<tr><th>question</th><th class=\"n\">", EscapeHtml(metric),
                             "</th><th>what came first</th></tr>\n");
  size_t shown = 0;
  for (const QuestionResult* result : WorstFirst(results, metric)) {
    if (shown++ == kWorstShown) break;
    const std::string text =
        result->index < questions.size() ? questions[result->index].text : std::string();
    std::string what = result->error.empty() ? result->answer : result->error;
    if (what.empty() && !result->top.empty()) what = result->top.front();
    table += Concat("<tr><td>", EscapeHtml(result->id), ": ", EscapeHtml(text),
                    "</td><td class=\"n\">", Number(FigureOf(*result, metric)), "</td><td>",
                    EscapeHtml(what), "</td></tr>\n");
  }
  return table + "</table>\n";
}

std::string AbstentionTable(const AbstentionScores& scores) {
  return Concat("<h2>Abstention</h2>\n<table>\n", Row({"coverage", Number(scores.coverage)}),
                Row({"risk of what was answered", Number(scores.risk)}),
                Row({"precision of abstaining", Number(scores.abstain_precision)}),
                Row({"recall of abstaining", Number(scores.abstain_recall)}),
                Row({"area under risk and coverage", Number(scores.aurc)}), "</table>\n");
}

std::string ChangeTable(std::string_view title, const std::vector<QuestionChange>& changes) {
  std::string table =
      Concat("<h2>", title, "</h2>\n<table>\n", Row({"question", "A", "B"}, "th"));
  for (const QuestionChange& change : changes) {
    table += Row({change.id, Number(change.a), Number(change.b)});
  }
  return table + "</table>\n";
}

}  // namespace

std::vector<const QuestionResult*> WorstFirst(const std::vector<QuestionResult>& results,
                                              const std::string& metric) {
  std::vector<const QuestionResult*> order;
  for (const QuestionResult& result : results) {
    if (!result.error.empty() || std::isfinite(FigureOf(result, metric))) order.push_back(&result);
  }
  const MeasureInfo* info = FindMeasure(metric);
  const double sign = info != nullptr && info->less_is_better ? -1 : 1;
  const auto rank = [&](const QuestionResult* result) {
    return result->error.empty() ? sign * FigureOf(*result, metric)
                                 : -std::numeric_limits<double>::infinity();
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
  return order;
}

std::string MainMetric(const EvaluationRecord& record) {
  for (const MetricSummary& metric : record.metrics) {
    if (metric.name == "token_f1" && metric.count > 0) return "token_f1";
  }
  return "ndcg_cut_10";
}

std::string EvaluationReport(const EvaluationRecord& record,
                             const std::vector<DatasetQuestion>& questions,
                             const std::vector<QuestionResult>& results) {
  const std::string metric = MainMetric(record);
  std::vector<double> values;
  for (const QuestionResult& result : results) values.push_back(FigureOf(result, metric));
  std::string page = Begin(Concat("Evaluation of ", record.collection, " on ", record.dataset, "@",
                                  record.dataset_version));
  page += Facts(record);
  page += "<h2>Measures</h2>\n";
  page += MetricTable(record.metrics);
  page += PlotIntervals("Means with 95 % intervals", PlotRows(record.metrics), 0);
  page += PlotHistogram(Concat("Questions by ", metric), values, 0, 1);
  if (record.has_answers) page += AbstentionTable(record.abstention);
  page += SliceTable(record, metric);
  page += WorstTable(questions, results, metric);
  return page + End();
}

std::string ComparisonReport(const Comparison& comparison) {
  std::string page = Begin(Concat("Evaluation ", comparison.b.id, " against ", comparison.a.id));
  page += Concat("<p class=\"verdict\">", EscapeHtml(DescribeVerdict(comparison)), "</p>\n");
  if (comparison.only_a + comparison.only_b > 0) {
    page += Concat("<p>Not compared, since the other side does not have them: ", comparison.only_a,
                   " questions of A, ", comparison.only_b, " of B.</p>\n");
  }
  std::string table =
      Concat("<table>\n", Row({"measure", "A", "B", "B − A", "95 %", "p (Holm)", "wins / ties / losses",
                         "detectable", "verdict"},
                        "th"));
  std::vector<PlotRow> rows;
  for (const MetricComparison& metric : comparison.metrics) {
    const PairedResult& result = metric.result;
    table += Row({metric.name, Number(result.mean_a), Number(result.mean_b),
                  Number(result.difference), Range(result.interval),
                  absl::StrFormat("%.3g", result.adjusted_p),
                  Concat(result.wins, " / ", result.ties, " / ", result.losses),
                  Number(result.detectable), std::string(VerdictName(result.verdict))});
    rows.push_back({metric.name, result.difference, result.interval});
  }
  page += table + "</table>\n";
  page += PlotIntervals("Differences B − A with their intervals", rows, 0);
  page += PlotDifferences(Concat("Gain of each question by ", comparison.metrics.front().name,
                                 ", ascending"),
                          comparison.differences);
  page += ChangeTable("Greatest losses", comparison.losses);
  page += ChangeTable("Greatest gains", comparison.gains);
  page += "<h2>A</h2>\n" + Facts(comparison.a) + "<h2>B</h2>\n" + Facts(comparison.b);
  return page + End();
}

}  // namespace vouch
