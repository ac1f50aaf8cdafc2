// The kept form of a run.
#include <utility>

#include "rag/deliver/experiment_state.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr std::string_view kStateThing = "the experiment's state";
constexpr ExperimentStatus kStatuses[] = {
    ExperimentStatus::kRunning,    ExperimentStatus::kWon,      ExperimentStatus::kStopped,
    ExperimentStatus::kRolledBack, ExperimentStatus::kMismatch, ExperimentStatus::kFinished};

RecordJson SumsToJson(const FigureSums& figure) {
  return {{"count", figure.count}, {"sum", figure.sum}, {"squares", figure.squares}};
}

RecordJson ArmStateToJson(const ArmTally& arm) {
  return {{"answers", arm.answers},
          {"callers", arm.callers},
          {"signal", SumsToJson(arm.signal)},
          {"abstained", SumsToJson(arm.abstained)},
          {"cost", SumsToJson(arm.cost)},
          {"errors", SumsToJson(arm.errors)}};
}

// [[bucket, count], …] of those that are not empty
RecordJson LatencyToJson(const LatencyCounts& latency) {
  RecordJson list = RecordJson::array();
  for (size_t i = 0; i < latency.buckets().size(); ++i) {
    if (latency.buckets()[i] != 0) list.push_back(RecordJson::array({i, latency.buckets()[i]}));
  }
  return list;
}

absl::StatusOr<FigureSums> ReadSums(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kStateThing);
  FigureSums figure;
  reader.Take("count", &figure.count);
  reader.Take("sum", &figure.sum);
  reader.Take("squares", &figure.squares);
  if (!reader.status().ok()) return reader.status();
  return figure;
}

absl::StatusOr<ArmTally> ReadArm(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kStateThing);
  ArmTally arm;
  reader.Take("answers", &arm.answers);
  reader.Take("callers", &arm.callers);
  reader.TakeObject("signal", &arm.signal, ReadSums);
  reader.TakeObject("abstained", &arm.abstained, ReadSums);
  reader.TakeObject("cost", &arm.cost, ReadSums);
  reader.TakeObject("errors", &arm.errors, ReadSums);
  if (!reader.status().ok()) return reader.status();
  return arm;
}

absl::StatusOr<StepTally> ReadTally(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kStateThing);
  StepTally step;
  reader.TakeObject("champion", &step.champion, ReadArm);
  reader.TakeObject("challenger", &step.challenger, ReadArm);
  if (!reader.status().ok()) return reader.status();
  return step;
}

absl::StatusOr<LimitCounts> ReadLimit(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kStateThing);
  LimitCounts counts;
  reader.Take("over", &counts.over);
  reader.Take("all", &counts.all);
  if (!reader.status().ok()) return reader.status();
  if (counts.over > counts.all)
    return absl::DataLossError(Concat(kStateThing, " is damaged: more answers are over a limit than there are"));
  return counts;
}

absl::StatusOr<std::pair<size_t, uint64_t>> ReadBucket(const RecordJson& json, std::string where) {
  if (json.is_array() && json.size() == 2 && json[0].is_number_unsigned() &&
      json[1].is_number_unsigned() && json[0].get<uint64_t>() < LatencyCounts::kBuckets) {
    return std::pair<size_t, uint64_t>{json[0].get<size_t>(), json[1].get<uint64_t>()};
  }
  return absl::DataLossError(Concat(kStateThing, " is damaged: ", where, " is no count of a latency"));
}

void TakeLatency(RecordReader* reader, const char* key, LatencyCounts* latency) {
  std::vector<std::pair<size_t, uint64_t>> buckets;
  reader->TakeList(key, &buckets, ReadBucket);
  for (const auto& [bucket, count] : buckets) (void)latency->Set(bucket, count);
}

absl::StatusOr<SampleRatio> ReadSample(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kStateThing);
  SampleRatio sample;
  reader.Take("callers", &sample.callers);
  reader.Take("excess", &sample.excess);
  reader.Take("variance", &sample.variance);
  if (!reader.status().ok()) return reader.status();
  return sample;
}

}  // namespace

std::string ExperimentStateToJson(const ExperimentState& state) {
  RecordJson steps = RecordJson::array();
  for (const StepTally& step : state.steps) {
    steps.push_back(
        {{"champion", ArmStateToJson(step.champion)}, {"challenger", ArmStateToJson(step.challenger)}});
  }
  RecordJson limits = RecordJson::array();
  for (const LimitCounts& counts : state.limits)
    limits.push_back({{"over", counts.over}, {"all", counts.all}});
  const RecordJson json = {{"format", 1},
                           {"version", state.version},
                           {"run", state.run},
                           {"status", ExperimentStatusName(state.status)},
                           {"reason", state.reason},
                           {"promotion", state.promotion},
                           {"champion", state.champion},
                           {"challenger", state.challenger},
                           {"started_us", state.started_us},
                           {"ended_us", state.ended_us},
                           {"step", state.step},
                           {"step_us", state.step_us},
                           {"looked_us", state.looked_us},
                           {"cursor", state.cursor},
                           {"steps", std::move(steps)},
                           {"sample",
                            {{"callers", state.sample.callers},
                             {"excess", state.sample.excess},
                             {"variance", state.sample.variance}}},
                           {"pairs", SumsToJson(state.pairs)},
                           {"champion_ms", LatencyToJson(state.champion_ms)},
                           {"challenger_ms", LatencyToJson(state.challenger_ms)},
                           {"limits", std::move(limits)},
                           {"dropped", state.dropped}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<ExperimentState> ExperimentStateFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kStateThing);
  ExperimentState state;
  uint64_t format = 0;
  std::string status;
  reader.Take("format", &format);
  reader.Take("version", &state.version);
  reader.Take("run", &state.run);
  reader.Take("status", &status);
  reader.Take("reason", &state.reason);
  reader.Take("promotion", &state.promotion);
  reader.Take("champion", &state.champion);
  reader.Take("challenger", &state.challenger);
  reader.Take("started_us", &state.started_us);
  reader.Take("ended_us", &state.ended_us);
  reader.Take("step", &state.step);
  reader.Take("step_us", &state.step_us);
  reader.Take("looked_us", &state.looked_us);
  reader.Take("cursor", &state.cursor);
  reader.TakeList("steps", &state.steps, ReadTally);
  reader.TakeObject("sample", &state.sample, ReadSample);
  reader.TakeObject("pairs", &state.pairs, ReadSums);
  TakeLatency(&reader, "champion_ms", &state.champion_ms);
  TakeLatency(&reader, "challenger_ms", &state.challenger_ms);
  reader.TakeList("limits", &state.limits, ReadLimit);
  reader.Take("dropped", &state.dropped);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::FailedPreconditionError(
        Concat(kStateThing, " has format ", format, "; this program reads 1"));
  }
  if (state.step >= state.steps.size())
    return absl::DataLossError(Concat(kStateThing, " is damaged: there is no step ", state.step));
  for (const ExperimentStatus known : kStatuses) {
    if (status != ExperimentStatusName(known)) continue;
    state.status = known;
    return state;
  }
  return absl::DataLossError(Concat(kStateThing, " is damaged: its status is '", Escape(status), "'"));
}

}  // namespace vouch
