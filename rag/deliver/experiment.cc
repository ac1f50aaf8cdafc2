#include "rag/deliver/experiment.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rag/deliver/spec_store.h"
#include "rag/field_error.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr size_t kMaxTextBytes = 4'096;
constexpr size_t kMaxSaltBytes = 200;
constexpr uint64_t kMaxAnswers = 1'000'000'000;
constexpr uint64_t kMaxSeconds = 90 * 86'400;

constexpr std::pair<ExperimentMode, std::string_view> kModes[] = {
    {ExperimentMode::kShadow, "shadow"},
    {ExperimentMode::kAb, "ab"},
    {ExperimentMode::kCanary, "canary"},
    {ExperimentMode::kInterleave, "interleave"}};
constexpr std::pair<ExperimentSignal, std::string_view> kSignals[] = {
    {ExperimentSignal::kThumbs, "thumbs"},
    {ExperimentSignal::kScore, "score"},
    {ExperimentSignal::kGrounding, "grounding"},
    {ExperimentSignal::kCitations, "citations"},
    {ExperimentSignal::kAnswered, "answered"}};
constexpr std::pair<GuardrailMetric, std::string_view> kMetrics[] = {
    {GuardrailMetric::kLatencyP95, "latency_p95_ms"},
    {GuardrailMetric::kCost, "cost"},
    {GuardrailMetric::kAbstained, "abstained"},
    {GuardrailMetric::kErrors, "errors"}};

template <typename Pairs, typename T>
std::string_view NameOf(const Pairs& pairs, T value) {
  for (const auto& [candidate, name] : pairs) {
    if (candidate == value) return name;
  }
  return "";
}

template <typename T, typename Pairs>
absl::StatusOr<T> Parse(const Pairs& pairs, std::string_view field, std::string_view text) {
  std::string names;
  for (const auto& [value, name] : pairs) {
    if (name == text) return value;
    names += Concat(names.empty() ? "" : ", ", name);
  }
  return FieldError(field, Concat("is '", Escape(text), "'; it takes ", names));
}

absl::Status CheckShare(std::string_view field, double share) {
  if (share > 0 && share <= 1) return absl::OkStatus();
  return FieldError(field, Concat("is ", share, "; it lies above 0 and up to 1, as 0.05 of the callers"));
}

absl::Status CheckRamp(const ExperimentSpec& spec) {
  if (spec.mode != ExperimentMode::kCanary) {
    return spec.ramp.empty() ? CheckShare("share", spec.share)
                             : FieldError("ramp", "is a canary's; leave it out, or set mode: canary");
  }
  if (spec.ramp.empty() || spec.ramp.size() > ExperimentSpec::kMaxSteps) {
    return FieldError("ramp", Concat("has ", spec.ramp.size(), " steps; a canary takes 1 to ",
                                     ExperimentSpec::kMaxSteps,
                                     ", as [{share: 0.05, answers: 100}, {share: 0.5, answers: 500}]"));
  }
  double before = 0;
  for (size_t i = 0; i < spec.ramp.size(); ++i) {
    const RampStep& step = spec.ramp[i];
    const std::string place = Concat("ramp[", i, "]");
    if (absl::Status status = CheckShare(Concat(place, ".share"), step.share); !status.ok())
      return status;
    if (step.share <= before) {
      return FieldError(Concat(place, ".share"),
                        Concat("is ", step.share, " after ", before, "; shares rise"));
    }
    if (step.answers < 1 || step.answers > kMaxAnswers) {
      return FieldError(Concat(place, ".answers"),
                        Concat("is ", step.answers, "; it takes 1 to ", kMaxAnswers));
    }
    if (step.seconds > kMaxSeconds) {
      return FieldError(Concat(place, ".seconds"),
                        Concat("is ", step.seconds, "; it takes at most ", kMaxSeconds));
    }
    before = step.share;
  }
  return absl::OkStatus();
}

