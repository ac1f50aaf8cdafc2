#include "api/grpc/convert_drift.h"

#include <algorithm>

#include "rag/deliver/spec_store.h"

namespace vouch {
namespace {

void FillDriftSpec(const DriftSpec& spec, v1::DriftSpec* message) {
  message->set_name(spec.name);
  message->set_description(spec.description);
  message->set_collection(spec.collection);
  message->set_pipeline(spec.pipeline);
  message->set_field(spec.field);
  for (DriftKind kind : spec.watch) message->add_watch(std::string(DriftKindName(kind)));
  message->set_false_alarms(spec.false_alarms);
  message->set_window(spec.window);
  message->set_min_moved(spec.min_moved);
  message->set_min_recall(spec.min_recall);
  for (const std::string& text : spec.sentinels) message->add_sentinels(text);
  message->set_every_minutes(spec.every_minutes);
  v1::DriftOnAlarm* on_alarm = message->mutable_on_alarm();
  if (!spec.evaluate_pipeline.empty()) {
    on_alarm->mutable_evaluate()->set_pipeline(spec.evaluate_pipeline);
    on_alarm->mutable_evaluate()->set_dataset(spec.evaluate_dataset);
  }
  if (!spec.reembed_with.empty()) on_alarm->mutable_reembed()->set_embedder(spec.reembed_with);
  on_alarm->set_cool_down_minutes(spec.cool_down_minutes);
}

}  // namespace

absl::StatusOr<DriftSpec> DriftSpecOf(const v1::DriftSpec& message) {
  DriftSpec spec;
  spec.name = message.name();
  spec.description = message.description();
  spec.collection = message.collection();
  spec.pipeline = message.pipeline();
  spec.field = message.field();
  for (const std::string& name : message.watch()) {
    const absl::StatusOr<DriftKind> kind = ParseDriftKind(name);
    if (!kind.ok()) return kind.status();
    spec.watch.push_back(*kind);
  }
  std::sort(spec.watch.begin(), spec.watch.end());
  if (message.false_alarms() != 0) spec.false_alarms = message.false_alarms();
  if (message.window() != 0) spec.window = message.window();
  if (message.has_min_moved()) spec.min_moved = message.min_moved();
  spec.min_recall = message.min_recall();
  spec.sentinels.assign(message.sentinels().begin(), message.sentinels().end());
  if (message.every_minutes() != 0) spec.every_minutes = message.every_minutes();
  const v1::DriftOnAlarm& on_alarm = message.on_alarm();
  if (on_alarm.has_evaluate()) {
    spec.evaluate_pipeline = on_alarm.evaluate().pipeline();
    spec.evaluate_dataset = on_alarm.evaluate().dataset();
    if (spec.evaluate_pipeline.empty() && spec.evaluate_dataset.empty())
      return absl::InvalidArgumentError("on_alarm.evaluate takes a pipeline and a dataset, both");
  }
  if (on_alarm.has_reembed()) {
    spec.reembed_with = on_alarm.reembed().embedder();
    if (spec.reembed_with.empty())
      return absl::InvalidArgumentError("on_alarm.reembed.embedder is missing");
  }
  if (on_alarm.cool_down_minutes() != 0) spec.cool_down_minutes = on_alarm.cool_down_minutes();
  return spec;
}

absl::Status FillDriftMonitor(const SpecVersion& version, v1::DriftMonitor* message) {
  const absl::StatusOr<DriftSpec> spec = DriftFromJson(version.canonical);
  if (!spec.ok()) return spec.status();
  FillDriftSpec(*spec, message->mutable_spec());
  message->set_number(version.number);
  message->set_hash(version.hash);
  message->set_created_us(version.created_us);
  message->set_canonical(version.canonical);
  return absl::OkStatus();
}

void FillDriftLook(const KindLook& look, v1::DriftLook* message) {
  message->set_kind(std::string(DriftKindName(look.kind)));
  message->set_time_us(look.time_us);
  message->set_verdict(std::string(DriftVerdictName(look.verdict)));
  message->set_says(look.says);
  message->set_items(look.items);
  message->set_reference_items(look.reference_items);
  message->set_alpha(look.alpha);
  for (const DriftTest& test : look.tests) {
    v1::DriftTest* filled = message->add_tests();
    filled->set_what(test.what);
    filled->set_p(test.p);
    filled->set_moved(test.moved);
    filled->set_alarms(test.alarms);
  }
  for (const DriftExample& example : look.examples) {
    v1::DriftExample* filled = message->add_examples();
    filled->set_id(example.id);
    filled->set_distance(example.distance);
  }
}

void FillDriftAlarm(const DriftAlarm& alarm, v1::DriftAlarm* message) {
  message->set_number(alarm.number);
  message->set_time_us(alarm.time_us);
  message->set_monitor_version(alarm.monitor_version);
  message->set_reference(alarm.reference);
  message->set_collection(alarm.collection);
  message->set_version(alarm.version);
  for (const KindLook& look : alarm.kinds) FillDriftLook(look, message->add_kinds());
  for (const DriftAction& action : alarm.actions) {
    v1::DriftAction* filled = message->add_actions();
    filled->set_what(action.what);
    filled->set_state(action.state);
    filled->set_says(action.says);
  }
}

void FillDriftReference(const DriftReference& reference, v1::DriftReference* message) {
  message->set_monitor(reference.monitor);
  message->set_number(reference.number);
  message->set_hash(ContentHash(EncodeDriftReference(reference)));
  message->set_created_us(reference.created_us);
  message->set_collection(reference.collection);
  message->set_version(reference.version);
  message->set_field(reference.field);
  message->set_embedder(reference.embedder);
  message->set_questions(reference.answers.size());
  message->set_documents(reference.rows.size());
  message->set_sentinels(reference.sentinels.size());
  message->set_sentinel_noise(reference.sentinel_noise);
  message->set_recall_questions(reference.recall_questions);
  message->set_recall(reference.recall);
}

void FillDriftState(const DriftState& state, v1::DriftMonitor* message) {
  for (const KindLook& look : state.kinds) FillDriftLook(look, message->add_kinds());
  for (DriftKind kind : state.drifting) message->add_drifting(std::string(DriftKindName(kind)));
  message->set_looked_us(state.looked_us);
  message->set_looks(state.looks);
  message->set_alarms_ever(state.alarms);
}

}  // namespace vouch
