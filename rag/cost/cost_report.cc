#include "rag/cost/cost_report.h"

#include <set>

#include "absl/time/time.h"
#include "rag/llm/spend_book.h"
#include "storage/concat.h"

namespace vouch {
namespace {

std::string DayText(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

std::string CurrencyOf(const Answer& answer) {
  return answer.generation && !answer.generation->price_table.empty() ? answer.generation->currency : "";
}

std::string PipelineOf(const Answer& answer) {
  if (!answer.pipeline.empty()) return answer.pipeline.substr(0, answer.pipeline.find('@'));
  return answer.generation ? answer.generation->route : "";
}

void Count(const ModelAttempt& attempt, bool evaluation, CostLine* line) {
  ++line->calls;
  line->prompt_tokens = AddNano(line->prompt_tokens, attempt.usage.prompt_tokens);
  line->completion_tokens = AddNano(line->completion_tokens, attempt.usage.completion_tokens);
  line->cost_nano = AddNano(line->cost_nano, attempt.cost_nano);
  if (evaluation) line->evaluation_nano = AddNano(line->evaluation_nano, attempt.cost_nano);
}

}  // namespace

absl::StatusOr<CostBy> ParseCostBy(std::string_view name) {
  constexpr std::pair<std::string_view, CostBy> kNames[] = {{"tenant", CostBy::kTenant},
                                                            {"pipeline", CostBy::kPipeline},
                                                            {"tier", CostBy::kTier},
                                                            {"day", CostBy::kDay}};
  for (const auto& [known, by] : kNames)
    if (name == known) return by;
  return absl::InvalidArgumentError(Concat("by is '", Escape(name), "'; there are tenant, pipeline, tier and day"));
}

bool IsCall(const ModelAttempt& attempt) {
  return attempt.usage.prompt_tokens > 0 || attempt.usage.completion_tokens > 0;
}

std::vector<const ModelAttempt*> AttemptsOf(const Answer& answer) {
  std::vector<const ModelAttempt*> attempts;
  for (const Rewrite& rewrite : answer.rewrites)
    for (const ModelAttempt& attempt : rewrite.attempts) attempts.push_back(&attempt);
  if (answer.generation)
    for (const ModelAttempt& attempt : answer.generation->attempts) attempts.push_back(&attempt);
  return attempts;
}

CostLine& CostSums::LineOf(const Answer& answer, const ModelAttempt& attempt) {
  std::string key;
  switch (by_) {
    case CostBy::kTenant:
      key = answer.tenant;
      break;
    case CostBy::kPipeline:
      key = PipelineOf(answer);
      break;
    case CostBy::kTier:
      key = attempt.tier;
      break;
    case CostBy::kDay:
      key = DayText(attempt.started_us);
      break;
  }
  const std::string currency = CurrencyOf(answer);
  CostLine& line = lines_[{key, currency}];
  line.key = key;
  line.currency = currency;
  return line;
}

void CostSums::Add(const Answer& answer) {
  std::set<CostLine*> lines;  // that the answer is counted in, once each
  for (const ModelAttempt* attempt : AttemptsOf(answer)) {
    if (!IsCall(*attempt)) continue;
    for (CostLine* line : {&LineOf(answer, *attempt), &totals_[CurrencyOf(answer)]}) {
      Count(*attempt, answer.evaluation, line);
      if (lines.insert(line).second) ++line->answers;
    }
  }
}

std::vector<CostLine> CostSums::Lines() const {
  std::vector<CostLine> lines;
  for (const auto& [key, line] : lines_) lines.push_back(line);
  return lines;
}

std::vector<CostLine> CostSums::Totals() const {
  std::vector<CostLine> lines;
  for (const auto& [currency, line] : totals_) {
    lines.push_back(line);
    lines.back().currency = currency;
  }
  return lines;
}

std::vector<std::string> DaysOf(const TimeRange& range) {
  std::vector<std::string> days;
  for (int64_t day_us = range.from_us - range.from_us % kDayUs; day_us < range.to_us; day_us += kDayUs)
    days.push_back(DayText(day_us));
  return days;
}

absl::Status VisitAnswersBetween(Database& database, const Principal& principal, const TimeRange& range,
                                 const CancelToken& cancel, const std::function<void(const Answer&)>& visit) {
  const auto answers = AnswersBetween(database.store(), principal.tenant, range, kMaxCostAnswers, cancel);
  if (!answers.ok()) return answers.status();
  for (const KeptAnswer& kept : *answers) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const absl::StatusOr<Answer> answer = GetAnswer(database, principal, kept.id);
    if (!answer.ok()) return answer.status();
    visit(*answer);
  }
  return absl::OkStatus();
}

}  // namespace vouch
