#include "rag/deliver/hook_runner.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "rag/deliver/dead_letter.h"
#include "rag/deliver/hook_teller.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

using Millis = std::chrono::milliseconds;

bool TellsAfter(const HookSpec& hook) {
  return std::any_of(hook.events.begin(), hook.events.end(),
                     [](const std::string& event) { return event.starts_with("after."); });
}

// One hook as it is served.
struct ServedHook {
  std::shared_ptr<const HookSpec> spec = {};
  std::string tenant = {};                  // whose it is; empty: the operator's
  uint64_t version = 0;                     // of an applied one
  std::string problem = {};                 // why it is not called
  std::shared_ptr<HookTeller> teller = {};  // null: it is told nothing

  bool Serves(std::string_view of) const { return tenant.empty() || tenant == of; }
  bool IsApplied(std::string_view of, std::string_view name) const {
    return !tenant.empty() && tenant == of && spec->name == name;
  }
};
using ServedHooks = std::vector<ServedHook>;  // the operator's, in the order of their file; then by tenant and name

bool ComesBefore(const ServedHook& a, const ServedHook& b) {
  if (a.tenant.empty() || b.tenant.empty()) return a.tenant.empty() && !b.tenant.empty();
  return std::tie(a.tenant, a.spec->name) < std::tie(b.tenant, b.spec->name);
}

std::string_view TenantOf(const Event& event) {
  constexpr std::string_view kPrefix = "/vouch/";
  const std::string_view source = event.source;
  return source.starts_with(kPrefix) ? source.substr(kPrefix.size()) : std::string_view();
}

std::string PlaceOfApplied(const std::string& name) { return Concat("applied-hook/", name); }

class Runner final : public HookRunner {
 public:
  Runner(Store& store, const Clock& clock, HookRules rules)
      : store_(store),
        journal_(Journal::Of(store)),
        clock_(clock),
        rules_(std::move(rules)),
        specs_(store, clock, std::string(AppliedHook::kKind)) {}

  absl::Status StartAll(std::vector<HookSpec> hooks) {
    ServedHooks all;
    for (HookSpec& hook : hooks) {
      ServedHook served{.spec = std::make_shared<const HookSpec>(std::move(hook))};
      if (absl::Status status = StartTeller(&served); !status.ok()) return status;
      all.push_back(std::move(served));
    }
    for (const std::string& tenant : journal_.Tenants()) {
      const absl::StatusOr<std::vector<SpecVersion>> versions = specs_.List(tenant);
      if (!versions.ok()) return versions.status();
      for (const SpecVersion& version : *versions) {
        if (absl::Status status = AddApplied(tenant, version, &all); !status.ok())
          return absl::Status(status.code(), Concat("hook ", version.name, ": ", ToStd(status.message())));
      }
    }
    Publish(std::move(all));
    return absl::OkStatus();
  }

  bool Wants(std::string_view type) const override {
    const auto all = hooks();
    return std::any_of(all->begin(), all->end(), [type](const ServedHook& hook) { return hook.spec->Wants(type); });
  }
  bool TakesApplied() const override { return rules_.allow_any(); }

  std::vector<HookVerdict> AskBefore(const Event& event, const CancelToken& cancel) const override {
    std::vector<HookVerdict> verdicts;
    const auto all = hooks();
    for (const ServedHook& hook : *all) {
      if (!hook.Serves(TenantOf(event)) || !hook.spec->Wants(event.type)) continue;
      const absl::StatusOr<HookReply> reply =
          hook.problem.empty() ? CallHook(*hook.spec, event, clock_.NowMicros(), http_, cancel)
                               : absl::FailedPreconditionError(Concat("it is not called: ", hook.problem));
      HookVerdict verdict{.hook = hook.spec->name};
      if (reply.ok()) {
        verdict.allowed = reply->allowed;
        verdict.says = !reply->reason.empty() ? reply->reason
                       : reply->allowed       ? "allowed"
                                              : "refused";
      } else {
        verdict.failed = true;
        verdict.allowed = hook.spec->on_failure == HookSpec::OnFailure::kAllow;
        verdict.says = Concat("it failed, and is set to ", verdict.allowed ? "allow" : "refuse",
                              " then: ", ToStd(reply.status().message()));
      }
      verdicts.push_back(std::move(verdict));
    }
    return verdicts;
  }

