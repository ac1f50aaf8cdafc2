#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/deliver/experiment.h"
#include "rag/deliver/experiment_state.h"
#include "rag/experiment_arm.h"
#include "storage/journal.h"

namespace vouch {

// Feedback on an answer of an experiment, or a question of it that got none, until a look takes it.
struct ExperimentEvent {
  ExperimentArm arm = {};
  bool error = false;
  std::optional<bool> thumbs_up = {};
  std::optional<double> score = {};
};
std::string ExperimentEventToJson(const ExperimentEvent& event);
absl::StatusOr<ExperimentEvent> ExperimentEventFromJson(std::string_view json);  // DATA_LOSS

// Names of journal records (ExperimentBook).
std::string ExperimentStateName(std::string_view name);
std::string ExperimentCallersOf(std::string_view name);
std::string ExperimentCallerName(std::string_view name, uint64_t run, std::string_view caller);
std::string ExperimentEventsOf(std::string_view name);
RecordChange ExperimentEventRecord(const ExperimentEvent& event, std::string_view id);

// "cheaper@2" → "cheaper"
std::string_view ExperimentNameOf(const ExperimentArm& arm);

// What the audit log says of a run. `action` is "experiment.start", ".step", ".stop", ".rollback", ".won",
// ".mismatch" or ".finish".
AuditDraft ExperimentDraft(const ExperimentSpec& spec, const ExperimentState& state,
                           std::string action, std::string_view actor, int64_t time_us);

}  // namespace vouch
