// What has come of an experiment since the last look, and what follows from it.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "rag/answer_cost.h"
#include "rag/deliver/experiment_book.h"
#include "rag/deliver/experiment_records.h"
#include "rag/interleave.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kOutcomesOfACommit = 500;
// Of a run that are told apart; later ones count in the guardrails alone.
constexpr uint64_t kMaxCallers = 1'000'000;
constexpr char kAskedMark[] = "asked";
constexpr char kSignalMark[] = "signal";
constexpr char kBothMark[] = "asked,signal";

// An outcome with where it stands.
struct Pending {
  ExperimentOutcome outcome = {};
  std::string answer = {};  // its id; empty: it is an event
  std::string event = {};   // its record's name
};

ExperimentOutcome OutcomeOf(const ExperimentArm& arm) {
  ExperimentOutcome outcome;
  outcome.run = arm.run;
  outcome.step = arm.step;
  outcome.challenger = arm.challenger;
  outcome.share = arm.challenger ? arm.propensity : 1 - arm.propensity;
  outcome.caller = arm.caller;
  return outcome;
}

std::string_view ActionOf(ExperimentStatus status) {
  switch (status) {
    case ExperimentStatus::kRunning:
      return "experiment.step";
    case ExperimentStatus::kWon:
      return "experiment.won";
    case ExperimentStatus::kStopped:
      return "experiment.stop";
    case ExperimentStatus::kRolledBack:
      return "experiment.rollback";
    case ExperimentStatus::kMismatch:
      return "experiment.mismatch";
    case ExperimentStatus::kFinished:
      return "experiment.finish";
  }
  return "";
}

}  // namespace

std::optional<double> CreditOf(const Answer& answer) {
  if (answer.citations.empty() || !answer.experiment || answer.experiment->teams.empty()) return std::nullopt;
  std::set<uint64_t> cited;
  for (const Citation& citation : answer.citations) cited.insert(citation.row.value);
  const std::string& teams = answer.experiment->teams;
  int lead = 0;
  for (size_t i = 0; i < answer.hits.size() && i < teams.size(); ++i) {
    if (cited.contains(answer.hits[i].row.value)) lead += teams[i] == kChallengerTeam ? 1 : -1;
  }
  return lead > 0 ? 1 : lead < 0 ? -1 : 0;
}

std::optional<double> SignalOf(ExperimentSignal signal, const Answer& answer) {
  const bool quoted = !answer.generation || answer.generation->tier.empty();
  const auto verified = static_cast<double>(
      std::count_if(answer.citations.begin(), answer.citations.end(),
                    [](const Citation& citation) { return citation.verified; }));
  switch (signal) {
    case ExperimentSignal::kAnswered:
      return answer.abstained ? 0 : 1;
    case ExperimentSignal::kGrounding:
      if (answer.abstained) return std::nullopt;
      return quoted ? 1 : answer.generation->grounding;
    case ExperimentSignal::kCitations:
      if (answer.abstained || answer.citations.empty()) return std::nullopt;
      return verified / static_cast<double>(answer.citations.size());
    case ExperimentSignal::kThumbs:
    case ExperimentSignal::kScore:
      break;
  }
  return std::nullopt;
}

// One look at one experiment, with the book's lock held.
class ExperimentBook::Looker {
 public:
  Looker(ExperimentBook& book, std::string_view tenant, ExperimentEntry& entry)
      : book_(book),
        journal_(Journal::Of(book.store_)),
        tenant_(tenant),
        spec_(entry.spec),
        state_(entry.state),
        reference_(Concat(spec_.name, "@", state_.version)),
        now_us_(book.clock_.NowMicros()) {}

