#include "rag/eval/calibrate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "rag/eval/answer_metrics.h"
#include "rag/eval/question_score.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// A bound above which the share lies with a probability of at most `delta`: the upper end of Clopper
// and Pearson's two-sided interval with twice as much.
double UpperBound(uint64_t wrong, uint64_t answered, double delta) {
  return answered == 0 ? 1 : ExactInterval(wrong, answered, 1 - 2 * std::min(delta, 0.49)).high;
}

absl::Status CheckTarget(const CalibrationTarget& target) {
  if (target.risk.has_value() == target.coverage.has_value())
    return absl::InvalidArgumentError("a calibration takes one target: risk or coverage");
  if (target.risk && !(*target.risk > 0 && *target.risk < 1)) {
    return absl::InvalidArgumentError(
        Concat("risk is ", *target.risk, "; it takes more than 0 and less than 1"));
  }
  if (target.coverage && !(*target.coverage > 0 && *target.coverage <= 1)) {
    return absl::InvalidArgumentError(
        Concat("coverage is ", *target.coverage, "; it takes more than 0, up to 1"));
  }
  if (!(target.confidence > 0 && target.confidence < 1)) {
    return absl::InvalidArgumentError(
        Concat("confidence is ", target.confidence, "; it takes more than 0 and less than 1"));
  }
  return absl::OkStatus();
}

// The place in the curve, and the bound on its risk.
std::pair<size_t, double> ForRisk(const std::vector<CalibrationPoint>& curve, double risk,
                                  double confidence, bool* met) {
  const double tries = std::ceil(std::log2(static_cast<double>(curve.size()))) + 1;
  const double delta = (1 - confidence) / tries;
  const auto bound = [&](size_t i) { return UpperBound(curve[i].wrong, curve[i].answered, delta); };
  size_t low = 0;  // the search goes to lower thresholds while the bound holds
  size_t high = curve.size();
  size_t best = curve.size() - 1;
  double best_bound = 1;
  *met = false;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const double here = bound(middle);
    if (here <= risk) {
      best = middle;
      best_bound = here;
      *met = true;
      high = middle;
    } else {
      low = middle + 1;
      if (!*met && here < best_bound) {
        best = middle;
        best_bound = here;
      }
    }
  }
  return {best, best_bound};
}

bool HasWholeReference(const std::string& answer, const std::vector<std::string>& references) {
  const std::string text = Concat(" ", NormalizeAnswer(answer), " ");
  return std::any_of(references.begin(), references.end(), [&text](const std::string& reference) {
    const std::string words = NormalizeAnswer(reference);
    return !words.empty() && text.find(Concat(" ", words, " ")) != std::string::npos;
  });
}

// Asks questions one by one, by several threads.
class Asker {
 public:
  Asker(Database& database, EmbedderRegistry& embedders, const AskRequest& request,
        const Dataset& dataset, const CalibrationOptions& options)
      : database_(database),
        embedders_(embedders),
        request_(request),
        questions_(dataset.questions),
        options_(options) {}

  absl::StatusOr<CalibrationRun> Run() {
    std::vector<std::thread> threads;
    for (uint32_t i = 1; i < std::min<uint64_t>(options_.parallel, questions_.size()); ++i)
      threads.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : threads) thread.join();
    const std::lock_guard<std::mutex> lock(mu_);
    if (!status_.ok()) return status_;
    // In the dataset's order, whoever was first.
    for (const auto& [index, sample] : samples_) run_.samples.push_back(sample);
    return std::move(run_);
  }

 private:
  void Work() {
    while (!stopped_.load()) {
      const size_t index = next_.fetch_add(1);
      if (index >= questions_.size()) return;
      absl::Status status = One(index);
      const std::lock_guard<std::mutex> lock(mu_);
      if (!status.ok()) {
        if (status_.ok()) status_ = std::move(status);
        stopped_.store(true);
        return;
      }
      ++done_;
      if (options_.progress) {
        options_.progress(static_cast<double>(done_) / static_cast<double>(questions_.size()));
      }
    }
  }

  absl::Status One(size_t index) {
    if (absl::Status ended = options_.cancel.Check(); !ended.ok()) return ended;
    const DatasetQuestion& question = questions_[index];
    if (question.references.empty() && !question.unanswerable) {
      const std::lock_guard<std::mutex> lock(mu_);
      ++run_.skipped;
      return absl::OkStatus();
    }
    AskRequest ask = request_;
    ask.question = question.text;
    ask.min_grounding = 0;
    ask.evaluation = true;  // nobody waits for it: objectives do not count it
    ask.needs_models = true;  // money that is spent ends the run; quotes would say nothing
    ask.cache = nullptr;
    ask.listener = nullptr;
    ask.cancel = options_.cancel;
    const absl::StatusOr<Answer> answer = Ask(database_, embedders_, ask);
    const std::lock_guard<std::mutex> lock(mu_);
    if (!answer.ok() && !absl::IsInvalidArgument(answer.status())) return answer.status();
    // Without hits no model is asked, and the answer abstains whatever the threshold is.
    const bool no_model = answer.ok() && !answer->hits.empty() &&
                          (!answer->generation || answer->generation->tier.empty());
    if (!answer.ok() || no_model) {
      ++run_.errors;
      return absl::OkStatus();
    }
    CalibrationSample& sample = samples_[index];
    sample.answered = !answer->abstained;
    sample.score = answer->generation ? answer->generation->grounding : 0;
    sample.wrong =
        sample.answered &&
        (question.unanswerable ||
         (CompareWithReferences(answer->text, question.references).f1 < kCorrectF1 &&
          !HasWholeReference(answer->text, question.references)));
    run_.unanswerable += question.unanswerable ? 1 : 0;
    return absl::OkStatus();
  }

  Database& database_;
  EmbedderRegistry& embedders_;
  const AskRequest& request_;
  const std::vector<DatasetQuestion>& questions_;
  const CalibrationOptions& options_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mu_;
  // Guarded by mu_.
  size_t done_ = 0;
  std::map<size_t, CalibrationSample> samples_;
  CalibrationRun run_;
  absl::Status status_;
};

}  // namespace

