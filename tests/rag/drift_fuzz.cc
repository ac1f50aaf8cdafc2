// Drift monitors, references, states and alarms as a store keeps them: what reads is written the
// same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/drift/drift_look.h"
#include "rag/drift/drift_reference.h"
#include "rag/drift/drift_spec.h"

std::vector<std::string> FuzzSeeds() {
  vouch::DriftSpec spec;
  spec.name = "d";
  spec.collection = "c";
  spec.watch = {vouch::DriftKind::kQueries, vouch::DriftKind::kEmbedder};
  vouch::DriftReference reference{.monitor = "d", .number = 1, .dim = 1};
  reference.questions.dim = reference.row_points.dim = 1;
  reference.answers = {"a"};
  reference.questions.Add({1});
  vouch::KindLook look;
  look.tests.push_back({.what = "novelty", .p = 0.5});
  look.examples.push_back({.id = "a", .distance = 1});
  vouch::DriftState state;
  state.kinds = {look};
  state.drifting = {vouch::DriftKind::kIndex};
  state.has_started = true;
  vouch::DriftAlarm alarm;
  alarm.kinds = {look};
  alarm.actions.push_back({.what = "evaluate", .state = "due"});
  return {vouch::DriftToJson(spec), vouch::EncodeDriftReference(reference),
          vouch::EncodeDriftState(state), vouch::EncodeDriftAlarm(alarm)};
}

template <class Decode, class Encode>
void ReadAndWrite(const std::string& text, Decode decode, Encode encode) {
  const auto value = decode(text);
  if (!value.ok()) return;
  const std::string once = encode(*value);
  const auto again = decode(once);
  if (!again.ok() || encode(*again) != once) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  ReadAndWrite(text, vouch::DriftFromJson, vouch::DriftToJson);
  ReadAndWrite(text, vouch::DecodeDriftReference, vouch::EncodeDriftReference);
  ReadAndWrite(text, vouch::DecodeDriftState, vouch::EncodeDriftState);
  ReadAndWrite(text, vouch::DecodeDriftAlarm, vouch::EncodeDriftAlarm);
  return 0;
}
