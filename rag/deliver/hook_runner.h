#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/deliver/applied_hook.h"
#include "rag/deliver/hook.h"
#include "rag/deliver/hook_rules.h"
#include "rag/deliver/spec_store.h"
#include "storage/clock.h"
#include "storage/store.h"

namespace vouch {

struct HookStatus {
  HookSpec spec = {};  // the secret is left out
  bool is_signed = false;
  uint64_t pending = 0;       // events read and not delivered yet
  uint64_t delivered = 0;     // since the process began
  uint64_t failed = 0;        // tries, likewise
  uint64_t dead_letters = 0;  // of the tenant that asks
  std::string last_error = {};
  uint64_t version = 0;      // of a hook that was applied; 0: it is the operator's
  std::string problem = {};  // why it is not called; empty: it is
};

// An event that was given up.
struct DeadLetter {
  std::string hook = {};
  std::string id = {};     // of the event
  std::string event = {};  // as it was sent, JSON
  uint32_t attempts = 0;
  std::string error = {};
  int64_t time_us = 0;
};

// What one hook said of a before.* event.
struct HookVerdict {
  std::string hook = {};
  bool allowed = true;
  bool failed = false;  // it gave no verdict: its policy decides
  std::string says = {};
};

// Calls hooks: those of the operator, who are told of all tenants, and those that tenants applied, each told of its own.
// after.*: each hook has a thread (hook_teller.h) that reads the audit log and the commits from where it stood, and tells the
// hook; so an event is due if and only if the change is durable, nothing is lost by a kill, and what was under way then is
// told again, with the same id. Its place is kept in the journal. A hook that is new begins with what happens from then on.
// before.*: asked in the caller's thread.
//
// An applied hook that the operator's rules do not allow when the process starts is not called: List says why, its place
// waits, and where it is asked before something its on_failure decides.
//
// Journal records of a tenant: "hook/NAME" (how far the operator's was told), "applied-hook/NAME" (likewise),
// "dead/NAME/TIME-ID" (given up). Thread safe.
class HookRunner {
 public:
  static constexpr size_t kMaxApplied = HookSpec::kMaxHooks;  // of a tenant

  // Reads where each hook stands and starts its thread. INVALID_ARGUMENT: a hook is wrong, or a
  // name is there twice.
  static absl::StatusOr<std::unique_ptr<HookRunner>> Start(Store& store, const Clock& clock,
                                                           std::vector<HookSpec> hooks,
                                                           HookRules rules = {});
  virtual ~HookRunner() = default;  // ends calls that run; they will be made again

  // Whether any hook wants events of the type; costs no more than looking.
  virtual bool Wants(std::string_view type) const = 0;
  // Whether any may want them later, without another start: whether hooks may be applied.
  virtual bool TakesApplied() const = 0;
  // Of all hooks that want the event, in their order.
  virtual std::vector<HookVerdict> AskBefore(const Event& event,
                                             const CancelToken& cancel) const = 0;
  // Those of the operator, then those of the tenant by name.
  virtual absl::StatusOr<std::vector<HookStatus>> List(std::string_view tenant) const = 0;
  // Sends an event of the type "test" once and says what came of it. NOT_FOUND: no such hook.
  virtual absl::StatusOr<HookReply> Test(std::string_view tenant, std::string_view hook,
                                         const CancelToken& cancel) const = 0;
  // Oldest first, at most `limit`; of all hooks where none is named.
  virtual absl::StatusOr<std::vector<DeadLetter>> DeadLetters(std::string_view tenant,
                                                              std::string_view hook,
                                                              size_t limit) const = 0;
  // Sends a dead letter once more, and removes it where that succeeds. NOT_FOUND.
  virtual absl::Status Redeliver(std::string_view tenant, std::string_view hook,
                                 std::string_view id, const CancelToken& cancel) = 0;
  // Keeps a hook of the tenant as the next version, which takes over at once; a dry run says what that would be. Errors:
  // those of HookRules::Admit; ALREADY_EXISTS: the operator has a hook of that name; RESOURCE_EXHAUSTED: over kMaxApplied.
  virtual absl::StatusOr<SpecStore::Applied> Apply(std::string_view tenant, const AppliedHook& hook,
                                                   bool dry_run, std::string_view actor) = 0;
  // Ends the tenant's hook; its place is forgotten, so that a hook of that name begins anew, and its dead letters stay.
  // NOT_FOUND; FAILED_PRECONDITION: it is the operator's.
  virtual absl::Status Remove(std::string_view tenant, const std::string& hook,
                              std::string_view actor) = 0;
  // Waits until all is told that can be told at once. False where time ran out.
  virtual bool Drain(std::chrono::milliseconds time) = 0;
};

// OK where all hooks allow it, or there are none; else FAILED_PRECONDITION with the first one's
// reason.
absl::Status AskHooks(const HookRunner* hooks, const Event& event, const CancelToken& cancel);

}  // namespace vouch
