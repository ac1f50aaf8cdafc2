#include "rag/deliver/experiment_runner.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>

#include "absl/time/clock.h"
#include "rag/deliver/experiment_records.h"
#include "rag/deliver/guarded.h"
#include "rag/deliver/promoter.h"
#include "storage/concat.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr std::chrono::seconds kEvery{60};             // a look, though nothing has come: steps last
constexpr std::chrono::milliseconds kBetweenLooks{200};  // so that each takes what came meanwhile
constexpr std::chrono::seconds kDrainTime{5};
constexpr absl::Duration kLongestShadow = absl::Minutes(5);
constexpr int kShadowNice = 10;

uint64_t First8(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// In [0, 1).
double UnitOf(std::string_view digest) { return static_cast<double>(First8(digest) >> 11) * 0x1p-53; }

// Whether it says something of who was asked. A collection that is gone and a mode that does not fit it are NOT_FOUND
// and INVALID_ARGUMENT; who asks has seen to it that the request itself is not what is wrong.
bool IsFailure(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kResourceExhausted:  // the day's money, which all arms spend
      return false;
    default:
      return true;
  }
}

bool NeedsLook(const ExperimentEntry& entry) {
  return entry.state.run == 0 || entry.state.version != entry.version.number ||
         IsActive(entry.state.status);
}

}  // namespace

ExperimentRunner::ExperimentRunner(Dependencies dependencies)
    : dependencies_(std::move(dependencies)),
      book_(store(), clock(), dependencies_.warn),
      table_(std::make_shared<const Table>()) {
  Refresh();  // what cannot be read now is read at the first look
  looks_ = std::thread([this] { RunLooks(); });
  shadows_ = std::thread([this] { RunShadows(); });
}

ExperimentRunner::~ExperimentRunner() {
  {
    std::unique_lock<std::mutex> lock(mu_);
    shadows_done_.wait_for(lock, kDrainTime, [this] { return waiting_.empty() && !asking_; });
    stopping_ = true;
    for (const Waiting& waiting : waiting_) {
      const ExperimentArm& arm = *waiting.ask.experiment;
      ++dropped_[{waiting.ask.principal.tenant, std::string(ExperimentNameOf(arm))}];
    }
    waiting_.clear();
  }
  wake_looks_.notify_all();
  wake_shadows_.notify_all();
  shadows_.join();
  looks_.join();
  // What is missed is looked at when the store is opened again.
  Tell("the last look at experiments", Guarded([this] {
    LookAtAll();
    return absl::OkStatus();
  }));
}

std::shared_ptr<const ExperimentRunner::Table> ExperimentRunner::table() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return table_;
}

void ExperimentRunner::Tell(const std::string& about, const absl::Status& status) {
  std::string message;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (status.ok()) {
      told_.erase(about);
      return;
    }
    message = Concat(about, ": ", status.message());
    if (std::exchange(told_[about], message) == message) return;
  }
  if (dependencies_.warn) dependencies_.warn(message);
}

std::vector<ExperimentEntry> ExperimentRunner::ReadableOf(const std::string& tenant) {
  absl::StatusOr<std::vector<ExperimentEntry>> entries =
      book_.ListReadable(tenant, [&](const std::string& name, const absl::Status& status) {
        Tell(Concat("experiment ", name, " of tenant ", tenant, " rests"), status);
      });
  Tell(Concat("the experiments of tenant ", tenant, " rest"), entries.status());
  return entries.ok() ? *std::move(entries) : std::vector<ExperimentEntry>();
}

void ExperimentRunner::Refresh() {
  const std::lock_guard<std::mutex> refreshing(refresh_mu_);
  auto table = std::make_shared<Table>();
  const PipelineStore pipelines(store(), clock());
  for (const std::string& tenant : Journal::Of(store()).Tenants()) {
    for (const ExperimentEntry& entry : ReadableOf(tenant)) {
      const ExperimentState& state = entry.state;
      if (state.run == 0 || state.version != entry.version.number || !IsActive(state.status)) continue;
      const auto challenger =
          pipelines.Get(tenant, Concat(entry.spec.pipeline, "@", state.challenger));
      Tell(Concat("the challenger of experiment ", entry.spec.name, " of tenant ", tenant), challenger.status());
      if (!challenger.ok()) continue;
      (*table)[{tenant, Concat(entry.spec.pipeline, "@", entry.spec.champion)}] = {
          .experiment = Concat(entry.spec.name, "@", state.version),
          .run = state.run,
          .step = state.step,
          .share = ShareAt(entry.spec, state.step),
          .mode = std::string(ExperimentModeName(entry.spec.mode)),
          .kind = entry.spec.mode,
          .salt = entry.spec.salt.empty() ? entry.spec.name : entry.spec.salt,
          .champion = state.champion,
          .challenger = *challenger};
    }
  }
  const std::lock_guard<std::mutex> lock(mu_);
  table_ = std::move(table);
}

