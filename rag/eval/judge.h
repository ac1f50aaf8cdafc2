#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/eval/evaluation_record.h"
#include "rag/eval/judge_prompt.h"
#include "rag/llm/model_route.h"
#include "storage/principal.h"

namespace vouch {

struct JudgeOptions {
  static constexpr uint32_t kMaxVotes = 9;
  static constexpr uint32_t kMaxParallel = 32;
  static constexpr size_t kMaxVerdicts = 100'000;

  std::string tier = {};                   // of the route
  std::vector<std::string> measures = {};  // empty: all
  // How often each question is put; the median counts. With more than one it is seen whether the judge agrees with itself.
  uint32_t votes = 1;
  uint32_t parallel = 2;
  bool dry_run = false;  // asks nothing, and says what it would cost
  std::string actor = "default/system";
  CancelToken cancel = {};
  std::function<void(double)> progress = {};  // from any of the threads, one at a time
};

struct JudgeReport {
  EvaluationRecord record = {};  // with the measures, unless it was a dry run
  uint64_t verdicts = 0;         // wanted: answers × measures × votes
  uint64_t known = 0;            // of them were there already
  uint64_t without_score = 0;    // the judge's reply had none
  uint64_t failed = 0;           // the judge gave no reply; another run asks again
  // Answers and measures that were not judged, since a source that the answer cites is gone or does not fit into a prompt.
  uint64_t left_out = 0;
  uint64_t disagreeing = 0;      // questions and measures whose votes lie more than kAgreement apart
  // Of those that were asked; of a dry run the estimate, completions at their limit, without tries that fail and are made again.
  TokenUsage usage = {};
  uint64_t cost_nano = 0;        // likewise
  std::string currency = {};
  std::string price_table = {};  // empty: nothing has a price

  static constexpr double kAgreement = 0.25;
};

// Lets a tier of the route judge the answers of a finished evaluation, and adds the measures to its results and figures. The judge is
// asked of kept answers, so it can be asked later, by another tier, or again.
//
// A verdict is kept under the hash of all that it depends on (prompt, messages, model, its parameters and server, number of the
// vote), before it counts: a run that is cut goes on where it was, and the same questions to the same judge have the same verdicts.
// A measure of a question whose verdicts have no score is NaN, and counted as missing. Sources and answers are quoted to the judge
// line by line, as to every model, the sources by the numbers that the answer cites; erased answers are not judged.
//
// NOT_FOUND: the evaluation or the tier. FAILED_PRECONDITION: it is not finished, or has no answers. INVALID_ARGUMENT names the option.
// RESOURCE_EXHAUSTED: more than kMaxVerdicts, or a spent limit. UNAVAILABLE: of a measure no verdict was given; its figures stay as
// they were.
absl::StatusOr<JudgeReport> JudgeEvaluation(Database& database, const ModelRoute& route, const Principal& principal,
                                            std::string_view evaluation, const JudgeOptions& options);

}  // namespace vouch