absl::Status CheckGuardrail(const ExperimentGuardrail& guardrail, const std::string& place) {
  const int limits = (guardrail.max ? 1 : 0) + (guardrail.margin ? 1 : 0) + (guardrail.share ? 1 : 0);
  if (limits != 1) {
    return FieldError(place, "takes one of max (whatever the champion does), margin (above the champion) and "
                             "share (above it, of the champion's)");
  }
  for (const auto& [name, value] :
       {std::pair{"max", guardrail.max}, std::pair{"margin", guardrail.margin},
        std::pair{"share", guardrail.share}}) {
    if (value && !(*value >= 0 && std::isfinite(*value)))
      return FieldError(Concat(place, ".", name), Concat("is ", *value, "; it is not negative"));
  }
  const bool share_of_answers =
      guardrail.metric == GuardrailMetric::kAbstained || guardrail.metric == GuardrailMetric::kErrors;
  const double limit = guardrail.max.value_or(guardrail.margin.value_or(0));
  if (share_of_answers && limit >= 1) {
    return FieldError(place, Concat("allows ", limit, "; of ", GuardrailMetricName(guardrail.metric),
                                    " it takes less than 1"));
  }
  if (guardrail.metric == GuardrailMetric::kLatencyP95 && guardrail.max && *guardrail.max == 0)
    return FieldError(Concat(place, ".max"), "is 0: how many ms may 95 of 100 answers take?");
  return absl::OkStatus();
}

RecordJson LimitToJson(const std::optional<double>& limit) {
  return limit ? RecordJson(*limit) : RecordJson(nullptr);
}

absl::StatusOr<ExperimentGuardrail> ReadGuardrail(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), "the experiment");
  ExperimentGuardrail guardrail;
  std::string metric;
  reader.Take("metric", &metric);
  if (reader.Has("max")) reader.Take("max", &guardrail.max.emplace());
  if (reader.Has("margin")) reader.Take("margin", &guardrail.margin.emplace());
  if (reader.Has("share")) reader.Take("share", &guardrail.share.emplace());
  if (!reader.status().ok()) return reader.status();
  const absl::StatusOr<GuardrailMetric> parsed = ParseGuardrailMetric(metric);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  guardrail.metric = *parsed;
  return guardrail;
}

absl::StatusOr<RampStep> ReadStep(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), "the experiment");
  RampStep step;
  reader.Take("share", &step.share);
  reader.Take("answers", &step.answers);
  reader.Take("seconds", &step.seconds);
  if (!reader.status().ok()) return reader.status();
  return step;
}

}  // namespace

std::string_view ExperimentModeName(ExperimentMode mode) { return NameOf(kModes, mode); }
std::string_view ExperimentSignalName(ExperimentSignal signal) { return NameOf(kSignals, signal); }
std::string_view GuardrailMetricName(GuardrailMetric metric) { return NameOf(kMetrics, metric); }

absl::StatusOr<ExperimentMode> ParseExperimentMode(std::string_view text) {
  return Parse<ExperimentMode>(kModes, "mode", text);
}
absl::StatusOr<ExperimentSignal> ParseExperimentSignal(std::string_view text) {
  return Parse<ExperimentSignal>(kSignals, "signal", text);
}
absl::StatusOr<GuardrailMetric> ParseGuardrailMetric(std::string_view text) {
  return Parse<GuardrailMetric>(kMetrics, "metric", text);
}

absl::Status CheckExperiment(const ExperimentSpec& spec) {
  if (absl::Status status = SpecStore::CheckName(spec.name); !status.ok()) return status;
  if (spec.description.size() > kMaxTextBytes) {
    return FieldError("description", Concat("has ", spec.description.size(), " bytes; the limit is ",
                                            kMaxTextBytes));
  }
  if (spec.salt.size() > kMaxSaltBytes)
    return FieldError("salt", Concat("has ", spec.salt.size(), " bytes; the limit is ", kMaxSaltBytes));
  if (spec.pipeline.empty()) return FieldError("pipeline", "is missing");
  if (spec.champion.empty()) return FieldError("champion", "is empty; it takes an alias of the pipeline");
  if (spec.challenger.empty())
    return FieldError("challenger", "is empty; it takes an alias of the pipeline, or a version's number");
  if (absl::Status status = CheckRamp(spec); !status.ok()) return status;
  if (!(spec.alpha >= 0.0001 && spec.alpha <= 0.2))
    return FieldError("alpha", Concat("is ", spec.alpha, "; it takes 0.0001 to 0.2"));
  const bool by_feedback =
      spec.signal == ExperimentSignal::kThumbs || spec.signal == ExperimentSignal::kScore;
  if (spec.mode == ExperimentMode::kShadow && by_feedback) {
    return FieldError("signal", Concat("is ", ExperimentSignalName(spec.signal),
                                       ", and nobody sees a shadow's answers; it takes grounding, "
                                       "citations, answered"));
  }
  if (spec.mode == ExperimentMode::kInterleave) {
    if (spec.signal != ExperimentSignal::kCitations) {
      return FieldError("signal", Concat("is ", ExperimentSignalName(spec.signal),
                                         "; of interleaved hits it takes citations: whose are cited"));
    }
    if (!spec.guardrails.empty())
      return FieldError("guardrails", "have no arms to compare where hits are interleaved; leave them out");
  }
  if (spec.guardrails.size() > ExperimentSpec::kMaxGuardrails) {
    return FieldError("guardrails", Concat("are ", spec.guardrails.size(), "; the limit is ",
                                           ExperimentSpec::kMaxGuardrails));
  }
  for (size_t i = 0; i < spec.guardrails.size(); ++i) {
    absl::Status status = CheckGuardrail(spec.guardrails[i], Concat("guardrails[", i, "]"));
    if (!status.ok()) return status;
    if (spec.mode != ExperimentMode::kShadow || spec.guardrails[i].max ||
        spec.guardrails[i].metric != GuardrailMetric::kLatencyP95) {
      continue;
    }
    return FieldError(Concat("guardrails[", i, "]"),
                      "compares latency_p95_ms with the champion's; a shadow waits for callers' questions and uses no "
                      "cache, so it takes max alone");
  }
  return absl::OkStatus();
}

