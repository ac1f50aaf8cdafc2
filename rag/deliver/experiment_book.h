#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "rag/deliver/experiment.h"
#include "rag/deliver/experiment_state.h"
#include "rag/deliver/spec_store.h"
#include "rag/feedback.h"
#include "rag/pipeline_store.h"
#include "storage/journal.h"

namespace vouch {

struct ExperimentEntry {
  ExperimentSpec spec = {};
  SpecVersion version = {};
  ExperimentState state = {};   // of the latest run; of none: run 0
  std::string not_started = {};  // why this version has no run yet; else empty
};

// Experiments of a store's tenants, and how each stands. Thread safe.
//
// Invariants:
// 1. A run's state, the place up to which answers were counted, what is noted of their callers, and what
//    the audit log says of it are one transaction: after a kill the next look goes on where the last one
//    ended, and no answer counts twice or is left out.
// 2. What comes of a run follows from its records in their order; how often it was looked at is without
//    effect, but for the time that a step has lasted.
// 3. That time is added up look by look, at most kMaxStepUs each, so a clock that jumps moves no step on
//    by itself, and one that goes back holds none up.
// 4. Of the experiments of an alias one is active at most.
//
// Journal records of a tenant: "experiment-state/NAME" (JSON), "experiment-caller/NAME/RUN/HASH" (what of
// a caller was counted), "experiment-event/NAME/ID" (feedback or an error that no look has taken yet).
class ExperimentBook {
 public:
  static constexpr char kKind[] = "experiment";
  static constexpr int64_t kMaxStepUs = 120'000'000;

  ExperimentBook(Store& store, const Clock& clock)
      : store_(store), clock_(clock), specs_(store, clock, kKind), pipelines_(store, clock) {}

  absl::StatusOr<ExperimentEntry> Get(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<std::vector<ExperimentEntry>> List(std::string_view tenant) const;  // by name

  // A new version starts at once, as a new run. One that is there already changes nothing, not even where
  // its run has ended. NOT_FOUND: the pipeline has no such version or alias. FAILED_PRECONDITION: another
  // experiment of the alias is active.
  absl::StatusOr<SpecStore::Applied> Apply(std::string_view tenant, const ExperimentSpec& spec,
                                           bool dry_run, std::string_view actor);
  // A new run, from nothing. FAILED_PRECONDITION: it is active, or as Apply.
  absl::StatusOr<ExperimentEntry> Start(std::string_view tenant, const std::string& name,
                                        std::string_view actor);
  // FAILED_PRECONDITION: it is not active.
  absl::StatusOr<ExperimentEntry> Stop(std::string_view tenant, const std::string& name,
                                       const std::string& reason, std::string_view actor);
  absl::Status Remove(std::string_view tenant, const std::string& name, std::string_view actor);

  // Takes what has come since the last look, and does what follows from it: the next step, an end.
  // `dropped`: questions that the shadow was not asked since then.
  absl::StatusOr<ExperimentEntry> Look(std::string_view tenant, const std::string& name,
                                       uint64_t dropped = 0);
  // What came of asking for the promotion of the run's challenger; of another run nothing is noted.
  absl::Status NotePromotion(std::string_view tenant, const std::string& name, uint64_t run,
                             const std::string& says);

  // To be written with the feedback; nullopt where it says nothing of the signals.
  static std::optional<RecordChange> EventOf(const Feedback& feedback, const ExperimentArm& arm);
  // A question that got no answer. Durable on return.
  absl::Status NoteError(std::string_view tenant, const ExperimentArm& arm);

 private:
  class Looker;
  struct Versions {
    uint64_t champion = 0;
    uint64_t challenger = 0;
  };
  absl::StatusOr<Versions> Resolve(std::string_view tenant, const ExperimentSpec& spec) const;
  absl::Status CheckFree(std::string_view tenant, const ExperimentSpec& spec) const;
  absl::StatusOr<ExperimentEntry> EntryOf(std::string_view tenant, SpecVersion version) const;
  // With mu_ held.
  absl::Status Begin(std::string_view tenant, std::string_view actor, ExperimentEntry* entry);
  absl::Status DropCallers(std::string_view tenant, const std::string& name);

  Store& store_;
  const Clock& clock_;
  SpecStore specs_;
  PipelineStore pipelines_;
  std::mutex mu_;  // held by who reads a state and writes another
};

// The signal of an answer that needs no feedback; nullopt where it has none (an answer that abstains has
// no grounding).
std::optional<double> SignalOf(ExperimentSignal signal, const Answer& answer);

}  // namespace vouch
