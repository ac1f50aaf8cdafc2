#include "rag/deliver/experiment_records.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr std::string_view kRecordThing = "the experiment's event";

RecordJson ArmToJson(const ArmTally& arm) {
  return {{"answers", arm.answers},
          {"callers", arm.callers},
          {"signals", arm.signal.count},
          {"mean", arm.signal.mean()},
          {"errors", arm.errors.sum}};
}

}  // namespace

std::string ExperimentEventToJson(const ExperimentEvent& event) {
  RecordJson json = {{"format", 1},
                     {"name", event.arm.experiment},
                     {"run", event.arm.run},
                     {"step", event.arm.step},
                     {"challenger", event.arm.challenger},
                     {"propensity", event.arm.propensity},
                     {"caller", event.arm.caller},
                     {"error", event.error}};
  if (event.thumbs_up) json["thumbs_up"] = *event.thumbs_up;
  if (event.score) json["score"] = *event.score;
  if (!event.arm.shadow_of.empty()) json["shadow_of"] = event.arm.shadow_of;
  return DumpRecord(json);
}

absl::StatusOr<ExperimentEvent> ExperimentEventFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kRecordThing);
  ExperimentEvent event;
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("name", &event.arm.experiment);
  reader.Take("run", &event.arm.run);
  reader.Take("step", &event.arm.step);
  reader.Take("challenger", &event.arm.challenger);
  reader.Take("propensity", &event.arm.propensity);
  reader.Take("caller", &event.arm.caller);
  reader.Take("error", &event.error);
  if (reader.Has("thumbs_up")) reader.Take("thumbs_up", &event.thumbs_up.emplace());
  if (reader.Has("score")) reader.Take("score", &event.score.emplace());
  if (reader.Has("shadow_of")) reader.Take("shadow_of", &event.arm.shadow_of);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::FailedPreconditionError(
        Concat(kRecordThing, " has format ", format, "; this program reads 1"));
  }
  return event;
}

std::string ExperimentStateName(std::string_view name) { return Concat("experiment-state/", name); }
std::string ExperimentCallersOf(std::string_view name) {
  return Concat("experiment-caller/", name, "/");
}
std::string ExperimentCallerName(std::string_view name, uint64_t run, std::string_view caller) {
  return Concat(ExperimentCallersOf(name), absl::StrFormat("%08u", run), "/", caller);
}
std::string ExperimentEventsOf(std::string_view name) {
  return Concat("experiment-event/", name, "/");
}

RecordChange ExperimentEventRecord(const ExperimentEvent& event, std::string_view id) {
  return {Concat(ExperimentEventsOf(ExperimentNameOf(event.arm)), id), ExperimentEventToJson(event)};
}

std::string_view ExperimentNameOf(const ExperimentArm& arm) {
  return std::string_view(arm.experiment).substr(0, arm.experiment.find('@'));
}

AuditDraft ExperimentDraft(const ExperimentSpec& spec, const ExperimentState& state,
                           std::string action, std::string_view actor, int64_t time_us) {
  const StepTally& step = state.steps[state.step];
  return {.time_us = time_us,
          .actor = std::string(actor),
          .action = std::move(action),
          .subject = Concat("experiment/", spec.name),
          .reason = state.reason,
          .before = {},
          .after = DumpRecord({{"version", state.version},
                               {"run", state.run},
                               {"status", ExperimentStatusName(state.status)},
                               {"pipeline", spec.pipeline},
                               {"champion", state.champion},
                               {"challenger", state.challenger},
                               {"step", state.step},
                               {"share", IsActive(state.status) ? ShareAt(spec, state.step) : 0.0},
                               {"of_step",
                                {{"champion", ArmToJson(step.champion)},
                                 {"challenger", ArmToJson(step.challenger)}}}})};
}

}  // namespace vouch
