#include "rag/deliver/gate.h"

#include <cmath>
#include <utility>

#include "rag/deliver/spec_store.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/question_score.h"
#include "rag/field_error.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr std::string_view kGateThing = "the gate";
constexpr size_t kMaxDescriptionBytes = 4'096;
constexpr std::string_view kGuarded[] = {"latency_ms", "cost", "answered"};

absl::Status CheckMetric(const std::string& field, const std::string& metric) {
  if (FindMeasure(metric) != nullptr) return absl::OkStatus();
  std::string known;
  for (const MeasureInfo& measure : EvaluationMeasures())
    known += Concat(known.empty() ? "" : ", ", measure.name);
  return FieldError(Concat(field, ".metric"), Concat("is '", Escape(metric), "'; there are ", known));
}

absl::Status CheckThresholds(const GateSpec& spec) {
  for (size_t i = 0; i < spec.thresholds.size(); ++i) {
    const GateThreshold& threshold = spec.thresholds[i];
    const std::string field = Concat("thresholds[", i, "]");
    if (absl::Status status = CheckMetric(field, threshold.metric); !status.ok()) return status;
    if (!threshold.min && !threshold.max) return FieldError(field, "takes min, max or both");
    for (const auto& limit : {threshold.min, threshold.max}) {
      if (limit && !std::isfinite(*limit)) return FieldError(field, "has a limit that is no number");
    }
    if (threshold.min && threshold.max && *threshold.min > *threshold.max)
      return FieldError(field, Concat("has min ", *threshold.min, " above max ", *threshold.max));
  }
  return absl::OkStatus();
}

absl::Status CheckComparisons(const std::string& list, const std::vector<GateComparison>& checks,
                              bool guardrails) {
  for (size_t i = 0; i < checks.size(); ++i) {
    const GateComparison& check = checks[i];
    const std::string field = Concat(list, "[", i, "]");
    if (absl::Status status = CheckMetric(field, check.metric); !status.ok()) return status;
    bool guarded = !guardrails;
    for (std::string_view metric : kGuarded) guarded = guarded || check.metric == metric;
    if (!guarded) {
      return FieldError(Concat(field, ".metric"), Concat("is '", check.metric,
                                                         "'; guardrails take latency_ms, cost, answered "
                                                         "(no_worse takes any measure)"));
    }
    if (!(check.margin >= 0) || !std::isfinite(check.margin))
      return FieldError(Concat(field, ".margin"), Concat("is ", check.margin, "; it is not negative"));
    if (check.share && (!(*check.share >= 0) || !std::isfinite(*check.share)))
      return FieldError(Concat(field, ".share"), Concat("is ", *check.share, "; it is not negative"));
    if (check.share && check.margin != 0) return FieldError(field, "takes margin or share, not both");
    if (check.better && (check.share || check.margin != 0))
      return FieldError(field, "is to be better, and so takes neither margin nor share");
  }
  return absl::OkStatus();
}

RecordJson OptionalToJson(const std::optional<double>& value) {
  return value ? RecordJson(*value) : RecordJson(nullptr);
}

void TakeOptional(RecordReader& reader, const char* key, std::optional<double>* value) {
  if (!reader.Has(key)) return;
  double number = 0;
  reader.Take(key, &number);
  *value = number;
}

RecordJson ComparisonsToJson(const std::vector<GateComparison>& checks) {
  RecordJson list = RecordJson::array();
  for (const GateComparison& check : checks) {
    list.push_back({{"metric", check.metric},
                    {"margin", check.margin},
                    {"share", OptionalToJson(check.share)},
                    {"better", check.better}});
  }
  return list;
}

absl::StatusOr<GateComparison> ReadComparison(const RecordJson& json, std::string where) {
  GateComparison check;
  RecordReader reader(json, std::move(where), kGateThing);
  reader.Take("metric", &check.metric);
  reader.Take("margin", &check.margin);
  TakeOptional(reader, "share", &check.share);
  reader.Take("better", &check.better);
  if (!reader.status().ok()) return reader.status();
  return check;
}