  absl::Status Run(uint64_t dropped) {
    if (!IsActive(state_.status)) return TakeLateEvents();
    if (absl::Status status = FindAnswers(); !status.ok()) return status;
    if (absl::Status status = FindEvents(); !status.ok()) return status;
    for (Pending& pending : pending_) {
      if (absl::Status status = Take(pending); !status.ok()) return status;
      if (!IsActive(state_.status)) break;
      if (++taken_ % kOutcomesOfACommit != 0) continue;
      if (absl::Status status = Commit(); !status.ok()) return status;
    }
    if (!newest_.empty() && newest_ != state_.cursor && IsActive(state_.status)) {
      state_.cursor = newest_;
      changed_ = changed_ || skipped_ >= kOutcomesOfACommit || unread_;
    }
    if (dropped > 0) {
      state_.dropped += dropped;
      changed_ = true;
    }
    if (IsActive(state_.status)) {
      if (absl::Status status = CheckAliases(); !status.ok()) return status;
    }
    if (IsActive(state_.status)) Climb();
    return Commit();
  }

 private:
  // Answers since the last one that was looked at, in the order in which they were kept.
  absl::Status FindAnswers() {
    const absl::Status scanned =
        book_.store_.ScanAnswers(tenant_, [&](std::string_view id, std::string_view record) {
          if (id == state_.cursor) return false;
          if (newest_.empty()) newest_ = std::string(id);
          ++skipped_;
          // Most answers are no part of it, and need not be read.
          if (record.find(reference_) == std::string_view::npos) return true;
          const absl::StatusOr<Answer> answer = AnswerFromJson(record);
          if (!answer.ok()) {
            PassOver(Concat("answer ", id), answer.status());
            return true;
          }
          if (!answer->experiment || answer->experiment->experiment != reference_) return true;
          Pending& pending = pending_.emplace_back();
          pending.outcome = OutcomeOfAnswer(*answer);
          pending.answer = std::string(id);
          return true;
        });
    std::reverse(pending_.begin(), pending_.end());
    return scanned;
  }

  ExperimentOutcome OutcomeOfAnswer(const Answer& answer) {
    ExperimentOutcome outcome = OutcomeOf(*answer.experiment);
    outcome.asked = true;
    // A shadow uses no cache, so what the caller got from there is not what it is compared with.
    const bool cached = answer.cache && !answer.cache->answer_id.empty();
    if (spec_.mode != ExperimentMode::kShadow || !cached) {
      outcome.latency_ms = static_cast<double>(answer.retrieve_us + answer.generate_us) / 1'000;
      outcome.cost = static_cast<double>(CostNanoOf(answer)) / 1e9;
    }
    outcome.abstained = answer.abstained;
    outcome.error = false;
    outcome.signal = SignalOf(spec_.signal, answer);
    if (spec_.mode == ExperimentMode::kInterleave) {
      outcome.signal.reset();
      outcome.pair = CreditOf(answer);
      outcome.challenger_error = answer.experiment->against.empty();
    }
    outcome.pair = outcome.pair ? outcome.pair : PairOf(answer.experiment->shadow_of, outcome.signal);
    return outcome;
  }

  // What a shadow's signal is more than that of the answer which was seen.
  std::optional<double> PairOf(const std::string& shadow_of, const std::optional<double>& signal) {
    if (shadow_of.empty() || !signal) return std::nullopt;
    const absl::StatusOr<std::string> record = book_.store_.GetAnswer(tenant_, shadow_of);
    const absl::StatusOr<Answer> seen =
        record.ok() ? AnswerFromJson(*record) : absl::StatusOr<Answer>(record.status());
    if (!seen.ok()) {
      PassOver(Concat("answer ", shadow_of), seen.status());
      return std::nullopt;
    }
    const std::optional<double> champion = SignalOf(spec_.signal, *seen);
    return champion ? std::optional<double>(*signal - *champion) : std::nullopt;
  }

  // Told once: what is passed over lies behind the cursor afterwards.
  void PassOver(const std::string& what, const absl::Status& status) {
    unread_ = true;
    if (!book_.warn_) return;
    book_.warn_(Concat("experiment ", spec_.name, " of tenant ", tenant_, " passes over ", what, ": ", status.message()));
  }

