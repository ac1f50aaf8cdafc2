#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/kept_answers.h"

namespace vouch {

enum class CostBy : uint8_t { kTenant, kPipeline, kTier, kDay };
// "tenant", "pipeline", "tier", "day". INVALID_ARGUMENT names what there is.
absl::StatusOr<CostBy> ParseCostBy(std::string_view name);

// Calls of models that answers' records name. Money in billionths of the currency.
struct CostLine {
  std::string key = {};
  // Empty: there was no price table, or models only rewrote the question, whose record does not say it.
  std::string currency = {};
  uint64_t answers = 0;       // that made a call
  uint64_t calls = 0;         // that a server took
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t cost_nano = 0;
  uint64_t evaluation_nano = 0;  // of cost_nano, what evaluations asked for
};

// Sums of a tenant's calls by key and currency; currencies are never added to each other. A call counts on the day (UTC) on which
// it began, for the pipeline's name whatever its version, or where there was none for the route's.
class CostSums {
 public:
  explicit CostSums(CostBy by) : by_(by) {}

  void Add(const Answer& answer);
  // By key, then currency.
  std::vector<CostLine> Lines() const;
  // By currency.
  std::vector<CostLine> Totals() const;

 private:
  CostLine& LineOf(const Answer& answer, const ModelAttempt& attempt);

  const CostBy by_;
  std::map<std::pair<std::string, std::string>, CostLine> lines_;
  std::map<std::string, CostLine> totals_;
};

// Whether a server took the request: it was billed.
bool IsCall(const ModelAttempt& attempt);
// The models' tries of an answer in the order in which they are in the record: those that rewrote the question first.
std::vector<const ModelAttempt*> AttemptsOf(const Answer& answer);

// The days of a range as the books name them, "2026-11-26", ascending.
std::vector<std::string> DaysOf(const TimeRange& range);
inline constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

// Reads the range's answers once. RESOURCE_EXHAUSTED: more than kMaxCostAnswers.
inline constexpr size_t kMaxCostAnswers = 1'000'000;
absl::Status VisitAnswersBetween(Database& database, const Principal& principal, const TimeRange& range,
                                 const CancelToken& cancel, const std::function<void(const Answer&)>& visit);

}  // namespace vouch