absl::StatusOr<GateThreshold> ReadThreshold(const RecordJson& json, std::string where) {
  GateThreshold threshold;
  RecordReader reader(json, std::move(where), kGateThing);
  reader.Take("metric", &threshold.metric);
  TakeOptional(reader, "min", &threshold.min);
  TakeOptional(reader, "max", &threshold.max);
  reader.Take("slice", &threshold.slice);
  reader.Take("sure", &threshold.sure);
  if (!reader.status().ok()) return reader.status();
  return threshold;
}

}  // namespace

absl::Status CheckGate(const GateSpec& spec) {
  if (absl::Status status = SpecStore::CheckName(spec.name); !status.ok()) return status;
  if (spec.description.size() > kMaxDescriptionBytes) {
    return FieldError("description", Concat("has ", spec.description.size(), " bytes; the limit is ",
                                            kMaxDescriptionBytes));
  }
  if (spec.pipeline.empty()) return FieldError("pipeline", "is missing");
  if (spec.alias.empty()) return FieldError("alias", "is missing");
  for (const auto& [field, size] :
       {std::pair{"thresholds", spec.thresholds.size()},
        std::pair{"no_worse", spec.no_worse.size()},
        std::pair{"guardrails", spec.guardrails.size()}, std::pair{"hooks", spec.hooks.size()}}) {
    if (size > GateSpec::kMaxChecks)
      return FieldError(field, Concat("has ", size, "; the limit is ", GateSpec::kMaxChecks));
  }
  const bool figures =
      !spec.thresholds.empty() || !spec.no_worse.empty() || !spec.guardrails.empty();
  if (!figures && spec.hooks.empty())
    return FieldError("the gate", "asks for nothing; give thresholds, no_worse, guardrails or hooks");
  if (figures && spec.dataset.empty())
    return FieldError("dataset", "is missing: of which questions are the figures to be?");
  if (!spec.dataset.empty()) {
    const absl::StatusOr<DatasetRef> ref = ParseDatasetRef(spec.dataset);
    if (!ref.ok()) return FieldError("dataset", ToStd(ref.status().message()));
  }
  if (absl::Status status = CheckThresholds(spec); !status.ok()) return status;
  absl::Status status = CheckComparisons("no_worse", spec.no_worse, /*guardrails=*/false);
  if (!status.ok()) return status;
  status = CheckComparisons("guardrails", spec.guardrails, /*guardrails=*/true);
  if (!status.ok()) return status;
  if (!(spec.alpha > 0 && spec.alpha <= 0.5))
    return FieldError("alpha", Concat("is ", spec.alpha, "; it lies above 0 and is at most 0.5"));
  return absl::OkStatus();
}

std::string GateToJson(const GateSpec& spec) {
  RecordJson thresholds = RecordJson::array();
  for (const GateThreshold& threshold : spec.thresholds) {
    thresholds.push_back({{"metric", threshold.metric},
                          {"min", OptionalToJson(threshold.min)},
                          {"max", OptionalToJson(threshold.max)},
                          {"slice", threshold.slice},
                          {"sure", threshold.sure}});
  }
  const RecordJson json = {{"format", 1},
                           {"name", spec.name},
                           {"description", spec.description},
                           {"pipeline", spec.pipeline},
                           {"alias", spec.alias},
                           {"dataset", spec.dataset},
                           {"thresholds", std::move(thresholds)},
                           {"no_worse", ComparisonsToJson(spec.no_worse)},
                           {"guardrails", ComparisonsToJson(spec.guardrails)},
                           {"hooks", spec.hooks},
                           {"alpha", spec.alpha},
                           {"max_errors", spec.max_errors}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<GateSpec> GateFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kGateThing);
  GateSpec spec;
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("name", &spec.name);
  reader.Take("description", &spec.description);
  reader.Take("pipeline", &spec.pipeline);
  reader.Take("alias", &spec.alias);
  reader.Take("dataset", &spec.dataset);
  reader.TakeList("thresholds", &spec.thresholds, ReadThreshold);
  reader.TakeList("no_worse", &spec.no_worse, ReadComparison);
  reader.TakeList("guardrails", &spec.guardrails, ReadComparison);
  reader.TakeList("hooks", &spec.hooks, ReadRecordText);
  reader.Take("alpha", &spec.alpha);
  reader.Take("max_errors", &spec.max_errors);
  if (!reader.status().ok()) return reader.status();
  if (format != 1)
    return absl::FailedPreconditionError(
        Concat("the gate has format ", format, "; this program reads 1"));
  return spec;
}

}  // namespace vouch