  absl::StatusOr<std::vector<HookStatus>> List(std::string_view tenant) const override {
    std::vector<HookStatus> list;
    const auto all = hooks();
    for (const ServedHook& hook : *all) {
      if (!hook.Serves(tenant)) continue;
      HookStatus status{.spec = *hook.spec, .is_signed = !hook.spec->secret.empty()};
      status.spec.secret.clear();
      status.version = hook.version;
      status.problem = hook.problem;
      if (hook.teller != nullptr) {
        HookCounts counts = hook.teller->counts();
        status.pending = counts.pending;
        status.delivered = counts.delivered;
        status.failed = counts.failed;
        status.last_error = std::move(counts.last_error);
      }
      const absl::Status scanned = journal_.ScanJournalRecords(
          tenant, DeadLetterPrefix(hook.spec->name), [&status](std::string_view, std::string_view) {
            ++status.dead_letters;
            return true;
          });
      if (!scanned.ok()) return scanned;
      list.push_back(std::move(status));
    }
    return list;
  }

  absl::StatusOr<HookReply> Test(std::string_view tenant, std::string_view name,
                                 const CancelToken& cancel) const override {
    const absl::StatusOr<std::shared_ptr<const HookSpec>> hook = Find(tenant, name);
    if (!hook.ok()) return hook.status();
    const int64_t now_us = clock_.NowMicros();
    const Event event = BeforeEvent(tenant, "test", Concat("hook/", name),
                                    DumpRecord({{"says", "a test; nothing has happened"}}), now_us);
    return CallHook(**hook, event, now_us, http_, cancel);
  }