  absl::Status FindEvents() {
    return journal_.ScanJournalRecords(
        tenant_, ExperimentEventsOf(spec_.name),
        [&](std::string_view name, std::string_view bytes) {
          const absl::StatusOr<ExperimentEvent> event = ExperimentEventFromJson(bytes);
          if (!event.ok()) {
            PassOver(Concat("its event ", name), event.status());
            pending_.emplace_back().event = std::string(name);  // of no run: it is deleted
            return true;
          }
          Pending pending{.outcome = OutcomeOf(event->arm), .event = std::string(name)};
          if (event->arm.experiment != reference_) pending.outcome.run = 0;  // of another version
          if (event->error) {
            pending.outcome.asked = true;
            pending.outcome.error = true;
            if (spec_.signal == ExperimentSignal::kAnswered) {
              pending.outcome.signal = 0;
              if (pending.outcome.run == state_.run)
                pending.outcome.pair = PairOf(event->arm.shadow_of, pending.outcome.signal);
            }
          }
          if (spec_.signal == ExperimentSignal::kThumbs && event->thumbs_up)
            pending.outcome.signal = *event->thumbs_up ? 1 : 0;
          if (spec_.signal == ExperimentSignal::kScore) pending.outcome.signal = event->score;
          pending_.push_back(std::move(pending));
          return true;
        });
  }

  // Of a run that has ended nothing is counted.
  absl::Status TakeLateEvents() {
    if (absl::Status status = FindEvents(); !status.ok()) return status;
    for (const Pending& pending : pending_) change_.records.push_back({pending.event, std::nullopt});
    changed_ = !pending_.empty();
    if (!changed_) return absl::OkStatus();
    return journal_.Commit(tenant_, change_).status();
  }

  absl::Status Take(Pending& pending) {
    ExperimentOutcome& outcome = pending.outcome;
    changed_ = true;
    if (!pending.answer.empty()) state_.cursor = pending.answer;
    if (!pending.event.empty()) change_.records.push_back({pending.event, std::nullopt});
    if (outcome.run != state_.run) return absl::OkStatus();
    // The champion's answer and its shadow are one question: it is the shadow's arm that is told apart.
    const bool shadow = spec_.mode == ExperimentMode::kShadow;
    const std::string key =
        shadow && outcome.challenger ? Concat(outcome.caller, "-shadow") : outcome.caller;
    absl::StatusOr<std::string> mark = MarkOf(key);
    if (!mark.ok()) return mark.status();
    const bool asked_before = *mark == kAskedMark || *mark == kBothMark;
    const bool signal_before = *mark == kSignalMark || *mark == kBothMark;
    const bool full = mark->empty() && Callers() >= kMaxCallers;
    outcome.first_of_caller = !asked_before && !full;
    outcome.first_signal_of_caller = !signal_before && !full;
    const bool asked = asked_before || outcome.asked;
    const bool paired =
        spec_.mode == ExperimentMode::kInterleave || (shadow && outcome.challenger);
    const bool signal =
        signal_before || (paired ? outcome.pair.has_value() : outcome.signal.has_value());
    const std::string now = asked && signal ? kBothMark : asked ? kAskedMark : signal ? kSignalMark : "";
    if (now != *mark && !full) marks_[key] = now;
    TakeOutcome(spec_, outcome, &state_);
    const std::optional<ExperimentVerdict> verdict = Judge(spec_, state_);
    if (!verdict) return absl::OkStatus();
    End(verdict->status, verdict->reason);
    return absl::OkStatus();
  }

  uint64_t Callers() const {
    uint64_t callers = 0;
    for (const StepTally& step : state_.steps) callers += step.champion.callers + step.challenger.callers;
    return callers;
  }

  absl::StatusOr<std::string> MarkOf(const std::string& caller) {
    if (const auto found = marks_.find(caller); found != marks_.end()) return found->second;
    const auto record = journal_.GetJournalRecord(
        tenant_, ExperimentCallerName(spec_.name, state_.run, caller));
    if (!record.ok()) return record.status();
    return record->value_or("");
  }

  void End(ExperimentStatus status, const std::string& reason) {
    state_.status = status;
    state_.reason = reason;
    if (!IsActive(status)) state_.ended_us = now_us_;
    Say(std::string(ActionOf(status)));
  }

