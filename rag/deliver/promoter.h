#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/deliver/gate_check.h"
#include "rag/deliver/hook_runner.h"
#include "rag/pipeline_store.h"
#include "storage/principal.h"
#include "storage/store.h"

namespace vouch {

struct PromoteRequest {
  std::string pipeline = {};  // "support@2"; a name alone is its latest version
  std::string alias = {};
  std::string reason = {};  // at most 4096 bytes; needed where forced
  bool force = false;    // moves whatever gates, budget and hooks say; they are asked all the same
  bool dry_run = false;  // says what would come of it; no hook is asked and nothing is written
  std::optional<uint64_t> expected_revision = {};  // of the alias, as the caller saw it
  Principal principal = {};
  CancelToken cancel = {};
};

struct RollbackRequest {
  std::string pipeline = {};  // a name
  std::string alias = {};
  std::string reason = {};
  bool force = false;  // whatever hooks say
  std::optional<uint64_t> expected_revision = {};
  Principal principal = {};
  CancelToken cancel = {};
};

// What came of it.
struct Promotion {
  std::string pipeline = {};  // a name
  std::string alias = {};
  uint64_t from = 0;  // 0: the alias led nowhere
  uint64_t to = 0;
  uint64_t revision = 0;  // of the alias, afterwards
  bool moved = false;
  bool forced = false;
  bool already = false;                 // it led there before, and nothing was asked
  std::string says = {};                // in a sentence; where it was refused, why and what to do
  std::vector<GateOutcome> gates = {};  // the evidence
  uint64_t audit_number = 0;            // of the entry that holds the evidence; 0: a dry run
  std::string audit_hash = {};
};

// Moves aliases of pipelines. Thread safe.
//
// Invariants:
// 1. An alias moves in one transaction with the evidence for it: all gates that were asked, the
//    evaluations by which, and each verdict.
// 2. It moves only from the revision that the gates were asked at; of two promotions at once one
//    wins, and the other is ABORTED.
// 3. A refusal is on record too.
class Promoter {
 public:
  // `hooks` may be null: there are none.
  Promoter(Store& store, const Clock& clock, const HookRunner* hooks)
      : store_(store), clock_(clock), pipelines_(store, clock), hooks_(hooks) {}

  // A refusal is an outcome (`moved` is false). NOT_FOUND: no such pipeline or version. ABORTED:
  // the alias was moved meanwhile. INVALID_ARGUMENT: forced without a reason.
  absl::StatusOr<Promotion> Promote(const PromoteRequest& request);
  // One step back, to the version before the last promotion; no gate is asked. FAILED_PRECONDITION:
  // there is none.
  absl::StatusOr<Promotion> Rollback(const RollbackRequest& request);

  // Names for the kinds of specifications, as SpecStore has them.
  static constexpr char kGateKind[] = "gate";
  static constexpr char kSloKind[] = "slo";

 private:
  absl::StatusOr<std::vector<GateOutcome>> AskGates(const PromoteRequest& request,
                                                    const PipelineVersion& candidate,
                                                    const PipelineVersion* champion) const;
  absl::StatusOr<std::optional<GateOutcome>> AskBudgets(std::string_view tenant,
                                                        const std::string& pipeline,
                                                        const std::string& alias) const;
  void AskHooksBefore(const std::string& type, const Promotion& planned, const std::string& reason,
                      const Principal& principal, const CancelToken& cancel,
                      GateOutcome* outcome) const;
  absl::StatusOr<Promotion> Finish(Promotion planned, const std::string& action,
                                   const std::string& reason, const Principal& principal,
                                   uint64_t expected_revision, bool back);

  Store& store_;
  const Clock& clock_;
  PipelineStore pipelines_;
  const HookRunner* hooks_;
};

// The evidence as the audit log keeps it, JSON.
std::string EvidenceToJson(const Promotion& promotion);

}  // namespace vouch