std::string ExperimentRunner::CallerOf(std::string_view named, const Principal& principal,
                                       const std::vector<ChatMessage>& conversation,
                                       std::string_view question) {
  if (!named.empty()) return Concat("caller/", named);
  if (principal.subject != Principal().subject) return Concat("subject/", principal.subject);
  // The first question of a conversation is all that later ones have in common. What it was greeted with is not the
  // caller's.
  for (const ChatMessage& turn : conversation) {
    if (turn.role == "user") return Concat("conversation/", turn.content);
  }
  return Concat("conversation/", question);
}

absl::StatusOr<std::optional<ExperimentRunner::Assignment>> ExperimentRunner::Assign(
    const std::string& tenant, const std::string& reference, std::string_view caller,
    std::string_view question) const {
  const std::shared_ptr<const Table> table = this->table();
  const auto found = table->find({tenant, reference});
  if (found == table->end()) return std::nullopt;
  const Active& active = found->second;
  auto champion = PipelineStore(store(), clock()).Get(tenant, reference);
  if (!champion.ok()) return champion.status();
  if ((*champion)->number != active.champion) return std::nullopt;
  const std::string digest = Sha256Of(Concat(active.salt, "\n", caller));
  Assignment assignment{.pipeline = *std::move(champion),
                        .arm = {.experiment = active.experiment,
                                .run = active.run,
                                .step = active.step,
                                .mode = active.mode,
                                .salt = active.salt,
                                .caller = HexOf(std::string_view(digest).substr(8, 8)),
                                .asked = reference}};
  if (IsPaired(active.kind)) {
    // Of the questions, not of the callers: nobody is treated unlike another.
    const bool taken =
        UnitOf(Sha256Of(Concat(active.salt, "\n", caller, "\n", question))) < active.share;
    if (active.kind == ExperimentMode::kShadow && taken) {
      assignment.shadow = active.challenger;
      assignment.shadow_arm = assignment.arm;
      assignment.shadow_arm.challenger = true;
      assignment.shadow_arm.propensity = active.share;
    }
    if (active.kind == ExperimentMode::kShadow) return assignment;
    if (!taken) return std::nullopt;
    assignment.interleave = active.challenger;
    assignment.arm.propensity = active.share;
    assignment.arm.against =
        Concat(active.challenger->spec.name, "@", active.challenger->number);
    return assignment;
  }
  assignment.arm.challenger = UnitOf(digest) < active.share;
  assignment.arm.propensity = assignment.arm.challenger ? active.share : 1 - active.share;
  if (assignment.arm.challenger) assignment.pipeline = active.challenger;
  return assignment;
}

void ExperimentRunner::TakeAnswer() {
  const std::lock_guard<std::mutex> lock(mu_);
  look_ = true;
  wake_looks_.notify_one();
}

void ExperimentRunner::TakeError(const std::string& tenant, const ExperimentArm& arm,
                                 const absl::Status& status) {
  if (!IsFailure(status)) return;
  Tell(Concat("an error of experiment ", ExperimentNameOf(arm), " of tenant ", tenant), book_.NoteError(tenant, arm));
  TakeAnswer();
}

void ExperimentRunner::AskShadow(const Assignment& assignment, AskRequest ask,
                                 const std::string& answer, Version version) {
  if (assignment.shadow == nullptr) return;
  ask.listener = nullptr;
  ask.tracer = nullptr;
  ask.parent = {};
  ask.cache = nullptr;
  ask.route = nullptr;
  ask.at = {version};  // both see the same data
  ask.experiment = assignment.shadow_arm;
  ask.experiment->shadow_of = answer;
  const std::string tenant = ask.principal.tenant;
  const std::lock_guard<std::mutex> lock(mu_);
  if (stopping_ || waiting_.size() >= kMaxWaiting) {
    ++dropped_[{tenant, std::string(ExperimentNameOf(assignment.shadow_arm))}];
    return;
  }
  waiting_.push_back({.ask = std::move(ask), .pipeline = assignment.shadow});
  wake_shadows_.notify_one();
}

void ExperimentRunner::RunShadows() {
  // A thread's own: callers' questions come first where processors are short.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kShadowNice);
  std::unique_lock<std::mutex> lock(mu_);
  while (true) {
    wake_shadows_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    asking_ = true;
    lock.unlock();
    Tell("the shadows of experiments", Guarded([&] {
      Ask(waiting);
      return absl::OkStatus();
    }));
    lock.lock();
    asking_ = false;
    look_ = true;
    wake_looks_.notify_one();
    if (waiting_.empty()) shadows_done_.notify_all();
  }
}

