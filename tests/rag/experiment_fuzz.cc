// Experiments, their states and events, and feedback as a store keeps them: what reads is written the
// same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/deliver/experiment.h"
#include "rag/deliver/experiment_records.h"
#include "rag/deliver/experiment_state.h"
#include "rag/feedback.h"

namespace {

template <typename Read, typename Write>
void Check(const std::string& text, Read read, Write write) {
  const auto value = read(text);
  if (!value.ok()) return;
  const std::string once = write(*value);
  const auto again = read(once);
  if (!again.ok() || write(*again) != once) std::abort();
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  vouch::ExperimentSpec spec;
  spec.name = "e";
  spec.ramp.push_back({.share = 0.5, .answers = 3, .seconds = 1});
  spec.guardrails.push_back({.metric = vouch::GuardrailMetric::kLatencyP95, .share = 0.5});
  vouch::ExperimentState state = vouch::NewRun(spec, 1, 1);
  vouch::TakeOutcome(spec, {.run = 1, .share = 0.5, .asked = true, .signal = 0.5, .latency_ms = 20},
                     &state);
  return {vouch::ExperimentToJson(spec), vouch::ExperimentStateToJson(state),
          vouch::ExperimentEventToJson({.arm = {.experiment = "e@1", .run = 1}, .score = 0.5}),
          vouch::FeedbackToJson({.id = "f", .answer = "a", .said = {.thumbs_up = true}})};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Check(text, vouch::ExperimentFromJson, vouch::ExperimentToJson);
  Check(text, vouch::ExperimentStateFromJson, vouch::ExperimentStateToJson);
  Check(text, vouch::ExperimentEventFromJson, vouch::ExperimentEventToJson);
  Check(text, vouch::FeedbackFromJson, vouch::FeedbackToJson);
  return 0;
}
