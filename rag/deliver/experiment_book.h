#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
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
// 2. A look takes the answers since the last one in the order in which they were kept, and after them the
//    feedback and the questions that failed. It is judged after each, so how often it was looked at decides
//    nothing but what of the latter comes before which answers, and the time that a step has lasted.
// 3. That time is added up look by look, at most kMaxStepUs each, so a clock that jumps moves no step on
//    by itself, and one that goes back holds none up.
// 4. Of the experiments of an alias one is active at most.
// 5. A record that cannot be read is passed over and told: no other answer, experiment or tenant waits for it.
// 6. No run gets the number of one of which something is left. So what an ended run leaves harms nothing, and goes
//    in the background (DropLeftovers).
//
// Journal records of a tenant: "experiment-state/NAME" (JSON), "experiment-caller/NAME/RUN/HASH" (what of
// a caller was counted), "experiment-event/NAME/ID" (feedback or an error that no look has taken yet).
class ExperimentBook {
 public:
  static constexpr char kKind[] = "experiment";
  static constexpr int64_t kMaxStepUs = 120'000'000;

  using Warn = std::function<void(const std::string& message)>;

  // `warn` hears of records that are passed over; it may be empty.
  ExperimentBook(Store& store, const Clock& clock, Warn warn = nullptr)
      : store_(store), clock_(clock), specs_(store, clock, kKind), pipelines_(store, clock), warn_(std::move(warn)) {}

  absl::StatusOr<ExperimentEntry> Get(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<std::vector<ExperimentEntry>> List(std::string_view tenant) const;  // by name
  // The same of those that can be read; `unread` hears of the others.
  absl::StatusOr<std::vector<ExperimentEntry>> ListReadable(std::string_view tenant,
                                                            const SpecStore::Unread& unread) const;

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
  // One that is active is stopped first. What cannot be read of it is not in the way.
  absl::Status Remove(std::string_view tenant, const std::string& name, std::string_view actor);

  // Takes what has come since the last look, and does what follows from it: the next step, an end.
  // `dropped`: questions that the shadow was not asked since then.
  absl::StatusOr<ExperimentEntry> Look(std::string_view tenant, const std::string& name,
                                       uint64_t dropped = 0);
  // What came of asking for the promotion of the run's challenger; of another run nothing is noted.
  absl::Status NotePromotion(std::string_view tenant, const std::string& name, uint64_t run,
                             const std::string& says);

  // All that ever had a run, removed ones among them.
  absl::StatusOr<std::vector<std::string>> NamesOfRuns(std::string_view tenant) const;
  // Deletes what runs that have ended left: what was noted of their callers, and what came too late. Between
  // two commits `cancel` is asked; what it leaves is found by the next call.
  absl::Status DropLeftovers(std::string_view tenant, const std::string& name, const CancelToken& cancel);

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
  // Of one whose record cannot be read: says that it is stopped.
  absl::Status StopUnread(std::string_view tenant, const std::string& name, std::string_view actor);
  // The number of the run that is active, or 0.
  absl::StatusOr<uint64_t> LiveRun(std::string_view tenant, const std::string& name) const;
  absl::Status DropLateEvents(std::string_view tenant, const std::string& name, const CancelToken& cancel);
  absl::Status DropCallers(std::string_view tenant, const std::string& run, const CancelToken& cancel);

  Store& store_;
  const Clock& clock_;
  SpecStore specs_;
  PipelineStore pipelines_;
  const Warn warn_;
  std::mutex mu_;  // held by who reads a state and writes another
};

// The signal of an answer that needs no feedback; nullopt where it has none (an answer that abstains has
// no grounding).
std::optional<double> SignalOf(ExperimentSignal signal, const Answer& answer);
// Of an answer from interleaved hits: 1 where more of the challenger's are cited, -1 where more of the champion's, 0
// where as many; nullopt where nothing is cited, or nothing was interleaved.
std::optional<double> CreditOf(const Answer& answer);

}  // namespace vouch