void ExperimentRunner::Ask(const Waiting& waiting) {
  AskRequest ask = waiting.ask;
  const std::string& tenant = ask.principal.tenant;
  ask.cancel = CancelToken(absl::Now() + kLongestShadow, [this] {
    const std::lock_guard<std::mutex> lock(mu_);
    return stopping_;
  });
  const absl::Status status = Guarded([&]() -> absl::Status {
    const absl::StatusOr<std::shared_ptr<ModelRoute>> route = dependencies_.route(tenant);
    if (!route.ok()) return route.status();
    ask.tree = dependencies_.tree;
    if (absl::Status used = UsePipeline(waiting.pipeline, route->get(), &ask); !used.ok()) return used;
    return vouch::Ask(dependencies_.database, dependencies_.embedders, ask).status();
  });
  if (status.ok()) return;
  // The day's money, or the server's end: neither is the challenger's fault.
  if (absl::IsResourceExhausted(status) || absl::IsCancelled(status)) {
    return CountDropped(tenant, ExperimentNameOf(*ask.experiment));
  }
  TakeError(tenant, *ask.experiment, status);
}

void ExperimentRunner::CountDropped(const std::string& tenant, std::string_view experiment) {
  const std::lock_guard<std::mutex> lock(mu_);
  ++dropped_[{tenant, std::string(experiment)}];
}

void ExperimentRunner::RunLooks() {
  bool first = true;
  std::unique_lock<std::mutex> lock(mu_);
  while (!stopping_) {
    look_ = false;
    lock.unlock();
    Tell("the looks at experiments", Guarded([&] {
      LookAtAll();
      if (std::exchange(first, false)) FindLeftovers();
      DropLeftovers();
      return absl::OkStatus();
    }));
    lock.lock();
    wake_looks_.wait_for(lock, kBetweenLooks, [this] { return stopping_; });
    wake_looks_.wait_for(lock, kEvery, [this] { return stopping_ || look_; });
  }
}

absl::StatusOr<ExperimentEntry> ExperimentRunner::LookAt(std::string_view tenant,
                                                         const std::string& name) {
  uint64_t dropped = 0;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    const auto found = dropped_.find({std::string(tenant), name});
    if (found != dropped_.end()) dropped = std::exchange(found->second, 0);
  }
  absl::StatusOr<ExperimentEntry> entry = book_.Look(tenant, name, dropped);
  const std::lock_guard<std::mutex> lock(mu_);
  if (!entry.ok()) {
    if (dropped > 0) dropped_[{std::string(tenant), name}] += dropped;
  } else if (!IsActive(entry->state.status)) {
    leaving_.insert({std::string(tenant), name});
  }
  return entry;
}

void ExperimentRunner::LookAtAll() {
  for (const std::string& tenant : Journal::Of(store()).Tenants()) {
    for (const ExperimentEntry& entry : ReadableOf(tenant)) {
      if (!NeedsLook(entry)) continue;
      const absl::StatusOr<ExperimentEntry> seen = LookAt(tenant, entry.spec.name);
      if (absl::IsNotFound(seen.status())) continue;  // removed meanwhile
      Tell(Concat("the look at experiment ", entry.spec.name, " of tenant ", tenant), seen.status());
      if (seen.ok()) AskForPromotion(tenant, *seen);
    }
  }
  // In any case: what could be read before, and cannot now, shares nothing any more.
  Refresh();
}

void ExperimentRunner::FindLeftovers() {
  for (const std::string& tenant : Journal::Of(store()).Tenants()) {
    const absl::StatusOr<std::vector<std::string>> names = book_.NamesOfRuns(tenant);
    Tell(Concat("what is left of the experiments of tenant ", tenant), names.status());
    if (!names.ok()) continue;
    const std::lock_guard<std::mutex> lock(mu_);
    for (const std::string& name : *names) leaving_.insert({tenant, name});
  }
}

void ExperimentRunner::DropLeftovers() {
  const CancelToken cancel(absl::InfiniteFuture(), [this] {
    const std::lock_guard<std::mutex> lock(mu_);
    return stopping_;
  });
  std::set<std::pair<std::string, std::string>> leaving;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    leaving = std::exchange(leaving_, {});
  }
  for (const auto& [tenant, name] : leaving) {
    const absl::Status status = book_.DropLeftovers(tenant, name, cancel);
    if (absl::IsCancelled(status)) return;  // the next process finds the rest
    Tell(Concat("what is left of experiment ", name, " of tenant ", tenant), status);
  }
}

