#include "rag/deliver/hook_teller.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_format.h"
#include "rag/deliver/dead_letter.h"
#include "rag/http/http_error.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

using Millis = std::chrono::milliseconds;

constexpr char kDefaultTenant[] = "default";
constexpr int64_t kPollMs = 100;  // how soon a change is noticed
constexpr size_t kCommitsAtATime = 100;
constexpr uint64_t kKeptEvery = 64;  // events, where it is busy; else whenever it is idle

int64_t NowMs() {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string AuditSource(std::string_view tenant) { return Concat(tenant, "/audit"); }
std::string CommitSource(std::string_view tenant, CollectionId collection) {
  return Concat(tenant, "/collection/", collection.value);
}
std::string TenantOf(const std::string& source) { return source.substr(0, source.find('/')); }

}  // namespace

std::string DeadLetterPrefix(std::string_view hook) { return Concat("dead/", hook, "/"); }

HookTeller::HookTeller(Store& store, const Clock& clock, const HttpClient& http, std::shared_ptr<const HookSpec> hook,
                       Options options)
    : store_(store),
      journal_(Journal::Of(store)),
      clock_(clock),
      http_(http),
      options_(std::move(options)),
      hook_(std::move(hook)) {}

HookTeller::~HookTeller() { Stop(); }

void HookTeller::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void HookTeller::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> HookTeller::Tenants() const {
  return options_.tenant.empty() ? journal_.Tenants() : std::vector<std::string>{options_.tenant};
}

std::string HookTeller::Home() const { return options_.tenant.empty() ? kDefaultTenant : options_.tenant; }

std::shared_ptr<const HookSpec> HookTeller::hook() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return hook_;
}

HookCounts HookTeller::counts() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return counts_;
}

uint64_t HookTeller::idle_rounds() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return idle_rounds_;
}

bool HookTeller::stopped() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return stopping_;
}