std::string ExperimentToJson(const ExperimentSpec& spec) {
  RecordJson ramp = RecordJson::array();
  for (const RampStep& step : spec.ramp)
    ramp.push_back({{"share", step.share}, {"answers", step.answers}, {"seconds", step.seconds}});
  RecordJson guardrails = RecordJson::array();
  for (const ExperimentGuardrail& guardrail : spec.guardrails) {
    guardrails.push_back({{"metric", GuardrailMetricName(guardrail.metric)},
                          {"max", LimitToJson(guardrail.max)},
                          {"margin", LimitToJson(guardrail.margin)},
                          {"share", LimitToJson(guardrail.share)}});
  }
  const RecordJson json = {{"format", 1},
                           {"name", spec.name},
                           {"description", spec.description},
                           {"pipeline", spec.pipeline},
                           {"champion", spec.champion},
                           {"challenger", spec.challenger},
                           {"mode", ExperimentModeName(spec.mode)},
                           {"share", spec.share},
                           {"ramp", std::move(ramp)},
                           {"signal", ExperimentSignalName(spec.signal)},
                           {"guardrails", std::move(guardrails)},
                           {"alpha", spec.alpha},
                           {"salt", spec.salt},
                           {"promote", spec.promote}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<ExperimentSpec> ExperimentFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the experiment");
  ExperimentSpec spec;
  uint64_t format = 0;
  std::string mode;
  std::string signal;
  reader.Take("format", &format);
  reader.Take("name", &spec.name);
  reader.Take("description", &spec.description);
  reader.Take("pipeline", &spec.pipeline);
  reader.Take("champion", &spec.champion);
  reader.Take("challenger", &spec.challenger);
  reader.Take("mode", &mode);
  reader.Take("share", &spec.share);
  reader.TakeList("ramp", &spec.ramp, ReadStep);
  reader.Take("signal", &signal);
  reader.TakeList("guardrails", &spec.guardrails, ReadGuardrail);
  reader.Take("alpha", &spec.alpha);
  reader.Take("salt", &spec.salt);
  reader.Take("promote", &spec.promote);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::FailedPreconditionError(
        Concat("the experiment has format ", format, "; this program reads 1"));
  }
  const absl::StatusOr<ExperimentMode> parsed_mode = ParseExperimentMode(mode);
  if (!parsed_mode.ok()) return absl::DataLossError(parsed_mode.status().message());
  const absl::StatusOr<ExperimentSignal> parsed_signal = ParseExperimentSignal(signal);
  if (!parsed_signal.ok()) return absl::DataLossError(parsed_signal.status().message());
  spec.mode = *parsed_mode;
  spec.signal = *parsed_signal;
  return spec;
}

std::string DescribeGuardrail(const ExperimentGuardrail& guardrail) {
  const std::string_view metric = GuardrailMetricName(guardrail.metric);
  if (guardrail.max) return Concat(metric, " at most ", *guardrail.max);
  if (guardrail.margin) return Concat(metric, " at most the champion's + ", *guardrail.margin);
  return Concat(metric, " at most ", 1 + guardrail.share.value_or(0), " of the champion's");
}

size_t StepsOf(const ExperimentSpec& spec) { return std::max<size_t>(1, spec.ramp.size()); }

double ShareAt(const ExperimentSpec& spec, size_t step) {
  return spec.ramp.empty() ? spec.share : spec.ramp[std::min(step, spec.ramp.size() - 1)].share;
}

}  // namespace vouch
