#include "rag/eval/evaluation.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <utility>

#include "rag/answer_id.h"
#include "rag/eval/paired_test.h"
#include "rag/eval/results_lock.h"
#include "rag/record_reader.h"
#include "storage/concat.h"

namespace vouch {
namespace {

std::vector<MetricSummary> SummarizeMetrics(const std::vector<const QuestionResult*>& results) {
  std::vector<MetricSummary> summaries;
  for (const MeasureInfo& measure : EvaluationMeasures()) {
    std::vector<double> values;
    MetricSummary summary{.name = std::string(measure.name)};
    bool known = false;
    for (const QuestionResult* result : results) {
      const auto found = result->metrics.find(summary.name);
      known = known || found != result->metrics.end();
      if (found == result->metrics.end() || !std::isfinite(found->second)) {
        ++summary.missing;
      } else {
        values.push_back(found->second);
      }
    }
    if (!known) continue;
    summary.count = values.size();
    summary.mean = values.empty() ? kNotANumber
                                  : std::accumulate(values.begin(), values.end(), 0.0) /
                                        static_cast<double>(values.size());
    summary.interval = BootstrapMean(values, {.resamples = 2'000});
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

// Runs the questions that have no result yet, by several threads, and writes results in batches.
class Runner {
 public:
  Runner(const Dataset& dataset, EvaluationSubject& subject, EvaluationStore& store,
         const std::string& id, const EvaluationOptions& options, std::set<uint64_t> done)
      : dataset_(dataset),
        subject_(subject),
        store_(store),
        id_(id),
        options_(options),
        done_(std::move(done)),
        finished_(done_.size()) {}

  absl::Status Run() {
    std::vector<std::thread> threads;
    const uint64_t left = dataset_.questions.size() - done_.size();
    const auto count = std::min<uint64_t>(options_.parallel, left);
    for (uint64_t i = 1; i < count; ++i) threads.emplace_back([this] { Work(); });
    if (left > 0) Work();
    for (std::thread& thread : threads) thread.join();
    const std::lock_guard<std::mutex> lock(mu_);
    if (absl::Status status = Write(); !status.ok()) return status;
    return status_;
  }

 private:
  void Work() {
    PassageFollower follower(subject_.collection());
    while (true) {
      const uint64_t index = next_.fetch_add(1);
      if (index >= dataset_.questions.size() || stopped_.load()) return;
      if (done_.contains(index)) continue;
      if (absl::Status status = RunOne(index, follower); !status.ok()) {
        const std::lock_guard<std::mutex> lock(mu_);
        if (status_.ok()) status_ = std::move(status);
        stopped_.store(true);
        return;
      }
    }
  }

  absl::Status RunOne(uint64_t index, PassageFollower& follower) {
    if (absl::Status status = options_.cancel.Check(); !status.ok()) return status;
    const DatasetQuestion& question = dataset_.questions[index];
    absl::StatusOr<SubjectResult> outcome = subject_.Run(question, options_.cancel);
    QuestionResult result;
    if (outcome.ok()) {
      absl::StatusOr<JudgedRetrieval> judged = follower.Follow(question, outcome->chunks);
      if (!judged.ok()) return judged.status();
      result = ScoreQuestion(question, *outcome, *judged, options_.context_chunks);
    } else if (absl::IsInvalidArgument(outcome.status())) {
      result.id = question.id;
      result.error = std::string(ToStd(outcome.status().message()));
    } else {
      return outcome.status();
    }
    result.index = index;
    const std::lock_guard<std::mutex> lock(mu_);
    pending_.push_back(std::move(result));
    ++finished_;
    if (options_.progress) {
      options_.progress(static_cast<double>(finished_) /
                        static_cast<double>(dataset_.questions.size()));
    }
    return pending_.size() >= options_.keep_every ? Write() : absl::OkStatus();
  }

  // With mu_ held.
  absl::Status Write() {
    if (pending_.empty()) return absl::OkStatus();
    absl::Status status = store_.PutResults(id_, pending_);
    if (status.ok()) pending_.clear();
    return status;
  }

  const Dataset& dataset_;
  EvaluationSubject& subject_;
  EvaluationStore& store_;
  const std::string& id_;
  const EvaluationOptions& options_;
  const std::set<uint64_t> done_;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mu_;
  uint64_t finished_ = 0;                // guarded by mu_, as all that follows
  std::vector<QuestionResult> pending_;  // not yet written
  absl::Status status_;
};

absl::Status Validate(const EvaluationOptions& options) {
  if (options.parallel == 0 || options.parallel > EvaluationOptions::kMaxParallel) {
    return absl::InvalidArgumentError(Concat("parallel is ", options.parallel, "; it takes 1 to ",
                                             EvaluationOptions::kMaxParallel));
  }
  if (options.context_chunks == 0 || options.context_chunks > 100) {
    return absl::InvalidArgumentError(
        Concat("context_chunks is ", options.context_chunks, "; it takes 1 to 100"));
  }
  return absl::OkStatus();
}

absl::Status CheckSame(const EvaluationRecord& record, const SubjectVersions& versions) {
  if (record.collection == versions.collection && record.version == versions.version.value &&
      record.mode == versions.mode && record.pipeline_hash == versions.pipeline_hash) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      Concat("evaluation ", record.id, " is of ", record.collection, " at version ",
             record.version, " by ", record.mode, " search; it cannot go on with ",
             versions.collection, " at version ", versions.version.value, " by ", versions.mode));
}

}  // namespace

void Summarize(const std::vector<DatasetQuestion>& questions,
               const std::vector<QuestionResult>& results, EvaluationRecord* record) {
  std::vector<const QuestionResult*> all;
  std::map<std::string, std::vector<const QuestionResult*>> by_tag;
  std::vector<Attempt> attempts;
  record->errors = record->lost_passages = 0;
  for (const QuestionResult& result : results) {
    const DatasetQuestion& question = questions[result.index];
    all.push_back(&result);
    for (const std::string& tag : question.tags) by_tag[tag].push_back(&result);
    record->errors += result.error.empty() ? 0 : 1;
    record->lost_passages += result.lost_passages;
    // Of a question without references nobody knows whether its answer is right.
    if (result.answer_id.empty() || (question.references.empty() && !question.unanswerable)) continue;
    attempts.push_back({.answered = result.answered,
                        .correct = result.metrics.at("token_f1") >= kCorrectF1,
                        .answerable = !question.unanswerable,
                        .confidence = result.confidence});
  }
  record->done = results.size();
  record->metrics = SummarizeMetrics(all);
  record->slices.clear();
  for (const auto& [tag, members] : by_tag) {
    record->slices.push_back({tag, members.size(), SummarizeMetrics(members)});
  }
  record->has_answers = !attempts.empty();
  record->abstention = ScoreAbstention(attempts);
}

absl::StatusOr<EvaluationRecord> Evaluator::Run(EvaluationSubject& subject,
                                                const EvaluationOptions& options) {
  if (absl::Status status = Validate(options); !status.ok()) return status;
  absl::StatusOr<Dataset> dataset = datasets_.Get(options.dataset);
  if (!dataset.ok()) return dataset.status();
  const SubjectVersions versions = subject.versions();
  EvaluationRecord record;
  record.created_us = clock_.NowMicros();
  record.id = MakeUuidV7(record.created_us, RandomBytes());
  record.dataset = dataset->info.name;
  record.dataset_version = dataset->info.version;
  record.dataset_hash = dataset->info.hash;
  record.collection = versions.collection;
  record.version = versions.version.value;
  record.mode = versions.mode;
  record.pipeline = versions.pipeline;
  record.pipeline_hash = versions.pipeline_hash;
  record.answers = options.answers;
  record.depth = options.depth;
  record.context_chunks = options.context_chunks;
  record.engine = VOUCH_VERSION;
  record.questions = dataset->questions.size();
  if (absl::Status status = evaluations_.Put(record); !status.ok()) return status;
  return Finish(std::move(record), *dataset, subject, options);
}

absl::StatusOr<EvaluationRecord> Evaluator::Resume(const EvaluationRecord& record,
                                                   EvaluationSubject& subject,
                                                   const EvaluationOptions& options) {
  if (record.finished) return record;
  if (absl::Status status = Validate(options); !status.ok()) return status;
  if (absl::Status status = CheckSame(record, subject.versions()); !status.ok()) return status;
  absl::StatusOr<Dataset> dataset = datasets_.Get({record.dataset, record.dataset_version});
  if (!dataset.ok()) return dataset.status();
  return Finish(record, *dataset, subject, options);
}

absl::StatusOr<EvaluationRecord> Evaluator::Finish(EvaluationRecord record, const Dataset& dataset,
                                                   EvaluationSubject& subject,
                                                   const EvaluationOptions& options) {
  absl::StatusOr<std::vector<QuestionResult>> results = evaluations_.Results(record.id);
  if (!results.ok()) return results.status();
  std::set<uint64_t> done;
  for (const QuestionResult& result : *results) done.insert(result.index);
  // Only a run says which embedder and generator it was by: where none is left, the last one runs again.
  if (done.size() == dataset.questions.size()) done.erase(dataset.questions.size() - 1);
  Runner runner(dataset, subject, evaluations_, record.id, options, std::move(done));
  absl::Status ran = runner.Run();
  if (!ran.ok()) {
    return absl::Status(ran.code(), Concat("evaluation ", record.id, " stopped: ",
                                           ToStd(ran.message()), "; go on by --resume ",
                                           record.id));
  }
  results = evaluations_.Results(record.id);
  if (!results.ok()) return results.status();
  if (results->size() != dataset.questions.size() ||
      results->back().index + 1 != dataset.questions.size()) {
    return absl::DataLossError(Concat("evaluation ", record.id, " has ", results->size(),
                                      " results of ", dataset.questions.size(), " questions"));
  }
  Summarize(dataset.questions, *results, &record);
  const SubjectVersions versions = subject.versions();
  record.embedder = versions.embedder;
  record.fusion = versions.fusion;
  record.generator = versions.generator;
  record.finished = true;
  record.finished_us = clock_.NowMicros();
  absl::Status put = PutWithEntry(record, {}, "evaluation.finish", record.finished_us, options.actor);
  if (!put.ok()) return put;
  return record;
}

absl::StatusOr<EvaluationRecord> Evaluator::AddJudged(const std::string& id, const JudgedMeasures& judged,
                                                      const std::string& actor) {
  const std::lock_guard<std::mutex> lock(ResultsLock());
  absl::StatusOr<EvaluationRecord> record = evaluations_.Get(id);
  if (!record.ok()) return record.status();
  const absl::StatusOr<Dataset> dataset = datasets_.Get({record->dataset, record->dataset_version});
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<std::vector<QuestionResult>> results = evaluations_.Results(record->id);
  if (!results.ok()) return results.status();
  // Of those that were not answered too: a measure has a place for each question.
  for (QuestionResult& result : *results) {
    for (const auto& [measure, by] : judged.by) result.metrics[measure] = kNotANumber;
    const auto found = judged.values.find(result.index);
    if (found == judged.values.end()) continue;
    for (const auto& [measure, value] : found->second) result.metrics[measure] = value;
  }
  Summarize(dataset->questions, *results, &*record);
  for (const MeasureInfo& measure : EvaluationMeasures()) {
    const auto by = judged.by.find(std::string(measure.name));
    if (by == judged.by.end()) continue;
    std::erase_if(record->judges, [&](const std::string& line) { return line.starts_with(Concat(measure.name, " ")); });
    record->judges.push_back(Concat(measure.name, " by ", by->second));
  }
  absl::Status put = PutWithEntry(*record, EvaluationStore::ToNamed(record->id, *results), "evaluation.judge",
                                  clock_.NowMicros(), actor);
  if (!put.ok()) return put;
  return record;
}

absl::Status Evaluator::PutWithEntry(const EvaluationRecord& record, std::vector<NamedRecord> others,
                                     const char* action, int64_t time_us, const std::string& actor) {
  RecordJson figures = RecordJson::object();
  for (const MetricSummary& metric : record.metrics) {
    if (std::isfinite(metric.mean)) figures[metric.name] = metric.mean;
  }
  const RecordJson after = {{"id", record.id},
                            {"pipeline", record.pipeline},
                            {"pipeline_hash", record.pipeline_hash},
                            {"collection", record.collection},
                            {"version", record.version},
                            {"dataset", Concat(record.dataset, "@", record.dataset_version)},
                            {"questions", record.questions},
                            {"errors", record.errors},
                            {"metrics", std::move(figures)}};
  JournalChange change;
  change.evaluations = std::move(others);
  change.evaluations.push_back(EvaluationStore::ToNamed(record));
  change.entries.push_back(
      {.time_us = time_us,
       .actor = actor,
       .action = action,
       .subject = Concat("evaluation/", record.id),
       .after = after.dump(-1, ' ', false, RecordJson::error_handler_t::replace)});
  return journal_.Commit(tenant_, change).status();
}

}  // namespace vouch