  void Say(std::string action) {
    changed_ = true;
    change_.entries.push_back(
        ExperimentDraft(spec_, state_, std::move(action), kSystemActor, now_us_));
  }

  // What it compares must stay what it was.
  absl::Status CheckAliases() {
    const absl::StatusOr<Versions> versions = book_.Resolve(tenant_, spec_);
    if (!versions.ok() && !absl::IsNotFound(versions.status())) return versions.status();
    if (versions.ok() && versions->champion == state_.champion &&
        versions->challenger == state_.challenger) {
      return absl::OkStatus();
    }
    const std::string what =
        !versions.ok() ? std::string(versions.status().message())
        : versions->champion != state_.champion
            ? Concat(spec_.pipeline, "@", spec_.champion, " is version ", versions->champion,
                     " now, and was ", state_.champion)
            : Concat(spec_.pipeline, "@", spec_.challenger, " is version ", versions->challenger,
                     " now, and was ", state_.challenger);
    End(ExperimentStatus::kFinished, what);
    return absl::OkStatus();
  }

  // On to the next step, where this one has had its answers and its time.
  void Climb() {
    const int64_t elapsed_us = std::clamp<int64_t>(now_us_ - state_.looked_us, 0, kMaxStepUs);
    if (now_us_ < state_.looked_us) changed_ = true;  // it goes on from here
    state_.looked_us = now_us_;
    state_.step_us += elapsed_us;
    if (state_.step + 1 >= spec_.ramp.size()) return;
    const RampStep& step = spec_.ramp[state_.step];
    const ArmTally& arm = state_.steps[state_.step].challenger;
    // Questions that failed are no answers: on them nobody else should be let in.
    const uint64_t answers = arm.answers - std::min(arm.answers, static_cast<uint64_t>(arm.errors.sum));
    const int64_t wanted_us = static_cast<int64_t>(step.seconds) * 1'000'000;
    if (elapsed_us > 0 && state_.step_us - elapsed_us < wanted_us) changed_ = true;
    if (answers < step.answers || state_.step_us < wanted_us) return;
    ++state_.step;
    state_.step_us = 0;
    Say("experiment.step");
  }

  absl::Status Commit() {
    if (!changed_) return absl::OkStatus();
    for (const auto& [caller, mark] : marks_)
      change_.records.push_back({ExperimentCallerName(spec_.name, state_.run, caller), mark});
    change_.records.push_back({ExperimentStateName(spec_.name), ExperimentStateToJson(state_)});
    const auto kept = journal_.Commit(tenant_, change_);
    change_ = {};
    marks_.clear();
    changed_ = false;
    return kept.status();
  }

  ExperimentBook& book_;
  Journal& journal_;
  const std::string tenant_;
  const ExperimentSpec& spec_;
  ExperimentState& state_;
  const std::string reference_;
  const int64_t now_us_;
  std::vector<Pending> pending_;
  std::string newest_;   // answer, whatever it is part of
  uint64_t skipped_ = 0;  // answers that were gone through
  uint64_t taken_ = 0;
  bool unread_ = false;  // something was passed over
  std::map<std::string, std::string> marks_;  // of callers, not yet written
  JournalChange change_;
  bool changed_ = false;
};

absl::StatusOr<ExperimentEntry> ExperimentBook::Look(std::string_view tenant,
                                                     const std::string& name, uint64_t dropped) {
  const std::lock_guard<std::mutex> lock(mu_);
  absl::StatusOr<ExperimentEntry> entry = Get(tenant, name);
  if (!entry.ok()) return entry;
  // A kill came between the version and its run, or it could not begin then.
  if (entry->state.run == 0 || entry->state.version != entry->version.number) {
    const absl::Status begun = Begin(tenant, kSystemActor, &*entry);
    if (!begun.ok()) entry->not_started = std::string(begun.message());
    return entry;
  }
  if (absl::Status status = Looker(*this, tenant, *entry).Run(dropped); !status.ok()) return status;
  return entry;
}

}  // namespace vouch
