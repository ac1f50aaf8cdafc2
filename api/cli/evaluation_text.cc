#include "api/cli/evaluation_text.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "api/cli/text_output.h"

namespace vouch {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string Number(bool there, double value) {
  return there ? absl::StrFormat("%.4f", value) : "-";
}
std::string Range(bool there, double low, double high) {
  return there ? absl::StrFormat("[%.4f, %.4f]", low, high) : "-";
}

std::string FormatMetrics(
    const google::protobuf::RepeatedPtrField<v1::MetricSummary>& metrics) {
  Rows rows;
  for (const v1::MetricSummary& metric : metrics) {
    rows.push_back({metric.name(), Number(metric.has_mean(), metric.mean()),
                    Range(metric.has_low(), metric.low(), metric.high()),
                    absl::StrCat(metric.count()), absl::StrCat(metric.missing())});
  }
  return FormatTable({"measure", "mean", "95 %", "questions", "without"}, rows);
}

std::string FormatSlices(const v1::EvaluationSummary& evaluation) {
  if (evaluation.slices().empty()) return "";
  Rows rows;
  for (const v1::SliceSummary& slice : evaluation.slices()) {
    for (const v1::MetricSummary& metric : slice.metrics()) {
      if (metric.name() != evaluation.main_metric()) continue;
      rows.push_back({slice.tag(), absl::StrCat(slice.questions()),
                      Number(metric.has_mean(), metric.mean()),
                      Range(metric.has_low(), metric.low(), metric.high())});
    }
  }
  return absl::StrCat("\n", FormatTable({"tag", "questions", evaluation.main_metric(), "95 %"},
                                        rows));
}

std::string FormatWorst(const v1::EvaluationDetail& detail) {
  if (detail.worst().empty()) return "";
  const std::string& metric = detail.evaluation().main_metric();
  Rows rows;
  for (const v1::QuestionOutcome& outcome : detail.worst()) {
    const auto value = outcome.metrics().find(metric);
    const std::string what =
        outcome.error().empty() ? outcome.text() : absl::StrCat("error: ", outcome.error());
    rows.push_back({outcome.id(),
                    value == outcome.metrics().end() ? "-" : absl::StrFormat("%.4f", value->second),
                    MakeSnippet(what, "", 80)});
  }
  return absl::StrCat("\nWorst questions first:\n",
                      FormatTable({"question", metric, "text"}, rows));
}

std::string FormatAbstention(const v1::AbstentionSummary& scores) {
  return absl::StrCat(
      "\nAbstention: coverage ", Number(scores.has_coverage(), scores.coverage()), ", risk ",
      Number(scores.has_risk(), scores.risk()), ", precision ",
      Number(scores.has_abstain_precision(), scores.abstain_precision()), ", recall ",
      Number(scores.has_abstain_recall(), scores.abstain_recall()), ", AURC ",
      Number(scores.has_aurc(), scores.aurc()), "\n");
}

std::string Title(const v1::EvaluationSummary& evaluation) {
  const bool pipeline = !evaluation.pipeline().empty();
  return absl::StrCat(evaluation.id(), ": ", pipeline ? "pipeline " : "", evaluation.pipeline(),
                      pipeline ? ", " : "", evaluation.collection(), " at version ",
                      evaluation.version(), ", ", evaluation.mode(), " search on ",
                      evaluation.dataset(), "@", evaluation.dataset_version());
}

absl::Status FileError(const std::string& option, const std::string& path,
                       const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat(option, ": cannot write ", path, ": ", why));
}

}  // namespace

std::string FormatDataset(const v1::DatasetInfo& info) {
  std::string text = absl::StrCat(
      info.name(), "@", info.version(), ": ", FormatCounted(info.questions(), "question"), ", ",
      FormatCount(info.judged()), " judged (", FormatCounted(info.judgements(), "judgement"), "), ",
      FormatCount(info.referenced()), " with answers, ", FormatCount(info.unanswerable()),
      " unanswerable\nhash ", info.hash(), "\n");
  if (!info.source().empty()) absl::StrAppend(&text, "from ", info.source(), "\n");
  if (!info.tags().empty()) absl::StrAppend(&text, "tags ", absl::StrJoin(info.tags(), ", "), "\n");
  return text;
}

std::string FormatEvaluation(const v1::EvaluationDetail& detail) {
  const v1::EvaluationSummary& evaluation = detail.evaluation();
  std::string text = absl::StrCat("Evaluation ", Title(evaluation), "\n");
  if (!evaluation.finished()) {
    return absl::StrCat(text, "Not finished; go on by: vouch eval run --resume ", evaluation.id(),
                        "\n");
  }
  const bool searched = !evaluation.embedder().empty();
  if (searched) absl::StrAppend(&text, "embedded by ", evaluation.embedder(), "\n");
  if (!evaluation.generator().empty()) {
    absl::StrAppend(&text, "answered by ", evaluation.generator(), "\n");
  }
  for (const std::string& judge : evaluation.judges()) {
    absl::StrAppend(&text, "judged: ", judge, "\n");
  }
  if (evaluation.errors() > 0) {
    absl::StrAppend(&text, FormatCounted(evaluation.errors(), "question"), " could not be run\n");
  }
  if (evaluation.lost_passages() > 0) {
    absl::StrAppend(&text, FormatCounted(evaluation.lost_passages(), "judged passage"),
                    " stand nowhere in their sources as they are now\n");
  }
  absl::StrAppend(&text, "\n", FormatMetrics(evaluation.metrics()), FormatSlices(evaluation));
  if (evaluation.has_abstention()) absl::StrAppend(&text, FormatAbstention(evaluation.abstention()));
  return text + FormatWorst(detail);
}

std::string FormatComparison(const v1::EvaluationComparison& comparison) {
  std::string text = absl::StrCat("A ", Title(comparison.a()), "\nB ", Title(comparison.b()), "\n");
  if (comparison.only_a() + comparison.only_b() > 0) {
    absl::StrAppend(&text, "Not compared: ", comparison.only_a(), " questions of A alone, ",
                    comparison.only_b(), " of B alone\n");
  }
  Rows rows;
  for (const v1::MetricComparison& metric : comparison.metrics()) {
    rows.push_back(
        {metric.name(), Number(metric.has_mean_a(), metric.mean_a()),
         Number(metric.has_mean_b(), metric.mean_b()),
         metric.has_difference() ? absl::StrFormat("%+.4f", metric.difference()) : "-",
         Range(metric.has_low(), metric.low(), metric.high()),
         absl::StrFormat("%.3g", metric.adjusted_p()),
         absl::StrCat(metric.wins(), "/", metric.ties(), "/", metric.losses()),
         Number(metric.has_detectable(), metric.detectable()), metric.verdict()});
  }
  absl::StrAppend(&text, "\n",
                  FormatTable({"measure", "A", "B", "B - A", "interval", "p (Holm)", "W/T/L",
                               "detectable", "verdict"},
                              rows),
                  "\n", comparison.summary(), "\n");
  return text;
}

absl::Status CheckOutputFile(const std::string& option, const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return FileError(option, path, "it is a folder");
  const std::filesystem::path folder = std::filesystem::absolute(path, error).parent_path();
  if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  return FileError(option, path, absl::StrCat("there is no folder ", folder.string()));
}

absl::Status WriteOutputFile(const std::string& option, const std::string& path,
                             const std::string& bytes) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
  out.close();
  return out ? absl::OkStatus() : FileError(option, path, std::strerror(errno));
}

}  // namespace vouch
