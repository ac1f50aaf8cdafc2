#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/deliver/experiment_book.h"
#include "rag/embed/embedder_registry.h"
#include "rag/pipeline.h"

namespace vouch {

class HookRunner;

// Shares questions between the arms of experiments while a store is served: says who answers, asks the
// shadows, and looks at what has come. Thread safe.
//
// Invariants:
// 1. Who answers follows from the experiment's salt and the caller alone: the same caller gets the same
//    arm, and who has the challenger at one step has it at all later ones.
// 2. A shadow is asked after the caller has his answer, by one thread of low priority, from a queue of
//    kMaxWaiting questions; one that finds it full is dropped and counted. Nothing of it reaches the caller.
// 3. An experiment whose champion's alias leads elsewhere than when it began shares nothing, nor does one whose records
//    cannot be read. No other experiment is kept from anything by it.
// 4. What goes wrong in the background is told, once until it changes, and tried again.
class ExperimentRunner {
 public:
  static constexpr size_t kMaxWaiting = 64;

  struct Dependencies {
    Database& database;
    EmbedderRegistry& embedders;
    std::function<absl::StatusOr<std::shared_ptr<ModelRoute>>(const std::string& tenant)> route;
    TreeBuilder tree = nullptr;   // for pipelines with a query of their own
    HookRunner* hooks = nullptr;  // asked before a promotion; null: there are none
    // Whether challengers that have won are promoted, where that is asked for; else another process does it, one
    // that knows the hooks.
    bool may_promote = true;
    std::function<void(const std::string& message)> warn = nullptr;  // may be empty
  };
  explicit ExperimentRunner(Dependencies dependencies);
  // Asks the shadows that wait, for some seconds, and looks once more.
  ~ExperimentRunner();
  ExperimentRunner(const ExperimentRunner&) = delete;
  ExperimentRunner& operator=(const ExperimentRunner&) = delete;

  struct Assignment {
    std::shared_ptr<const PipelineVersion> pipeline = nullptr;  // that answers
    ExperimentArm arm = {};
    std::shared_ptr<const PipelineVersion> shadow = nullptr;  // that is asked afterwards; may be null
    ExperimentArm shadow_arm = {};
    std::shared_ptr<const PipelineVersion> interleave = nullptr;  // whose hits are mixed in; may be null
  };
  // What an experiment makes of a question to `reference` ("support@champion"); nullopt where there is none.
  // `caller`: CallerOf.
  absl::StatusOr<std::optional<Assignment>> Assign(const std::string& tenant,
                                                   const std::string& reference,
                                                   std::string_view caller,
                                                   std::string_view question) const;
  // `named`: as the request says who asks; else the subject, where callers are told apart by it; else the
  // conversation, by the first question in it.
  static std::string CallerOf(std::string_view named, const Principal& principal,
                              const std::vector<ChatMessage>& conversation,
                              std::string_view question);

  // The outcome of an assigned question is kept, or it failed with `status`: an error of whoever was asked, unless it
  // is the caller's end, his rights, or the day's money.
  void TakeAnswer();
  void TakeError(const std::string& tenant, const ExperimentArm& arm, const absl::Status& status);
  // Asks the shadow of `assignment`, some time. `ask`: the question as it came, without a pipeline;
  // `answer`, `version`: what the caller got, and from which version of the collection.
  void AskShadow(const Assignment& assignment, AskRequest ask, const std::string& answer,
                 Version version);

  // As of the book; what they change holds for the next question.
  absl::StatusOr<SpecStore::Applied> Apply(std::string_view tenant, const ExperimentSpec& spec,
                                           bool dry_run, std::string_view actor);
  absl::StatusOr<ExperimentEntry> Start(std::string_view tenant, const std::string& name,
                                        std::string_view actor);
  absl::StatusOr<ExperimentEntry> Stop(std::string_view tenant, const std::string& name,
                                       const std::string& reason, std::string_view actor);
  absl::Status Remove(std::string_view tenant, const std::string& name, std::string_view actor);
  // With all that has come until now.
  absl::StatusOr<ExperimentEntry> Get(std::string_view tenant, const std::string& name);
  absl::StatusOr<std::vector<ExperimentEntry>> List(std::string_view tenant);
  // What is to be written with feedback on an answer of an experiment that is active.
  std::vector<RecordChange> EventsOf(std::string_view tenant, const Feedback& feedback,
                                     const Answer& answer) const;

 private:
  // What a question needs to know of an active experiment.
  struct Active {
    std::string experiment = {};  // "cheaper@2"
    uint64_t run = 0;
    uint32_t step = 0;
    double share = 0;
    std::string mode = {};
    ExperimentMode kind = ExperimentMode::kAb;
    std::string salt = {};
    uint64_t champion = 0;
    std::shared_ptr<const PipelineVersion> challenger = nullptr;
  };
  using Table = std::map<std::pair<std::string, std::string>, Active>;  // by tenant and reference
  struct Waiting {
    AskRequest ask = {};
    std::shared_ptr<const PipelineVersion> pipeline = nullptr;
  };

  Store& store() const { return dependencies_.database.store(); }
  const Clock& clock() const { return dependencies_.database.clock(); }
  std::shared_ptr<const Table> table() const;
  void Refresh();
  void LookAtAll();
  std::vector<ExperimentEntry> ReadableOf(const std::string& tenant);
  void FindLeftovers();
  void DropLeftovers();
  void MayLeave(std::string_view tenant, const std::string& name);
  void Tell(const std::string& about, const absl::Status& status);
  void AskForPromotion(const std::string& tenant, const ExperimentEntry& entry);
  absl::StatusOr<ExperimentEntry> LookAt(std::string_view tenant, const std::string& name);
  void RunLooks();
  void RunShadows();
  void Ask(const Waiting& waiting);
  void CountDropped(const std::string& tenant, std::string_view experiment);

  const Dependencies dependencies_;
  ExperimentBook book_;
  std::mutex refresh_mu_;  // held by who reads all states for the table

  mutable std::mutex mu_;
  std::condition_variable wake_looks_;
  std::condition_variable wake_shadows_;
  std::condition_variable shadows_done_;
  std::shared_ptr<const Table> table_;  // the rest is guarded by mu_, too
  std::deque<Waiting> waiting_;
  bool asking_ = false;  // the shadow's thread
  bool look_ = false;    // something has come
  bool stopping_ = false;
  std::map<std::pair<std::string, std::string>, uint64_t> dropped_;  // by tenant and name, since the last look
  std::set<std::pair<std::string, std::string>> leaving_;  // of which runs may have ended
  std::map<std::string, std::string> told_;                // what was said last, by what it is about
  std::thread looks_;
  std::thread shadows_;
};

}  // namespace vouch
