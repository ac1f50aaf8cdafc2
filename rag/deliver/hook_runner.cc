#include "rag/deliver/hook_runner.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rag/deliver/dead_letter.h"
#include "rag/deliver/hook_queue.h"
#include "rag/http/http_error.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

using Millis = std::chrono::milliseconds;

constexpr char kDefaultTenant[] = "default";
constexpr int64_t kPollMs = 100;  // how soon a change is noticed
constexpr size_t kCommitsAtATime = 100;
constexpr uint64_t kKeptEvery = 64;  // events, where it is busy; else whenever it is idle

int64_t NowMs() {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string Dump(const RecordJson& json) {
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

std::string StateName(std::string_view hook) { return Concat("hook/", hook); }
std::string DeadPrefix(std::string_view hook) { return Concat("dead/", hook, "/"); }
std::string AuditSource(std::string_view tenant) { return Concat(tenant, "/audit"); }
std::string CommitSource(std::string_view tenant, CollectionId collection) {
  return Concat(tenant, "/collection/", collection.value);
}

// One hook's thread for after.* events.
class Teller {
 public:
  Teller(Store& store, const Clock& clock, const HttpClient& http, const HookSpec& spec)
      : store_(store), journal_(Journal::Of(store)), clock_(clock), http_(http), spec_(spec) {}
  ~Teller() {
    {
      const std::lock_guard<std::mutex> lock(mu_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Teller(const Teller&) = delete;
  Teller& operator=(const Teller&) = delete;

  absl::Status Start() {
    if (absl::Status status = ReadState(); !status.ok()) return status;
    thread_ = std::thread([this] { Loop(); });
    return absl::OkStatus();
  }

  void Fill(HookStatus* status) const {
    const std::lock_guard<std::mutex> lock(mu_);
    status->pending = pending_;
    status->delivered = delivered_;
    status->failed = failed_;
    status->last_error = last_error_;
  }
  // Rounds that found nothing more to tell at once.
  uint64_t idle_rounds() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return idle_rounds_;
  }

 private:
  absl::Status ReadState() {
    const auto known = journal_.GetJournalRecord(kDefaultTenant, StateName(spec_.name));
    if (!known.ok()) return known.status();
    std::vector<std::string> tenants = journal_.Tenants();
    for (const std::string& tenant : tenants) {
      const auto text = journal_.GetJournalRecord(tenant, StateName(spec_.name));
      if (!text.ok()) return text.status();
      if (text->has_value()) {
        absl::Status status = TakeState(tenant, **text);
        if (!status.ok()) return status;
      } else if (!known->has_value()) {
        absl::Status status = BeginAtTheEnd(tenant);
        if (!status.ok()) return status;
      }
    }
    return known->has_value() ? absl::OkStatus() : KeepState({});
  }

  absl::Status TakeState(const std::string& tenant, const std::string& text) {
    const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("cursors") || !json["cursors"].is_object())
      return absl::DataLossError(Concat("the place of hook ", spec_.name, " is damaged"));
    for (const auto& [source, number] : json["cursors"].items()) {
      if (!number.is_number_unsigned())
        return absl::DataLossError(Concat("the place of hook ", spec_.name, " is damaged"));
      queue_.Read(source, number.get<uint64_t>());
    }
    kept_[tenant] = queue_.Cursors();
    return absl::OkStatus();
  }

  absl::Status BeginAtTheEnd(const std::string& tenant) {
    const absl::StatusOr<uint64_t> size = journal_.AuditSize(tenant);
    if (!size.ok()) return size.status();
    queue_.Read(AuditSource(tenant), *size);
    const auto collections = store_.catalog().ListCollections(tenant);
    if (!collections.ok()) return collections.status();
    for (const CollectionInfo& info : *collections) {
      const absl::StatusOr<CollectionState> state = store_.GetState(info.id);
      if (state.ok()) queue_.Read(CommitSource(tenant, info.id), state->latest.value);
    }
    return absl::OkStatus();
  }

  // Of each tenant whose places have changed; `letter` goes into the same write as its tenant's.
  absl::Status KeepState(const std::optional<std::pair<std::string, RecordChange>>& letter) {
    std::map<std::string, std::map<std::string, uint64_t>> by_tenant;
    for (const auto& [source, number] : queue_.Cursors())
      by_tenant[source.substr(0, source.find('/'))][source] = number;
    by_tenant[kDefaultTenant];  // which says that the hook is known
    for (const auto& [tenant, cursors] : by_tenant) {
      const bool has_letter = letter && letter->first == tenant;
      const auto kept = kept_.find(tenant);
      if (!has_letter && kept != kept_.end() && kept->second == cursors) continue;
      RecordJson json = RecordJson::object();
      for (const auto& [source, number] : cursors) json[source] = number;
      JournalChange change;
      change.records.push_back(
          {StateName(spec_.name), Dump({{"format", 1}, {"cursors", std::move(json)}})});
      if (has_letter) change.records.push_back(letter->second);
      const auto done = journal_.Commit(tenant, change);
      if (!done.ok()) return done.status();
      kept_[tenant] = cursors;
    }
    return absl::OkStatus();
  }

  bool Stopping() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return stopping_;
  }

  void Loop() {
    while (!Stopping()) {
      const absl::Status read = ReadMore();
      if (!read.ok()) Note(read);
      HookQueue::Pending* const next = queue_.Next(NowMs());
      if (next != nullptr) {
        Tell(next);
        continue;
      }
      if (const absl::Status kept = KeepState({}); !kept.ok()) Note(kept);
      std::unique_lock<std::mutex> lock(mu_);
      ++idle_rounds_;
      pending_ = queue_.size();
      wake_.wait_for(lock, Millis(WaitMs()), [this] { return stopping_; });
    }
  }

  int64_t WaitMs() const {
    const std::optional<int64_t> due = queue_.NextDue();
    return due ? std::clamp<int64_t>(*due - NowMs(), 1, kPollMs) : kPollMs;
  }

  absl::Status ReadMore() {
    for (const std::string& tenant : journal_.Tenants()) {
      if (absl::Status status = ReadAudit(tenant); !status.ok()) return status;
      if (!spec_.Wants("after.commit")) continue;
      if (absl::Status status = ReadCommits(tenant); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ReadAudit(const std::string& tenant) {
    const std::string source = AuditSource(tenant);
    const absl::StatusOr<uint64_t> size = journal_.AuditSize(tenant);
    if (!size.ok()) return size.status();
    if (*size <= queue_.ReadTo(source) || queue_.full()) return absl::OkStatus();
    return journal_.ScanAudit(tenant, queue_.ReadTo(source) + 1, [&](AuditEntry&& entry) {
      std::optional<Event> event = EventOfEntry(entry);
      if (event && spec_.Wants(event->type)) {
        queue_.Add(source, entry.number, *std::move(event));
      } else {
        queue_.Read(source, entry.number);
      }
      return !queue_.full();
    });
  }

  absl::Status ReadCommits(const std::string& tenant) {
    const auto collections = store_.catalog().ListCollections(tenant);
    if (!collections.ok()) return collections.status();
    for (const CollectionInfo& info : *collections) {
      const std::string source = CommitSource(tenant, info.id);
      const absl::StatusOr<CollectionState> state = store_.GetState(info.id);
      if (absl::IsNotFound(state.status())) continue;  // dropped meanwhile
      if (!state.ok()) return state.status();
      const uint64_t read = queue_.ReadTo(source);
      if (state->latest.value <= read || queue_.full()) continue;
      const auto headers =
          store_.ListCommits(info.id, Version(read + 1), state->latest, kCommitsAtATime);
      if (absl::IsNotFound(headers.status())) continue;
      if (!headers.ok()) return headers.status();
      for (const CommitHeader& header : *headers) {
        if (queue_.full()) break;
        queue_.Add(source, header.version.value,
                   EventOfCommit(tenant, info.name, info.id.value, header));
      }
    }
    return absl::OkStatus();
  }

  void Tell(HookQueue::Pending* pending) {
    const CancelToken cancel(absl::InfiniteFuture(), [this] { return Stopping(); });
    const absl::StatusOr<HookReply> reply =
        CallHook(spec_, pending->event, clock_.NowMicros(), http_, cancel);
    if (Stopping()) return;  // told again by the next process
    if (reply.ok()) {
      queue_.Done(pending);
      CountDelivered();
      // Else a hook that is never idle would be told all again after a kill.
      if (++told_ % kKeptEvery != 0) return;
      if (const absl::Status kept = KeepState({}); !kept.ok()) Note(kept);
      return;
    }
    Note(reply.status());
    ++pending->attempts;
    pending->error = std::string(reply.status().message());
    const bool may_succeed = IsWorthRetrying(reply.status()) || spec_.url.empty();
    if (may_succeed && pending->attempts < spec_.attempts) {
      pending->due_ms =
          NowMs() + HookPauseMs(pending->attempts, spec_.first_pause_ms, spec_.max_pause_ms);
      return;
    }
    GiveUp(pending);
  }

  void GiveUp(HookQueue::Pending* pending) {
    DeadLetter letter{.hook = spec_.name,
                      .id = pending->event.id,
                      .event = EventToJson(pending->event),
                      .attempts = pending->attempts,
                      .error = pending->error,
                      .time_us = clock_.NowMicros()};
    const std::string tenant = pending->source.substr(0, pending->source.find('/'));
    const RecordChange change{
        Concat(DeadPrefix(spec_.name), absl::StrFormat("%020d", letter.time_us), "-", letter.id),
        EncodeDeadLetter(letter)};
    // The letter first: an event that is killed between the two is told once more.
    if (const absl::Status kept = KeepState(std::pair{tenant, change}); !kept.ok()) {
      Note(kept);
      pending->due_ms = NowMs() + spec_.max_pause_ms;
      return;
    }
    queue_.Done(pending);
    if (const absl::Status kept = KeepState({}); !kept.ok()) Note(kept);
  }

  void CountDelivered() {
    const std::lock_guard<std::mutex> lock(mu_);
    ++delivered_;
    pending_ = queue_.size();
  }
  void Note(const absl::Status& status) {
    const std::lock_guard<std::mutex> lock(mu_);
    ++failed_;
    last_error_ = std::string(status.message());
    pending_ = queue_.size();
  }

  Store& store_;
  Journal& journal_;
  const Clock& clock_;
  const HttpClient& http_;
  const HookSpec& spec_;
  HookQueue queue_;  // of the thread, once it runs, as the next two
  uint64_t told_ = 0;
  std::map<std::string, std::map<std::string, uint64_t>>
      kept_;  // places as they were written, by tenant
  std::thread thread_;
  mutable std::mutex mu_;
  std::condition_variable wake_;
  // --- guarded by mu_
  bool stopping_ = false;
  uint64_t pending_ = 0;
  uint64_t delivered_ = 0;
  uint64_t failed_ = 0;
  uint64_t idle_rounds_ = 0;
  std::string last_error_;
};

class Runner final : public HookRunner {
 public:
  Runner(Store& store, const Clock& clock, std::vector<HookSpec> hooks)
      : journal_(Journal::Of(store)), clock_(clock), hooks_(std::move(hooks)) {
    for (const HookSpec& hook : hooks_) {
      const bool tells = std::any_of(hook.events.begin(), hook.events.end(),
                                     [](const auto& event) { return event.starts_with("after."); });
      tellers_.push_back(tells ? std::make_unique<Teller>(store, clock, http_, hook) : nullptr);
    }
  }

  absl::Status StartAll() {
    for (const auto& teller : tellers_) {
      if (teller == nullptr) continue;
      if (absl::Status status = teller->Start(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::vector<HookVerdict> AskBefore(const Event& event, const CancelToken& cancel) const override {
    std::vector<HookVerdict> verdicts;
    for (const HookSpec& hook : hooks_) {
      if (!hook.Wants(event.type)) continue;
      const absl::StatusOr<HookReply> reply =
          CallHook(hook, event, clock_.NowMicros(), http_, cancel);
      HookVerdict verdict{.hook = hook.name};
      if (reply.ok()) {
        verdict.allowed = reply->allowed;
        verdict.says = !reply->reason.empty() ? reply->reason
                       : reply->allowed       ? "allowed"
                                              : "refused";
      } else {
        verdict.failed = true;
        verdict.allowed = hook.on_failure == HookSpec::OnFailure::kAllow;
        verdict.says = Concat("it failed, and is set to ", verdict.allowed ? "allow" : "refuse",
                              " then: ", ToStd(reply.status().message()));
      }
      verdicts.push_back(std::move(verdict));
    }
    return verdicts;
  }

  absl::StatusOr<std::vector<HookStatus>> List(std::string_view tenant) const override {
    std::vector<HookStatus> all;
    for (size_t i = 0; i < hooks_.size(); ++i) {
      HookStatus status{.spec = hooks_[i], .is_signed = !hooks_[i].secret.empty()};
      status.spec.secret.clear();
      if (tellers_[i] != nullptr) tellers_[i]->Fill(&status);
      const absl::Status scanned = journal_.ScanJournalRecords(
          tenant, DeadPrefix(hooks_[i].name), [&status](std::string_view, std::string_view) {
            ++status.dead_letters;
            return true;
          });
      if (!scanned.ok()) return scanned;
      all.push_back(std::move(status));
    }
    return all;
  }

  absl::StatusOr<HookReply> Test(std::string_view tenant, std::string_view name,
                                 const CancelToken& cancel) const override {
    const absl::StatusOr<const HookSpec*> hook = Find(name);
    if (!hook.ok()) return hook.status();
    const int64_t now_us = clock_.NowMicros();
    const Event event = BeforeEvent(tenant, "test", Concat("hook/", name),
                                    Dump({{"says", "a test; nothing has happened"}}), now_us);
    return CallHook(**hook, event, now_us, http_, cancel);
  }

  absl::StatusOr<std::vector<DeadLetter>> DeadLetters(std::string_view tenant,
                                                      std::string_view hook,
                                                      size_t limit) const override {
    std::vector<DeadLetter> letters;
    absl::Status damaged;
    const absl::Status scanned =
        journal_.ScanJournalRecords(tenant, hook.empty() ? std::string("dead/") : DeadPrefix(hook),
                                    [&](std::string_view, std::string_view bytes) {
                                      absl::StatusOr<DeadLetter> letter = DecodeDeadLetter(bytes);
                                      if (!letter.ok()) {
                                        damaged = letter.status();
                                        return false;
                                      }
                                      letters.push_back(*std::move(letter));
                                      return letters.size() < limit;
                                    });
    if (!damaged.ok()) return damaged;
    if (!scanned.ok()) return scanned;
    return letters;
  }

  absl::Status Redeliver(std::string_view tenant, std::string_view name, std::string_view id,
                         const CancelToken& cancel) override {
    const absl::StatusOr<const HookSpec*> hook = Find(name);
    if (!hook.ok()) return hook.status();
    std::string record;
    absl::StatusOr<DeadLetter> letter = absl::NotFoundError(
        Concat("hook ", name, " has no dead letter ", Escape(id), "; see: vouch hook deadletters"));
    const absl::Status scanned = journal_.ScanJournalRecords(
        tenant, DeadPrefix(name), [&](std::string_view key, std::string_view bytes) {
          if (!key.ends_with(Concat("-", id))) return true;
          record = key;
          letter = DecodeDeadLetter(bytes);
          return false;
        });
    if (!scanned.ok()) return scanned;
    if (!letter.ok()) return letter.status();
    const absl::StatusOr<HookReply> reply =
        CallHook(**hook, EventOfLetter(*letter), clock_.NowMicros(), http_, cancel);
    if (!reply.ok()) return reply.status();
    JournalChange change;
    change.records.push_back({record, std::nullopt});
    return journal_.Commit(tenant, change).status();
  }

  bool Drain(Millis time) override {
    const auto deadline = std::chrono::steady_clock::now() + time;
    for (const auto& teller : tellers_) {
      if (teller == nullptr) continue;
      // Two: the first may have begun before the last change.
      const uint64_t wanted = teller->idle_rounds() + 2;
      while (teller->idle_rounds() < wanted) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(Millis(5));
      }
    }
    return true;
  }

 private:
  absl::StatusOr<const HookSpec*> Find(std::string_view name) const {
    std::vector<std::string> names;
    for (const HookSpec& hook : hooks_) {
      if (hook.name == name) return &hook;
      names.push_back(hook.name);
    }
    return absl::NotFoundError(Concat("there is no hook '", Escape(name), "'; ",
                                      names.empty()
                                          ? "none is set: give the process a file by --hooks"
                                          : Concat("there are ", absl::StrJoin(names, ", "))));
  }

  Journal& journal_;
  const Clock& clock_;
  const std::vector<HookSpec> hooks_;
  const HttpClient http_;
  std::vector<std::unique_ptr<Teller>> tellers_;  // by hook; null: it is told nothing
};

}  // namespace

absl::StatusOr<std::unique_ptr<HookRunner>> HookRunner::Start(Store& store, const Clock& clock,
                                                              std::vector<HookSpec> hooks) {
  if (hooks.size() > HookSpec::kMaxHooks)
    return absl::InvalidArgumentError(
        Concat("there are ", hooks.size(), " hooks; the limit is ", HookSpec::kMaxHooks));
  std::set<std::string> names;
  for (const HookSpec& hook : hooks) {
    if (absl::Status status = CheckHook(hook); !status.ok())
      return absl::Status(status.code(),
                          Concat("hook ", Escape(hook.name), ": ", ToStd(status.message())));
    if (!names.insert(hook.name).second)
      return absl::InvalidArgumentError(Concat("the hook ", hook.name, " is there twice"));
  }
  auto runner = std::make_unique<Runner>(store, clock, std::move(hooks));
  if (absl::Status status = runner->StartAll(); !status.ok()) return status;
  return runner;
}

absl::Status AskHooks(const HookRunner* hooks, const Event& event, const CancelToken& cancel) {
  if (hooks == nullptr) return absl::OkStatus();
  for (const HookVerdict& verdict : hooks->AskBefore(event, cancel)) {
    if (!verdict.allowed) {
      return absl::FailedPreconditionError(Concat("hook ", verdict.hook, " refuses ", event.type,
                                                  " of ", event.subject, ": ", verdict.says));
    }
  }
  return cancel.Check();
}

}  // namespace vouch
