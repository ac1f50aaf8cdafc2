#include "rag/eval/judge.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "rag/answer.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation.h"
#include "rag/eval/paired_test.h"
#include "rag/parse/token_estimate.h"
#include "rag/prompt.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/concat.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr uint64_t kJudgeFormat = 1;
constexpr uint64_t kTokensAMessage = 4;  // for its role and borders, as the route estimates them

// Of its reply the score alone is kept: a reason may quote sources, and nobody who forgets one would look for it here.
struct JudgedVerdict {
  double score = kNotANumber;
};

// One question put to the judge.
struct Task {
  uint64_t index = 0;  // of the question in the dataset
  const JudgePrompt* prompt = nullptr;
  uint32_t vote = 0;
  // Of all votes the same; null once there is a verdict.
  std::shared_ptr<const std::vector<ChatMessage>> messages = {};
  std::string name = {};  // of the verdict's record
  std::optional<JudgedVerdict> verdict = {};
};

absl::Status Validate(const JudgeOptions& options) {
  if (options.votes == 0 || options.votes > JudgeOptions::kMaxVotes) {
    return absl::InvalidArgumentError(Concat("votes is ", options.votes, "; it takes 1 to ", JudgeOptions::kMaxVotes));
  }
  if (options.parallel == 0 || options.parallel > JudgeOptions::kMaxParallel) {
    return absl::InvalidArgumentError(Concat("parallel is ", options.parallel, "; it takes 1 to ", JudgeOptions::kMaxParallel));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<const JudgePrompt*>> PromptsOf(const std::vector<std::string>& measures) {
  std::vector<const JudgePrompt*> prompts;
  std::string known;
  for (const JudgePrompt& prompt : JudgePrompts()) {
    known += Concat(known.empty() ? "" : ", ", prompt.measure);
    if (measures.empty() || std::find(measures.begin(), measures.end(), prompt.measure) != measures.end()) prompts.push_back(&prompt);
  }
  for (const std::string& measure : measures) {
    const bool there = std::any_of(prompts.begin(), prompts.end(), [&](const JudgePrompt* prompt) { return prompt->measure == measure; });
    if (!there) return absl::InvalidArgumentError(Concat("measure is '", measure, "'; a judge knows ", known));
  }
  return prompts;
}

// The route with that tier alone, which neither escalates nor is raced.
absl::StatusOr<std::unique_ptr<ModelRoute>> RouteOfTier(const ModelRoute& route, const std::string& tier) {
  RouteSpec spec = route.spec();
  std::string known;
  for (const ModelTier& there : spec.tiers) known += Concat(known.empty() ? "" : ", ", there.name);
  std::erase_if(spec.tiers, [&](const ModelTier& there) { return there.name != tier; });
  if (spec.tiers.empty()) return absl::NotFoundError(Concat("the route has no tier '", tier, "'; there are ", known));
  spec.escalate.reset();
  spec.hedge.reset();
  return route.With(std::move(spec));
}

std::string NameOf(const Task& task, const ModelTier& tier) {
  return Concat("verdict/", HexOf(Sha256Of(Concat(task.prompt->id, "\n", tier.endpoint.base_url, "\n",
                                                  EncodeChatParameters(tier.endpoint.model, tier.parameters), "\n",
                                                  PromptHash(*task.messages), "\n", task.vote))));
}

std::string Encode(const JudgedVerdict& verdict, const Task& task, const ModelTier& tier, const RouteOutcome& outcome, int64_t time_us) {
  const RecordJson json = {{"format", kJudgeFormat},
                           {"prompt", task.prompt->id},
                           {"prompt_hash", PromptHash(*task.messages)},
                           {"vote", task.vote},
                           {"tier", tier.name},
                           {"model", tier.endpoint.model},
                           {"response_model", outcome.reply.model},
                           {"score", std::isfinite(verdict.score) ? RecordJson(verdict.score) : RecordJson(nullptr)},
                           {"prompt_tokens", outcome.usage.prompt_tokens},
                           {"completion_tokens", outcome.usage.completion_tokens},
                           {"cost_nano", outcome.cost_nano},
                           {"time_us", time_us}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<JudgedVerdict> Decode(std::string_view bytes) {
  const RecordJson json = ParseRecordJson(bytes);
  RecordReader reader(json, "", "the verdict");
  JudgedVerdict verdict;
  if (reader.Has("score")) reader.Take("score", &verdict.score);
  if (!reader.status().ok()) return reader.status();
  return verdict;
}

class Judging {
 public:
  Judging(Database& database, ModelRoute& route, const Principal& principal, const JudgeOptions& options)
      : database_(database),
        records_(EvaluationRecords::Of(database.store())),
        route_(route),
        principal_(principal),
        options_(options) {}

  // The tasks of the evaluation's answers, with the verdicts that there are.
  absl::Status Prepare(const EvaluationRecord& record, const std::vector<const JudgePrompt*>& prompts) {
    const absl::StatusOr<Dataset> dataset =
        DatasetStore(records_, principal_.tenant).Get({record.dataset, record.dataset_version});
    if (!dataset.ok()) return dataset.status();
    absl::StatusOr<std::shared_ptr<Collection>> collection = database_.GetCollection(principal_, record.collection);
    if (!collection.ok()) return collection.status();
    absl::StatusOr<std::vector<QuestionResult>> results = EvaluationStore(records_, principal_.tenant).Results(record.id);
    if (!results.ok()) return results.status();
    for (const QuestionResult& result : *results) {
      if (absl::Status status = options_.cancel.Check(); !status.ok()) return status;
      if (!result.answered || result.answer_id.empty()) continue;
      absl::Status status = AddTasks(result, dataset->questions[result.index], **collection, prompts);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Ask(JudgeReport* report) {
    std::vector<std::thread> threads;
    for (uint32_t i = 1; i < options_.parallel; ++i) threads.emplace_back([this, report] { Work(report); });
    Work(report);
    for (std::thread& thread : threads) thread.join();
    return status_;
  }

  // A judge that is down says nothing of a measure, and what another one said of it before stays.
  absl::Status CheckGiven(const std::vector<const JudgePrompt*>& prompts, const JudgeReport& report) const {
    if (report.failed == 0) return absl::OkStatus();
    const auto given = [&](const JudgePrompt* prompt, bool verdict) {
      return std::count_if(tasks_.begin(), tasks_.end(),
                           [&](const Task& task) { return task.prompt == prompt && task.verdict.has_value() == verdict; });
    };
    for (const JudgePrompt* prompt : prompts) {
      if (given(prompt, true) > 0 || given(prompt, false) == 0) continue;
      return absl::UnavailableError(Concat(report.failed, report.failed == 1 ? " verdict was" : " verdicts were", " not given, of ",
                                           prompt->measure, " none; nothing was changed; the same command asks again"));
    }
    return absl::OkStatus();
  }

  // Medians of the verdicts, by the results' places in the dataset.
  JudgedMeasures Score(const std::vector<const JudgePrompt*>& prompts, JudgeReport* report) const {
    JudgedMeasures judged;
    for (const JudgePrompt* prompt : prompts) {
      judged.by[std::string(prompt->measure)] = Concat(prompt->id, ", tier ", tier().name, " (", tier().endpoint.model, "), ", options_.votes,
                                                       options_.votes == 1 ? " vote" : " votes");
    }
    std::map<std::pair<uint64_t, const JudgePrompt*>, std::vector<double>> votes;
    for (const Task& task : tasks_) {
      if (!task.verdict) continue;
      if (std::isfinite(task.verdict->score)) {
        votes[{task.index, task.prompt}].push_back(task.verdict->score);
      } else {
        ++report->without_score;
      }
    }
    for (auto& [key, scores] : votes) {
      std::sort(scores.begin(), scores.end());
      const size_t middle = scores.size() / 2;
      judged.values[key.first][std::string(key.second->measure)] =
          scores.size() % 2 == 1 ? scores[middle] : (scores[middle - 1] + scores[middle]) / 2;
      if (scores.back() - scores.front() > JudgeReport::kAgreement) ++report->disagreeing;
    }
    return judged;
  }

  const std::vector<Task>& tasks() const { return tasks_; }
  uint64_t left_out() const { return left_out_; }
  const ModelTier& tier() const { return route_.spec().tiers.front(); }

 private:
  absl::Status AddTasks(const QuestionResult& result, const DatasetQuestion& question, const Collection& collection,
                        const std::vector<const JudgePrompt*>& prompts) {
    const absl::StatusOr<Answer> answer = GetAnswer(database_, principal_, result.answer_id);
    if (absl::IsNotFound(answer.status())) return absl::OkStatus();  // the record is gone: nothing to judge
    if (!answer.ok()) return answer.status();
    // What the answer's own prompt might have, the judge's may have: a pipeline may allow more than the route.
    const uint32_t max_tokens =
        std::max(route_.spec().max_prompt_tokens, answer->generation ? answer->generation->max_prompt_tokens : 0u);
    for (const JudgePrompt* prompt : prompts) {
      if (prompt->needs_reference && question.references.empty()) continue;
      if (IsErasedFor(*prompt, *answer)) continue;
      absl::StatusOr<std::optional<std::vector<ChatMessage>>> messages =
          JudgeMessages(*prompt, question, *answer, collection, principal_, max_tokens);
      if (!messages.ok()) return messages.status();
      if (!messages->has_value()) {
        ++left_out_;
        continue;
      }
      const auto shared = std::make_shared<const std::vector<ChatMessage>>(**std::move(messages));
      for (uint32_t vote = 0; vote < options_.votes; ++vote) {
        absl::Status status = AddTask({.index = result.index, .prompt = prompt, .vote = vote, .messages = shared});
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddTask(Task task) {
    if (tasks_.size() == JudgeOptions::kMaxVerdicts) {
      return absl::ResourceExhaustedError(Concat("more than ", JudgeOptions::kMaxVerdicts,
                                                 " verdicts would be needed, which is the limit; judge fewer measures, or by fewer votes"));
    }
    task.name = NameOf(task, tier());
    const absl::StatusOr<std::optional<std::string>> kept = records_.GetEvaluationRecord(principal_.tenant, task.name);
    if (!kept.ok()) return kept.status();
    if (kept->has_value()) {
      absl::StatusOr<JudgedVerdict> verdict = Decode(**kept);
      if (!verdict.ok()) return verdict.status();
      task.verdict = *std::move(verdict);
      task.messages = nullptr;
    }
    tasks_.push_back(std::move(task));
    return absl::OkStatus();
  }

  void Work(JudgeReport* report) {
    while (!stopped_.load()) {
      const size_t i = next_.fetch_add(1);
      if (i >= tasks_.size()) return;
      if (!tasks_[i].verdict) {
        if (absl::Status status = AskOne(tasks_[i], report); !status.ok()) {
          const std::lock_guard lock(mu_);
          if (status_.ok()) status_ = std::move(status);
          stopped_.store(true);
          return;
        }
      }
      const std::lock_guard lock(mu_);
      ++done_;
      if (options_.progress) options_.progress(static_cast<double>(done_) / static_cast<double>(tasks_.size()));
    }
  }

  // A judge that gives no reply is counted; the store's errors, the caller's end and a spent limit end the run.
  absl::Status AskOne(Task& task, JudgeReport* report) {
    RouteOutcome outcome = route_.Generate(*task.messages, {.tenant = principal_.tenant, .pipeline = "judge"}, options_.cancel, nullptr);
    if (absl::Status ended = options_.cancel.Check(); !ended.ok()) return ended;
    {
      const std::lock_guard lock(mu_);
      report->cost_nano += outcome.cost_nano;
      for (const ModelAttempt& attempt : outcome.attempts) {
        report->usage.prompt_tokens += attempt.usage.prompt_tokens;
        report->usage.completion_tokens += attempt.usage.completion_tokens;
      }
      if (!outcome.status.ok()) ++report->failed;
    }
    if (outcome.unpaid) return outcome.status;
    if (!outcome.status.ok()) return absl::OkStatus();
    const JudgedVerdict verdict{.score = ScoreOfVerdict(outcome.reply.text)};
    const NamedRecord record{task.name, Encode(verdict, task, tier(), outcome, database_.clock().NowMicros())};
    absl::Status status = records_.PutEvaluationRecords(principal_.tenant, {&record, 1}, /*only_new=*/false);
    if (!status.ok()) return status;
    task.verdict = verdict;
    task.messages = nullptr;
    return absl::OkStatus();
  }

  Database& database_;
  EvaluationRecords& records_;
  ModelRoute& route_;
  const Principal& principal_;
  const JudgeOptions& options_;
  uint64_t left_out_ = 0;
  std::vector<Task> tasks_;  // each is worked on by one thread
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mu_;
  size_t done_ = 0;      // guarded by mu_, as the report while it is asked
  absl::Status status_;  // likewise
};

uint64_t TokensOf(const std::vector<ChatMessage>& messages) {
  uint64_t tokens = 0;
  for (const ChatMessage& message : messages) tokens += kTokensAMessage + EstimateTokens(message.content);
  return tokens;
}

}  // namespace

absl::StatusOr<JudgeReport> JudgeEvaluation(Database& database, const ModelRoute& route, const Principal& principal,
                                            std::string_view evaluation, const JudgeOptions& options) {
  if (absl::Status status = Validate(options); !status.ok()) return status;
  const absl::StatusOr<std::vector<const JudgePrompt*>> prompts = PromptsOf(options.measures);
  if (!prompts.ok()) return prompts.status();
  const absl::StatusOr<std::unique_ptr<ModelRoute>> judge_route = RouteOfTier(route, options.tier);
  if (!judge_route.ok()) return judge_route.status();
  EvaluationStore evaluations(EvaluationRecords::Of(database.store()), principal.tenant);
  absl::StatusOr<EvaluationRecord> record = evaluations.Get(evaluation);
  if (!record.ok()) return record.status();
  if (!record->finished) return absl::FailedPreconditionError(Concat("evaluation ", record->id, " is not finished; go on by --resume"));
  if (record->answers == "none") {
    return absl::FailedPreconditionError(Concat("evaluation ", record->id, " has no answers to judge; run it with answers"));
  }
  Judging judging(database, **judge_route, principal, options);
  if (absl::Status status = judging.Prepare(*record, *prompts); !status.ok()) return status;
  JudgeReport report;
  const RouteSpec& spec = (*judge_route)->spec();
  report.price_table = spec.prices.version;
  report.currency = spec.prices.currency;
  report.verdicts = judging.tasks().size();
  report.left_out = judging.left_out();
  for (const Task& task : judging.tasks()) {
    if (task.verdict) {
      ++report.known;
    } else if (options.dry_run) {
      report.usage.prompt_tokens += TokensOf(*task.messages);
      report.usage.completion_tokens += judging.tier().parameters.max_tokens;
    }
  }
  if (options.dry_run) {
    report.usage.estimated = true;
    const auto price = spec.prices.models.find(judging.tier().endpoint.model);
    if (price != spec.prices.models.end()) report.cost_nano = CostNano(price->second, report.usage);
    report.record = *std::move(record);
    return report;
  }
  if (absl::Status status = judging.Ask(&report); !status.ok()) {
    return absl::Status(status.code(), Concat("judging evaluation ", record->id, " stopped: ", ToStd(status.message()),
                                              "; the verdicts so far are kept, and the same command goes on"));
  }
  if (absl::Status status = judging.CheckGiven(*prompts, report); !status.ok()) return status;
  Evaluator evaluator(database.store(), database.clock(), principal.tenant);
  record = evaluator.AddJudged(record->id, judging.Score(*prompts, &report), options.actor);
  if (!record.ok()) return record.status();
  report.record = *std::move(record);
  return report;
}

}  // namespace vouch