void ExperimentRunner::MayLeave(std::string_view tenant, const std::string& name) {
  const std::lock_guard<std::mutex> lock(mu_);
  leaving_.insert({std::string(tenant), name});
  look_ = true;
  wake_looks_.notify_one();
}

// Through its gates. No lock is held meanwhile: hooks may take their time.
void ExperimentRunner::AskForPromotion(const std::string& tenant, const ExperimentEntry& entry) {
  const ExperimentState& state = entry.state;
  if (!dependencies_.may_promote) return;
  if (!entry.spec.promote || state.status != ExperimentStatus::kWon || !state.promotion.empty())
    return;
  const PromoteRequest request{
      .pipeline = Concat(entry.spec.pipeline, "@", state.challenger),
      .alias = entry.spec.champion,
      .reason = Concat("experiment ", entry.spec.name, "@", state.version, ": ", state.reason),
      .principal = {.tenant = tenant, .subject = "system"}};
  const absl::StatusOr<Promotion> promotion =
      Promoter(store(), clock(), dependencies_.hooks).Promote(request);
  if (absl::IsAborted(promotion.status())) return;  // somebody moved it meanwhile: the next look sees that
  const std::string says =
      promotion.ok() ? promotion->says : std::string(promotion.status().message());
  Tell(Concat("the promotion by experiment ", entry.spec.name, " of tenant ", tenant),
       book_.NotePromotion(tenant, entry.spec.name, state.run, says));
}

absl::StatusOr<SpecStore::Applied> ExperimentRunner::Apply(std::string_view tenant,
                                                           const ExperimentSpec& spec, bool dry_run,
                                                           std::string_view actor) {
  absl::StatusOr<SpecStore::Applied> applied = book_.Apply(tenant, spec, dry_run, actor);
  if (!applied.ok() || dry_run) return applied;
  Refresh();
  MayLeave(tenant, spec.name);
  return applied;
}

absl::StatusOr<ExperimentEntry> ExperimentRunner::Start(std::string_view tenant,
                                                        const std::string& name,
                                                        std::string_view actor) {
  absl::StatusOr<ExperimentEntry> entry = book_.Start(tenant, name, actor);
  if (!entry.ok()) return entry;
  Refresh();
  MayLeave(tenant, name);
  return entry;
}

absl::StatusOr<ExperimentEntry> ExperimentRunner::Stop(std::string_view tenant,
                                                       const std::string& name,
                                                       const std::string& reason,
                                                       std::string_view actor) {
  absl::StatusOr<ExperimentEntry> entry = book_.Stop(tenant, name, reason, actor);
  if (!entry.ok()) return entry;
  Refresh();
  MayLeave(tenant, name);
  return entry;
}

absl::Status ExperimentRunner::Remove(std::string_view tenant, const std::string& name,
                                      std::string_view actor) {
  const absl::Status status = book_.Remove(tenant, name, actor);
  // Also where it failed: it may have been stopped before.
  Refresh();
  MayLeave(tenant, name);
  return status;
}

absl::StatusOr<ExperimentEntry> ExperimentRunner::Get(std::string_view tenant,
                                                      const std::string& name) {
  absl::StatusOr<ExperimentEntry> entry = LookAt(tenant, name);
  if (entry.ok()) Refresh();
  return entry;
}

absl::StatusOr<std::vector<ExperimentEntry>> ExperimentRunner::List(std::string_view tenant) {
  absl::StatusOr<std::vector<ExperimentEntry>> entries = book_.List(tenant);
  if (!entries.ok()) return entries;
  for (ExperimentEntry& entry : *entries) {
    absl::StatusOr<ExperimentEntry> seen = LookAt(tenant, entry.spec.name);
    if (absl::IsNotFound(seen.status())) continue;  // removed meanwhile
    if (!seen.ok()) return seen.status();
    entry = *std::move(seen);
  }
  Refresh();
  return entries;
}

std::vector<RecordChange> ExperimentRunner::EventsOf(std::string_view tenant,
                                                     const Feedback& feedback,
                                                     const Answer& answer) const {
  if (!answer.experiment) return {};
  const std::shared_ptr<const Table> table = this->table();
  const auto found = table->find({std::string(tenant), answer.experiment->asked});
  if (found == table->end() || found->second.experiment != answer.experiment->experiment ||
      found->second.run != answer.experiment->run) {
    return {};
  }
  std::optional<RecordChange> event = ExperimentBook::EventOf(feedback, *answer.experiment);
  if (!event) return {};
  return {*std::move(event)};
}

}  // namespace vouch
