#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/deliver/gate.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"
#include "rag/pipeline.h"

namespace vouch {

enum class GateVerdict : uint8_t {
  kPass,
  kFail,
  kCannotTell,  // too few questions for the spread, or no figure
  kMissing,     // what it is to be judged by is not there
};
std::string_view GateVerdictName(GateVerdict verdict);  // "pass", "fail", "cannot tell", "missing"

// One thing that a gate asks, and what came of it. NaN: no such figure.
struct GateCheck {
  std::string what = {};  // "ndcg_cut_10 >= 0.5"
  GateVerdict verdict = GateVerdict::kMissing;
  std::string says = {};  // in a sentence, and where it does not pass, what to do
  double value = std::numeric_limits<double>::quiet_NaN();  // the candidate's mean
  double champion = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN();  // of the difference, or of the mean
  double high = std::numeric_limits<double>::quiet_NaN();
};

// What one gate said of a candidate.
struct GateOutcome {
  std::string gate = {};  // "quality@2"; "budget" and "hooks" are the program's own
  std::string hash = {};
  std::string dataset = {};              // "support@1"
  std::string evaluation = {};           // id, of the candidate
  std::string champion_evaluation = {};  // id
  std::vector<GateCheck> checks = {};
  bool passed() const;  // all of them
};

// Holds a gate against kept evaluations. Thread safe; reads only.
class GateChecker {
 public:
  GateChecker(const EvaluationStore& evaluations, const DatasetStore& datasets)
      : evaluations_(evaluations), datasets_(datasets) {}

  // `champion` may be null: nothing is led to by the alias yet, and comparisons pass. What is
  // missing is a verdict; an error only where a record cannot be read.
  absl::StatusOr<GateOutcome> Check(const GateSpec& gate, const PipelineVersion& candidate,
                                    const PipelineVersion* champion) const;

 private:
  struct Found;
  absl::StatusOr<Found> Find(const GateSpec& gate, const PipelineVersion& candidate,
                             const PipelineVersion* champion) const;

  const EvaluationStore& evaluations_;
  const DatasetStore& datasets_;
};

}  // namespace vouch