  absl::StatusOr<std::vector<DeadLetter>> DeadLetters(std::string_view tenant,
                                                      std::string_view hook,
                                                      size_t limit) const override {
    std::vector<DeadLetter> letters;
    absl::Status damaged;
    const absl::Status scanned =
        journal_.ScanJournalRecords(tenant, hook.empty() ? std::string("dead/") : DeadLetterPrefix(hook),
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
    const absl::StatusOr<std::shared_ptr<const HookSpec>> hook = Find(tenant, name);
    if (!hook.ok()) return hook.status();
    std::string record;
    absl::StatusOr<DeadLetter> letter = absl::NotFoundError(
        Concat("hook ", name, " has no dead letter ", Escape(id), "; see: vouch hook deadletters"));
    const absl::Status scanned = journal_.ScanJournalRecords(
        tenant, DeadLetterPrefix(name), [&](std::string_view key, std::string_view bytes) {
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

  absl::StatusOr<SpecStore::Applied> Apply(std::string_view tenant, const AppliedHook& hook, bool dry_run,
                                           std::string_view actor) override {
    const std::lock_guard<std::mutex> lock(apply_mu_);
    absl::StatusOr<HookSpec> admitted = rules_.Admit(hook);
    if (!admitted.ok()) return admitted.status();
    const std::string& name = hook.spec.name;
    const auto all = hooks();
    if (OperatorHas(*all, name)) {
      return absl::AlreadyExistsError(
          "the operator's file has a hook of this name, and of two nobody could tell which is meant; choose another");
    }
    const std::string canonical = AppliedHookToJson(hook);
    absl::StatusOr<SpecStore::Applied> applied = specs_.Apply(tenant, name, canonical, /*dry_run=*/true, actor);
    if (!applied.ok() || !applied->changed) return applied;
    const ServedHook before = FindApplied(*all, tenant, name);
    const size_t there = CountApplied(*all, tenant);
    if (before.spec == nullptr && there >= kMaxApplied) {
      return absl::ResourceExhaustedError(Concat("there are ", there, " hooks that were applied, which is the limit"));
    }
    if (dry_run) return applied;
    ServedHook next{.spec = std::make_shared<const HookSpec>(*std::move(admitted)),
                    .tenant = std::string(tenant),
                    .version = applied->version.number};
    const absl::Status done = TakeOver(before, &next, [&] {
      applied = specs_.Apply(tenant, name, canonical, /*dry_run=*/false, actor);
      return applied.status();
    });
    if (!done.ok()) return done;
    Replace(tenant, name, std::move(next));
    return applied;
  }

  absl::Status Remove(std::string_view tenant, const std::string& name, std::string_view actor) override {
    const std::lock_guard<std::mutex> lock(apply_mu_);
    const auto all = hooks();
    const ServedHook before = FindApplied(*all, tenant, name);
    if (before.spec == nullptr && OperatorHas(*all, name))
      return absl::FailedPreconditionError(Concat("hook ", name, " is the operator's, in the file of --hooks"));
    if (absl::Status status = specs_.Remove(tenant, name, actor); !status.ok()) return status;
    Replace(tenant, name, std::nullopt);
    EndTelling(tenant, name, before);
    return absl::OkStatus();
  }

  bool Drain(Millis time) override {
    const auto deadline = std::chrono::steady_clock::now() + time;
    const auto all = hooks();
    for (const ServedHook& hook : *all) {
      if (hook.teller == nullptr) continue;
      // Two: the first may have begun before the last change.
      const uint64_t wanted = hook.teller->idle_rounds() + 2;
      while (hook.teller->idle_rounds() < wanted && !hook.teller->stopped()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(Millis(5));
      }
    }
    return true;
  }

 private:
  std::shared_ptr<const ServedHooks> hooks() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return hooks_;
  }
  void Publish(ServedHooks all) {
    std::stable_sort(all.begin(), all.end(), ComesBefore);
    auto published = std::make_shared<const ServedHooks>(std::move(all));
    const std::lock_guard<std::mutex> lock(mu_);
    hooks_ = std::move(published);
  }
  // nullopt: it goes.
  void Replace(std::string_view tenant, const std::string& name, std::optional<ServedHook> hook) {
    ServedHooks all = *hooks();
    std::erase_if(all, [&](const ServedHook& other) { return other.IsApplied(tenant, name); });
    if (hook.has_value()) all.push_back(*std::move(hook));
    Publish(std::move(all));
  }

  static bool OperatorHas(const ServedHooks& all, std::string_view name) {
    return std::any_of(all.begin(), all.end(), [name](const ServedHook& hook) {
      return hook.tenant.empty() && hook.spec->name == name;
    });
  }
  // Without a spec where there is none.
  static ServedHook FindApplied(const ServedHooks& all, std::string_view tenant, std::string_view name) {
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const ServedHook& hook) { return hook.IsApplied(tenant, name); });
    return found == all.end() ? ServedHook() : *found;
  }
  static size_t CountApplied(const ServedHooks& all, std::string_view tenant) {
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [tenant](const ServedHook& hook) {
      return !hook.tenant.empty() && hook.tenant == tenant;
    }));
  }

  std::shared_ptr<HookTeller> MakeTeller(const ServedHook& hook, std::shared_ptr<const HookSpec> begins_as) const {
    const std::string& name = hook.spec->name;
    return std::make_shared<HookTeller>(
        store_, clock_, http_, std::move(begins_as),
        HookTeller::Options{.tenant = hook.tenant,
                            .place = hook.tenant.empty() ? Concat("hook/", name) : PlaceOfApplied(name)});
  }

  // Where the hook is to be told of anything.
  absl::Status StartTeller(ServedHook* hook) const {
    if (!TellsAfter(*hook->spec)) return absl::OkStatus();
    hook->teller = MakeTeller(*hook, hook->spec);
    if (absl::Status status = hook->teller->GoOn(); !status.ok()) return status;
    hook->teller->Start();
    return absl::OkStatus();
  }

  absl::Status AddApplied(const std::string& tenant, const SpecVersion& version, ServedHooks* all) const {
    absl::StatusOr<AppliedHook> kept = AppliedHookFromJson(version.canonical);
    if (!kept.ok()) return kept.status();
    absl::StatusOr<HookSpec> admitted = rules_.Admit(*kept);
    ServedHook served{.tenant = tenant, .version = version.number};
    if (OperatorHas(*all, version.name)) {
      served.problem = "the operator's file has a hook of this name";
    } else if (!admitted.ok()) {
      served.problem = std::string(admitted.status().message());
    }
    served.spec = std::make_shared<const HookSpec>(served.problem.empty() ? *std::move(admitted) : kept->spec);
    if (served.problem.empty()) {
      if (absl::Status status = StartTeller(&served); !status.ok()) return status;
    }
    all->push_back(std::move(served));
    return absl::OkStatus();
  }

  // Has `keep` keep a version, and makes of what served the one before it what serves this one.
  absl::Status TakeOver(const ServedHook& before, ServedHook* next, const std::function<absl::Status()>& keep) const {
    if (!TellsAfter(*next->spec)) {
      if (absl::Status status = keep(); !status.ok()) return status;
      EndTelling(next->tenant, next->spec->name, before);
      return absl::OkStatus();
    }
    if (before.teller != nullptr) {
      next->teller = before.teller;
      return next->teller->Become(next->spec, keep);
    }
    // One that was not called goes on where it stood; one that was told nothing begins now.
    const bool goes_on = before.spec != nullptr && TellsAfter(*before.spec);
    next->teller = MakeTeller(*next, goes_on ? before.spec : next->spec);
    absl::Status status = goes_on ? next->teller->GoOn() : next->teller->BeginNow();
    if (status.ok()) status = next->teller->Become(next->spec, keep);
    if (status.ok()) next->teller->Start();
    return status;
  }

  // The place of an applied hook is no longer of use: it begins anew wherever it is told again.
  void EndTelling(std::string_view tenant, const std::string& name, const ServedHook& before) const {
    if (before.teller != nullptr) before.teller->Stop();
    JournalChange change;
    change.records.push_back({PlaceOfApplied(name), std::nullopt});
    journal_.Commit(tenant, change).status().IgnoreError();
  }

  absl::StatusOr<std::shared_ptr<const HookSpec>> Find(std::string_view tenant, std::string_view name) const {
    std::vector<std::string> names;
    const auto all = hooks();
    for (const ServedHook& hook : *all) {
      if (!hook.Serves(tenant)) continue;
      if (hook.spec->name == name) {
        if (hook.problem.empty()) return hook.spec;
        return absl::FailedPreconditionError(Concat("hook ", name, " is not called: ", hook.problem));
      }
      names.push_back(hook.spec->name);
    }
    return absl::NotFoundError(Concat("there is no hook '", Escape(name), "'; ",
                                      names.empty() ? "this process has no hooks: name their file by --hooks, "
                                                      "VOUCH_HOOKS or the key hooks, or apply one"
                                                    : Concat("there are ", absl::StrJoin(names, ", "))));
  }

  Store& store_;
  Journal& journal_;
  const Clock& clock_;
  const HookRules rules_;
  const HttpClient http_;
  std::mutex apply_mu_;  // one change of hooks at a time; held while it is made, which nobody else waits for
  SpecStore specs_;
  mutable std::mutex mu_;
  std::shared_ptr<const ServedHooks> hooks_ = std::make_shared<ServedHooks>();  // guarded by mu_; replaced whole
};

}  // namespace

absl::StatusOr<std::unique_ptr<HookRunner>> HookRunner::Start(Store& store, const Clock& clock,
                                                              std::vector<HookSpec> hooks,
                                                              HookRules rules) {
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
  auto runner = std::make_unique<Runner>(store, clock, std::move(rules));
  if (absl::Status status = runner->StartAll(std::move(hooks)); !status.ok()) return status;
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