absl::Status HookTeller::GoOn() {
  const std::lock_guard<std::mutex> lock(queue_mu_);
  const auto known = journal_.GetJournalRecord(Home(), options_.place);
  if (!known.ok()) return known.status();
  for (const std::string& tenant : Tenants()) {
    const auto text = journal_.GetJournalRecord(tenant, options_.place);
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

absl::Status HookTeller::BeginNow() {
  const std::lock_guard<std::mutex> lock(queue_mu_);
  for (const std::string& tenant : Tenants()) {
    if (absl::Status status = BeginAtTheEnd(tenant); !status.ok()) return status;
  }
  return KeepState({});
}

absl::Status HookTeller::Become(std::shared_ptr<const HookSpec> hook, const std::function<absl::Status()>& keep) {
  constexpr char kCommits[] = "after.commit";
  const std::lock_guard<std::mutex> lock(queue_mu_);
  if (hook->Wants(kCommits) && !this->hook()->Wants(kCommits)) {
    // Kept before the version is: a kill between the two loses none, and the version that is in force wants none.
    for (const std::string& tenant : Tenants()) {
      if (absl::Status status = PassCommits(tenant); !status.ok()) return status;
    }
    if (absl::Status status = KeepState({}); !status.ok()) return status;
  }
  if (absl::Status status = keep(); !status.ok()) return status;
  const std::lock_guard<std::mutex> hook_lock(mu_);
  hook_ = std::move(hook);
  return absl::OkStatus();
}

absl::Status HookTeller::TakeState(const std::string& tenant, const std::string& text) {
  const auto damaged = [this] { return absl::DataLossError(Concat("the place of hook ", hook()->name, " is damaged")); };
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("cursors") || !json["cursors"].is_object()) return damaged();
  for (const auto& [source, number] : json["cursors"].items()) {
    if (!number.is_number_unsigned()) return damaged();
    queue_.Read(source, number.get<uint64_t>());
  }
  kept_[tenant] = queue_.Cursors();
  return absl::OkStatus();
}

absl::Status HookTeller::BeginAtTheEnd(const std::string& tenant) {
  const absl::StatusOr<uint64_t> size = journal_.AuditSize(tenant);
  if (!size.ok()) return size.status();
  queue_.Read(AuditSource(tenant), *size);
  return PassCommits(tenant);
}

absl::Status HookTeller::PassCommits(const std::string& tenant) {
  const auto collections = store_.catalog().ListCollections(tenant);
  if (!collections.ok()) return collections.status();
  for (const CollectionInfo& info : *collections) {
    const absl::StatusOr<CollectionState> state = store_.GetState(info.id);
    if (state.ok()) queue_.Read(CommitSource(tenant, info.id), state->latest.value);
  }
  return absl::OkStatus();
}

// Of each tenant whose places have changed; `letter` goes into the same write as its tenant's.
absl::Status HookTeller::KeepState(const std::optional<Letter>& letter) {
  std::map<std::string, std::map<std::string, uint64_t>> by_tenant;
  for (const auto& [source, number] : queue_.Cursors()) by_tenant[TenantOf(source)][source] = number;
  by_tenant[Home()];
  for (const auto& [tenant, cursors] : by_tenant) {
    const bool has_letter = letter && letter->first == tenant;
    const auto kept = kept_.find(tenant);
    if (!has_letter && kept != kept_.end() && kept->second == cursors) continue;
    RecordJson json = RecordJson::object();
    for (const auto& [source, number] : cursors) json[source] = number;
    JournalChange change;
    change.records.push_back({options_.place, DumpRecord({{"format", 1}, {"cursors", std::move(json)}})});
    if (has_letter) change.records.push_back(letter->second);
    const auto done = journal_.Commit(tenant, change);
    if (!done.ok()) return done.status();
    kept_[tenant] = cursors;
  }
  return absl::OkStatus();
}

void HookTeller::Loop() {
  while (!stopped()) {
    HookQueue::Pending* next = nullptr;
    int64_t wait_ms = kPollMs;
    {
      const std::lock_guard<std::mutex> lock(queue_mu_);
      if (const absl::Status read = ReadMore(*hook()); !read.ok()) Note(read);
      next = queue_.Next(NowMs());
      if (next == nullptr) {
        if (const absl::Status kept = KeepState({}); !kept.ok()) Note(kept);
        wait_ms = WaitMs();
      }
      const std::lock_guard<std::mutex> counts_lock(mu_);
      counts_.pending = queue_.size();
    }
    if (next != nullptr) {
      Tell(next);
      continue;
    }
    std::unique_lock<std::mutex> lock(mu_);
    ++idle_rounds_;
    wake_.wait_for(lock, Millis(wait_ms), [this] { return stopping_; });
  }
}

int64_t HookTeller::WaitMs() const {
  const std::optional<int64_t> due = queue_.NextDue();
  return due ? std::clamp<int64_t>(*due - NowMs(), 1, kPollMs) : kPollMs;
}

absl::Status HookTeller::ReadMore(const HookSpec& hook) {
  for (const std::string& tenant : Tenants()) {
    if (absl::Status status = ReadAudit(hook, tenant); !status.ok()) return status;
    if (!hook.Wants("after.commit")) continue;
    if (absl::Status status = ReadCommits(tenant); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status HookTeller::ReadAudit(const HookSpec& hook, const std::string& tenant) {
  const std::string source = AuditSource(tenant);
  const absl::StatusOr<uint64_t> size = journal_.AuditSize(tenant);
  if (!size.ok()) return size.status();
  if (*size <= queue_.ReadTo(source) || queue_.full()) return absl::OkStatus();
  return journal_.ScanAudit(tenant, queue_.ReadTo(source) + 1, [&](AuditEntry&& entry) {
    std::optional<Event> event = EventOfEntry(entry);
    if (event && hook.Wants(event->type)) {
      queue_.Add(source, entry.number, *std::move(event));
    } else {
      queue_.Read(source, entry.number);
    }
    return !queue_.full();
  });
}

absl::Status HookTeller::ReadCommits(const std::string& tenant) {
  const auto collections = store_.catalog().ListCollections(tenant);
  if (!collections.ok()) return collections.status();
  for (const CollectionInfo& info : *collections) {
    const std::string source = CommitSource(tenant, info.id);
    const absl::StatusOr<CollectionState> state = store_.GetState(info.id);
    if (absl::IsNotFound(state.status())) continue;  // dropped meanwhile
    if (!state.ok()) return state.status();
    const uint64_t read = queue_.ReadTo(source);
    if (state->latest.value <= read || queue_.full()) continue;
    const auto headers = store_.ListCommits(info.id, Version(read + 1), state->latest, kCommitsAtATime);
    if (absl::IsNotFound(headers.status())) continue;
    if (!headers.ok()) return headers.status();
    for (const CommitHeader& header : *headers) {
      if (queue_.full()) break;
      queue_.Add(source, header.version.value, EventOfCommit(tenant, info.name, info.id.value, header));
    }
  }
  return absl::OkStatus();
}

// The event stays where it is meanwhile: only this thread takes any out of the queue.
void HookTeller::Tell(HookQueue::Pending* pending) {
  const std::shared_ptr<const HookSpec> hook = this->hook();
  if (!hook->Wants(pending->event.type)) {  // a version before this one did
    const std::lock_guard<std::mutex> lock(queue_mu_);
    queue_.Done(pending);
    return;
  }
  const CancelToken cancel(absl::InfiniteFuture(), [this] { return stopped(); });
  const absl::StatusOr<HookReply> reply = CallHook(*hook, pending->event, clock_.NowMicros(), http_, cancel);
  if (stopped()) return;  // told again by whoever goes on
  const std::lock_guard<std::mutex> lock(queue_mu_);
  TakeResult(*hook, reply.status(), pending);
}

void HookTeller::TakeResult(const HookSpec& hook, const absl::Status& result, HookQueue::Pending* pending) {
  if (result.ok()) {
    queue_.Done(pending);
    {
      const std::lock_guard<std::mutex> lock(mu_);
      ++counts_.delivered;
      counts_.pending = queue_.size();
    }
    // Else a hook that is never idle would be told all again after a kill.
    if (++told_ % kKeptEvery != 0) return;
    if (const absl::Status kept = KeepState({}); !kept.ok()) Note(kept);
    return;
  }
  Note(result);
  ++pending->attempts;
  pending->error = std::string(result.message());
  const bool may_succeed = IsWorthRetrying(result) || hook.url.empty();
  if (may_succeed && pending->attempts < hook.attempts) {
    pending->due_ms = NowMs() + HookPauseMs(pending->attempts, hook.first_pause_ms, hook.max_pause_ms);
    return;
  }
  GiveUp(hook, pending);
}

void HookTeller::GiveUp(const HookSpec& hook, HookQueue::Pending* pending) {
  DeadLetter letter{.hook = hook.name,
                    .id = pending->event.id,
                    .event = EventToJson(pending->event),
                    .attempts = pending->attempts,
                    .error = pending->error,
                    .time_us = clock_.NowMicros()};
  const RecordChange change{
      Concat(DeadLetterPrefix(hook.name), absl::StrFormat("%020d", letter.time_us), "-", letter.id),
      EncodeDeadLetter(letter)};
  // The letter first: an event that is killed between the two is told once more.
  if (const absl::Status kept = KeepState(std::pair{TenantOf(pending->source), change}); !kept.ok()) {
    Note(kept);
    pending->due_ms = NowMs() + hook.max_pause_ms;
    return;
  }
  queue_.Done(pending);
  if (const absl::Status kept = KeepState({}); !kept.ok()) Note(kept);
}

void HookTeller::Note(const absl::Status& status) {
  const std::lock_guard<std::mutex> lock(mu_);
  ++counts_.failed;
  counts_.last_error = std::string(status.message());
}

}  // namespace vouch