std::vector<CalibrationPoint> RiskCoverageCurve(const std::vector<CalibrationSample>& samples) {
  std::vector<const CalibrationSample*> answered;
  for (const CalibrationSample& sample : samples) {
    if (sample.answered) answered.push_back(&sample);
  }
  std::stable_sort(answered.begin(), answered.end(),
                   [](const auto* a, const auto* b) { return a->score > b->score; });
  std::vector<CalibrationPoint> curve;  // from the highest threshold down
  const double all = static_cast<double>(samples.size());
  uint64_t wrong = 0;
  for (size_t i = 0; i < answered.size(); ++i) {
    wrong += answered[i]->wrong ? 1 : 0;
    if (i + 1 < answered.size() && answered[i + 1]->score == answered[i]->score) continue;
    const uint64_t count = i + 1;
    curve.push_back({.threshold = answered[i]->score,
                     .answered = count,
                     .wrong = wrong,
                     .coverage = static_cast<double>(count) / all,
                     .risk = static_cast<double>(wrong) / static_cast<double>(count)});
  }
  // Everything that the lowest score lets through, a threshold of 0 does.
  if (curve.empty()) curve.emplace_back();
  curve.back().threshold = 0;
  std::reverse(curve.begin(), curve.end());
  return curve;
}

absl::StatusOr<CalibrationChoice> ChooseThreshold(const std::vector<CalibrationSample>& samples,
                                                  const CalibrationTarget& target) {
  if (absl::Status status = CheckTarget(target); !status.ok()) return status;
  if (samples.empty()) {
    return absl::FailedPreconditionError(
        "no question of the dataset could be judged: it takes questions with reference answers, or "
        "unanswerable ones");
  }
  const std::vector<CalibrationPoint> curve = RiskCoverageCurve(samples);
  CalibrationChoice choice;
  if (target.risk) {
    const auto [place, bound] = ForRisk(curve, *target.risk, target.confidence, &choice.met);
    choice.chosen = curve[place];
    choice.risk_bound = bound;
  } else {
    choice.chosen = curve.front();
    for (const CalibrationPoint& point : curve) {
      if (point.coverage < *target.coverage) break;
      choice.chosen = point;
      choice.met = true;
    }
    choice.risk_bound =
        UpperBound(choice.chosen.wrong, choice.chosen.answered,
                   (1 - target.confidence) / static_cast<double>(curve.size()));
  }
  choice.risk = ExactInterval(choice.chosen.wrong, choice.chosen.answered, target.confidence);
  choice.coverage = ExactInterval(choice.chosen.answered, samples.size(), target.confidence);
  return choice;
}

absl::StatusOr<CalibrationRun> RunCalibration(Database& database, EmbedderRegistry& embedders,
                                              const AskRequest& request, const Dataset& dataset,
                                              const CalibrationOptions& options) {
  if (options.parallel == 0 || options.parallel > CalibrationOptions::kMaxParallel) {
    return absl::InvalidArgumentError(Concat("parallel is ", options.parallel, "; it takes 1 to ",
                                             CalibrationOptions::kMaxParallel));
  }
  if (request.route == nullptr) {
    return absl::FailedPreconditionError(
        "there is no threshold to calibrate where answers are quoted: the pipeline, or the server, "
        "has no models");
  }
  return Asker(database, embedders, request, dataset, options).Run();
}

}  // namespace vouch
