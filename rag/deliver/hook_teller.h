#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rag/deliver/hook.h"
#include "rag/deliver/hook_queue.h"
#include "rag/http/http_client.h"
#include "storage/clock.h"
#include "storage/journal.h"
#include "storage/store.h"

namespace vouch {

// How a hook's calls went since the process began.
struct HookCounts {
  uint64_t pending = 0;
  uint64_t delivered = 0;
  uint64_t failed = 0;
  std::string last_error = {};
};

// One hook's thread for after.* events: it reads the audit log and the commits from where the hook stood, and tells it. The
// place is a journal record of each tenant whose events it tells. Thread safe.
//
// Invariants:
// 1. The place moves past an event once the hook has taken it, or it lies with the dead letters.
// 2. Another version takes over between two calls, and between two reads: what was being told is told once, and what
//    happens after the version was kept is read by it.
class HookTeller {
 public:
  struct Options {
    std::string tenant = {};  // whose events are told; empty: those of all
    std::string place = {};   // name of the journal record
  };
  // Borrows all but the hook.
  HookTeller(Store& store, const Clock& clock, const HttpClient& http, std::shared_ptr<const HookSpec> hook,
             Options options);
  ~HookTeller();  // stops
  HookTeller(const HookTeller&) = delete;
  HookTeller& operator=(const HookTeller&) = delete;

  // Where the hook stood. What has no place yet begins with what happens from now on.
  absl::Status GoOn();
  // Whatever place was kept, it begins with what happens from now on. The place is durable on return.
  absl::Status BeginNow();
  // After one of those; starts the thread.
  void Start();
  // Another version of the same hook takes over once `keep` has kept it. Where the version wants commits and the one before
  // did not, it begins with those to come. What the version does not want of what waits is not told.
  absl::Status Become(std::shared_ptr<const HookSpec> hook, const std::function<absl::Status()>& keep);
  // Ends the thread; a call that runs is cut, and made again by whoever goes on.
  void Stop();

  HookCounts counts() const;
  // Rounds that found nothing more to tell at once.
  uint64_t idle_rounds() const;
  bool stopped() const;

 private:
  using Letter = std::pair<std::string, RecordChange>;  // of a tenant

  std::vector<std::string> Tenants() const;
  std::string Home() const;  // the tenant whose place says that the hook is known
  std::shared_ptr<const HookSpec> hook() const;

  // With queue_mu_ held:
  absl::Status TakeState(const std::string& tenant, const std::string& text);
  absl::Status BeginAtTheEnd(const std::string& tenant);
  absl::Status PassCommits(const std::string& tenant);
  absl::Status KeepState(const std::optional<Letter>& letter);
  absl::Status ReadMore(const HookSpec& hook);
  absl::Status ReadAudit(const HookSpec& hook, const std::string& tenant);
  absl::Status ReadCommits(const std::string& tenant);
  void TakeResult(const HookSpec& hook, const absl::Status& result, HookQueue::Pending* pending);
  void GiveUp(const HookSpec& hook, HookQueue::Pending* pending);

  void Loop();
  void Tell(HookQueue::Pending* pending);
  int64_t WaitMs() const;
  void Note(const absl::Status& status);

  Store& store_;
  Journal& journal_;
  const Clock& clock_;
  const HttpClient& http_;
  const Options options_;
  std::thread thread_;

  // Held while the log is read and while places are written, never while the hook is called.
  mutable std::mutex queue_mu_;
  // --- guarded by queue_mu_; taken out of the queue by the thread alone
  HookQueue queue_;
  uint64_t told_ = 0;
  std::map<std::string, std::map<std::string, uint64_t>> kept_;  // places as they were written, by tenant

  mutable std::mutex mu_;  // after queue_mu_
  std::condition_variable wake_;
  // --- guarded by mu_
  std::shared_ptr<const HookSpec> hook_;
  bool stopping_ = false;
  HookCounts counts_;
  uint64_t idle_rounds_ = 0;
};

// The dead letters of a hook are the journal records that begin so.
std::string DeadLetterPrefix(std::string_view hook);

}  // namespace vouch
