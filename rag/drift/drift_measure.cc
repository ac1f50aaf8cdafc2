#include "rag/drift/drift_measure.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/pipeline_store.h"
#include "rag/retriever.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr int kSentinelRepeats = 2;
constexpr double kNoiseFactor = 10;  // beyond what an embedder that is not exact does by itself
constexpr double kMinRecallLoss = 0.005;
constexpr size_t kRecallQuestions = 200;

void CannotTell(KindLook* look, std::string why) {
  look->verdict = DriftVerdict::kCannotTell;
  look->says = std::move(why);
}

std::string MakeAnew(std::string_view monitor) {
  return Concat("make a new one: vouch drift reference ", monitor);
}

std::string Percent(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

// "novelty: 8.4 % of the window (p 0.00001)", of those that alarm; else the least p.
std::string Findings(const std::vector<DriftTest>& tests) {
  std::string text;
  const DriftTest* least = nullptr;
  for (const DriftTest& test : tests) {
    if (least == nullptr || test.p < least->p) least = &test;
    if (!test.alarms) continue;
    text += Concat(text.empty() ? "" : "; ", test.what, ": about ", Percent(test.moved),
                   " of the window moved (p ", absl::StrFormat("%.2g", test.p), ")");
  }
  if (!text.empty() || least == nullptr) return text;
  return Concat("nothing that chance does not do: the least p is ",
                absl::StrFormat("%.2g", least->p), ", of ", least->what);
}

// 1 - cosine; 1 where one of them says nothing and the other does.
double Apart(const float* a, const float* b, uint32_t dim) {
  double dot = 0;
  double of_a = 0;
  double of_b = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    of_a += static_cast<double>(a[i]) * a[i];
    of_b += static_cast<double>(b[i]) * b[i];
  }
  if (of_a == 0 || of_b == 0) return of_a == of_b ? 0 : 1;
  return std::max(0.0, 1 - dot / std::sqrt(of_a * of_b));
}

// "12 questions were asked since; it takes 30", and why no more of them are looked for.
std::string TooFew(size_t count, std::string_view what, const std::string& limit) {
  return Concat(count, " ", what, " since", limit.empty() ? "" : Concat(", ", limit), "; it takes ",
                DriftDetector::kMinPoints);
}

std::vector<double> SharesOf(const std::vector<PointRecall>& recall) {
  std::vector<double> shares;
  for (const PointRecall& of_point : recall) shares.push_back(of_point.recall);
  return shares;
}

// Those with the lowest recall, and none of which everything was found.
std::vector<DriftExample> Missed(std::vector<PointRecall> recall,
                                 const std::vector<AskedQuestion>& questions) {
  std::stable_sort(recall.begin(), recall.end(), [](const PointRecall& a, const PointRecall& b) {
    return a.recall < b.recall;
  });
  std::vector<DriftExample> examples;
  for (const PointRecall& of_point : recall) {
    if (of_point.recall >= 1 || examples.size() == DriftDetector::kShown) break;
    examples.push_back({questions[of_point.point].answer, 1 - of_point.recall});
  }
  return examples;
}

void TakeComparison(const DriftComparison& comparison, const std::vector<std::string>& ids,
                    KindLook* look) {
  for (const DriftTestResult& test : comparison.tests)
    look->tests.push_back({test.what, test.p, test.moved, test.alarms});
  for (size_t i = 0; i < comparison.unlike.size(); ++i)
    look->examples.push_back({ids[comparison.unlike[i]], comparison.novelty[i]});
  look->verdict = comparison.alarms ? DriftVerdict::kDrift : DriftVerdict::kSteady;
  look->says = Findings(look->tests);
}

}  // namespace

absl::StatusOr<DriftMeasure> DriftMeasure::Open(Database& database, EmbedderRegistry& embedders,
                                                const DriftSpec& spec,
                                                DriftMeasureOptions options) {
  DriftMeasure measure(embedders, spec, std::move(options));
  std::string name = spec.collection;
  if (!spec.pipeline.empty()) {
    const auto pipeline =
        PipelineStore(database.store(), database.clock()).Get(measure.principal_.tenant, spec.pipeline);
    if (!pipeline.ok()) return pipeline.status();
    name = (*pipeline)->spec.collection;
  }
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(measure.principal_, name);
  if (!collection.ok()) return collection.status();
  measure.collection_ = *std::move(collection);
  if (absl::Status status = measure.FindField(); !status.ok()) return status;
  const absl::StatusOr<Version> version = measure.collection_->Resolve({});
  if (!version.ok()) return version.status();
  measure.version_ = *version;
  if (*version == Version(0)) return measure;
  const absl::StatusOr<CommitHeader> header =
      database.store().GetCommit(measure.collection_->id(), *version);
  if (!header.ok()) return header.status();
  measure.rows_end_ = header->rows_end().value;
  return measure;
}

absl::Status DriftMeasure::FindField() {
  const std::vector<DenseField>& fields = collection_->schema().dense;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].dropped) continue;
    if (spec_.field.empty() ? fields[i].embedder.empty() : fields[i].name != spec_.field) continue;
    field_ = i;
    spec_.field = fields[i].name;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      Concat("monitor ", spec_.name, ": collection ", collection(), " has no dense field ",
             spec_.field.empty() ? std::string("with an embedder")
                                 : Concat("\"", Escape(spec_.field), "\"")));
}

absl::StatusOr<std::string> DriftMeasure::EmbedderId() const {
  if (collection_->schema().dense[field_].embedder.empty()) return std::string();
  const auto embedder = embedders_->Resolve(*collection_, static_cast<int>(field_), version_);
  if (!embedder.ok()) return embedder.status();
  return (*embedder)->id();
}

absl::StatusOr<DriftPoints> DriftMeasure::EmbedQuestions(
    const std::vector<AskedQuestion>& questions) const {
  DriftPoints points{.dim = collection_->schema().dense[field_].dim};
  std::vector<std::string> texts;
  for (const AskedQuestion& question : questions) texts.push_back(question.text);
  if (texts.empty()) return points;
  const absl::StatusOr<EmbeddedTexts> embedded =
      EmbedTexts(*collection_, *embedders_, spec_.field, texts, version_, cancel_);
  if (!embedded.ok()) return embedded.status();
  for (const std::vector<float>& vector : embedded->vectors) points.Add(vector);
  return points;
}

// As they come, not brought to length 1: any bit counts.
absl::StatusOr<std::vector<float>> DriftMeasure::EmbedSentinels(
    const std::vector<std::string>& texts) const {
  const absl::StatusOr<EmbeddedTexts> embedded =
      EmbedTexts(*collection_, *embedders_, spec_.field, texts, version_, cancel_);
  if (!embedded.ok()) return embedded.status();
  const uint32_t dim = collection_->schema().dense[field_].dim;
  std::vector<float> values;
  for (const std::vector<float>& vector : embedded->vectors) {
    values.insert(values.end(), vector.begin(), vector.end());
    if (vector.empty()) values.resize(values.size() + dim, 0);
  }
  return values;
}

absl::StatusOr<AskedQuestions> DriftMeasure::QuestionsAfter(const std::string& answer,
                                                            size_t limit) const {
  return LatestQuestions(collection_->store(),
                         {.tenant = principal_.tenant,
                          .collection = collection(),
                          .pipeline = spec_.pipeline,
                          .after = answer,
                          .limit = limit,
                          .max_scanned = max_scanned_answers_},
                         cancel_);
}

absl::StatusOr<DriftReference> DriftMeasure::MakeReference() const {
  const absl::StatusOr<std::string> embedder = EmbedderId();
  if (!embedder.ok()) return embedder.status();
  DriftReference reference{.monitor = spec_.name,
                           .collection = collection(),
                           .pipeline = spec_.pipeline,
                           .version = version_.value,
                           .rows_end = rows_end_,
                           .field = spec_.field,
                           .embedder = *embedder,
                           .dim = collection_->schema().dense[field_].dim};
  reference.questions.dim = reference.row_points.dim = reference.dim;
  absl::Status status;
  if (spec_.Watches(DriftKind::kQueries) || spec_.Watches(DriftKind::kIndex))
    status = AddQuestions(&reference);
  if (status.ok() && spec_.Watches(DriftKind::kCorpus)) status = AddRows(&reference);
  if (status.ok() && spec_.Watches(DriftKind::kEmbedder)) status = AddSentinels(&reference);
  if (!status.ok()) return status;
  return reference;
}

absl::Status DriftMeasure::AddQuestions(DriftReference* reference) const {
  const auto asked = QuestionsAfter("", spec_.reference_size());
  if (!asked.ok()) return asked.status();
  absl::StatusOr<DriftPoints> points = EmbedQuestions(asked->questions);
  if (!points.ok()) return points.status();
  reference->questions = *std::move(points);
  for (const AskedQuestion& question : asked->questions) {
    reference->answers.push_back(question.answer);
    reference->answers_until_us = std::max(reference->answers_until_us, question.time_us);
  }
  if (!spec_.Watches(DriftKind::kIndex) || reference->answers.empty()) return absl::OkStatus();
  DriftPoints sample{.dim = reference->dim};
  sample.values.assign(
      reference->questions.values.begin(),
      reference->questions.values.begin() +
          static_cast<std::ptrdiff_t>(
              std::min(reference->questions.size(), kRecallQuestions) * reference->dim));
  const absl::StatusOr<std::vector<PointRecall>> recall =
      SampleRecall(*collection_, spec_.field, sample, version_, principal_, cancel_);
  if (!recall.ok()) return recall.status();
  const ShareEstimate estimate = EstimateShare(SharesOf(*recall), kRecallK, 0.95);
  reference->recall_questions = recall->size();
  reference->recall = estimate.share;
  reference->recall_low = estimate.low;
  return absl::OkStatus();
}

absl::Status DriftMeasure::AddRows(DriftReference* reference) const {
  absl::StatusOr<SampledRows> sampled =
      SampleRows(*collection_, field_, {RowId(0), RowId(rows_end_)}, version_,
                 spec_.reference_size(), cancel_);
  if (!sampled.ok()) return sampled.status();
  reference->rows = std::move(sampled->rows);
  for (const std::string& document : sampled->documents)
    reference->documents.push_back(DocumentMark(document));
  reference->row_points = std::move(sampled->vectors);
  return absl::OkStatus();
}

absl::Status DriftMeasure::AddSentinels(DriftReference* reference) const {
  reference->sentinels = spec_.sentinels.empty() ? DefaultSentinels() : spec_.sentinels;
  absl::StatusOr<std::vector<float>> values = EmbedSentinels(reference->sentinels);
  if (!values.ok()) return values.status();
  reference->sentinel_values = *std::move(values);
  for (int repeat = 0; repeat < kSentinelRepeats; ++repeat) {
    const absl::StatusOr<std::vector<float>> again = EmbedSentinels(reference->sentinels);
    if (!again.ok()) return again.status();
    for (size_t i = 0; i < reference->sentinels.size(); ++i) {
      const size_t place = i * reference->dim;
      reference->sentinel_noise =
          std::max(reference->sentinel_noise, Apart(&reference->sentinel_values[place],
                                                    &(*again)[place], reference->dim));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<DriftLooked> DriftMeasure::Look(DriftKind kind, const DriftReference& reference,
                                               const DriftSince& since) const {
  DriftLooked looked;
  KindLook& look = looked.look;
  look.kind = kind;
  look.alpha = spec_.AlphaOf(kind);
  if (reference.collection != collection() || reference.field != spec_.field) {
    CannotTell(&look, Concat("reference ", reference.number, " is of ", reference.collection, ".",
                             reference.field, "; ", MakeAnew(spec_.name)));
    return looked;
  }
  const absl::StatusOr<std::string> embedder = EmbedderId();
  if (!embedder.ok()) return embedder.status();
  if (*embedder != reference.embedder && kind != DriftKind::kIndex) {
    const std::string what =
        Concat("the embedder is ", *embedder, " and was ", reference.embedder,
               " in reference ", reference.number);
    CannotTell(&look, Concat(what, ": their spaces cannot be compared; ", MakeAnew(spec_.name)));
    if (kind != DriftKind::kEmbedder) return looked;
    look.verdict = DriftVerdict::kDrift;
    look.says = what;
    return looked;
  }
  absl::Status status;
  switch (kind) {
    case DriftKind::kQueries:
      status = LookAtQueries(reference, since, &looked);
      break;
    case DriftKind::kCorpus:
      status = LookAtCorpus(reference, since, &looked);
      break;
    case DriftKind::kEmbedder:
      status = LookAtEmbedder(reference, &look);
      break;
    case DriftKind::kIndex:
      status = LookAtIndex(reference, since, &looked);
      break;
  }
  if (!status.ok()) return status;
  return looked;
}

absl::Status DriftMeasure::LookAtQueries(const DriftReference& reference, const DriftSince& since,
                                         DriftLooked* looked) const {
  KindLook* look = &looked->look;
  look->reference_items = reference.answers.size();
  if (reference.pipeline != spec_.pipeline) {
    CannotTell(look, Concat("reference ", reference.number, " has questions ",
                            reference.pipeline.empty() ? std::string("by any pipeline")
                                                       : Concat("by pipeline ", reference.pipeline),
                            "; ", MakeAnew(spec_.name)));
    return absl::OkStatus();
  }
  if (reference.answers.size() < DriftDetector::kMinPoints) {
    CannotTell(look, Concat("reference ", reference.number, " has ", reference.answers.size(),
                            " questions of at least ", DriftDetector::kMinPoints,
                            "; with more of them ", MakeAnew(spec_.name)));
    return absl::OkStatus();
  }
  const auto asked =
      QuestionsAfter(since.answer.empty() ? reference.last_answer() : since.answer, spec_.window);
  if (!asked.ok()) return asked.status();
  const std::vector<AskedQuestion>& questions = asked->questions;
  look->items = questions.size();
  looked->newest = asked->newest;
  looked->used = asked->cut_off;
  looked->waits = since.whole && questions.size() < spec_.window && !asked->cut_off;
  if (looked->waits) return absl::OkStatus();
  if (questions.size() < DriftDetector::kMinPoints) {
    CannotTell(look, TooFew(questions.size(), "questions were asked",
                            asked->cut_off ? LookedThrough() : ""));
    return absl::OkStatus();
  }
  looked->used = true;
  const absl::StatusOr<DriftPoints> window = EmbedQuestions(questions);
  if (!window.ok()) return window.status();
  // Of both at the collection of now, so that what changed in it is not taken for other questions.
  auto scores_before = BestScores(*collection_, spec_.field, reference.questions, version_, principal_, cancel_);
  if (!scores_before.ok()) return scores_before.status();
  auto scores = BestScores(*collection_, spec_.field, *window, version_, principal_, cancel_);
  if (!scores.ok()) return scores.status();
  auto words_before = WordsOfAnswers(*collection_, principal_.tenant, reference.answers, cancel_);
  if (!words_before.ok()) return words_before.status();
  auto words = WordsOfQuestions(*collection_, questions, cancel_);
  if (!words.ok()) return words.status();
  std::vector<std::string> ids;
  for (const AskedQuestion& question : questions) ids.push_back(question.answer);
  const DriftDetector detector(
      reference.questions, {.alpha = look->alpha, .min_moved = spec_.min_moved, .cancel = cancel_});
  const auto comparison = detector.Compare(*window, {.scores = *std::move(scores_before), .words = *std::move(words_before)},
                                           {.scores = *std::move(scores), .words = *std::move(words)});
  if (!comparison.ok()) return comparison.status();
  TakeComparison(*comparison, ids, look);
  return absl::OkStatus();
}

absl::Status DriftMeasure::LookAtCorpus(const DriftReference& reference, const DriftSince& since,
                                        DriftLooked* looked) const {
  KindLook* look = &looked->look;
  look->reference_items = reference.rows.size();
  if (reference.rows.size() < DriftDetector::kMinPoints) {
    CannotTell(look, Concat("reference ", reference.number, " has ", reference.rows.size(),
                            " documents of at least ", DriftDetector::kMinPoints,
                            "; with more of them ", MakeAnew(spec_.name)));
    return absl::OkStatus();
  }
  const uint64_t begin = std::max(since.row, reference.rows_end);
  // A document has a row at least.
  looked->waits = since.whole && rows_end_ < begin + spec_.window;
  if (looked->waits) return absl::OkStatus();
  absl::StatusOr<SampledRows> rows =
      SampleRows(*collection_, field_, {RowId(std::min(begin, rows_end_)), RowId(rows_end_)},
                 version_, spec_.window, cancel_);
  if (!rows.ok()) return rows.status();
  look->items = rows->rows.size();
  looked->used = rows->cut_off;
  looked->waits = since.whole && rows->rows.size() < spec_.window && !rows->cut_off;
  if (looked->waits) return absl::OkStatus();
  if (rows->rows.size() < DriftDetector::kMinPoints) {
    CannotTell(look, TooFew(rows->rows.size(), "documents were written",
                            rows->cut_off ? Concat("in ", rows_end_ - begin, " rows") : ""));
    return absl::OkStatus();
  }
  looked->used = true;
  const DriftDetector detector(
      reference.row_points, {.alpha = look->alpha, .min_moved = spec_.min_moved, .cancel = cancel_});
  const auto comparison = detector.Compare(rows->vectors, {}, {});
  if (!comparison.ok()) return comparison.status();
  TakeComparison(*comparison, rows->points, look);
  return absl::OkStatus();
}

absl::Status DriftMeasure::LookAtEmbedder(const DriftReference& reference, KindLook* look) const {
  look->items = look->reference_items = reference.sentinels.size();
  const auto is_zero = [](float value) { return value == 0; };
  if (std::all_of(reference.sentinel_values.begin(), reference.sentinel_values.end(), is_zero)) {
    CannotTell(look, "the sentinel texts say nothing to the embedder; give others by `sentinels`");
    return absl::OkStatus();
  }
  const absl::StatusOr<std::vector<float>> now = EmbedSentinels(reference.sentinels);
  if (!now.ok()) return now.status();
  const uint32_t dim = reference.dim;
  double furthest = 0;
  for (size_t i = 0; i < reference.sentinels.size(); ++i) {
    const float* before = &reference.sentinel_values[i * dim];
    const float* after = &(*now)[i * dim];
    if (std::memcmp(before, after, dim * sizeof(float)) == 0) continue;
    look->examples.push_back({reference.sentinels[i], Apart(before, after, dim)});
    furthest = std::max(furthest, look->examples.back().distance);
  }
  std::stable_sort(look->examples.begin(), look->examples.end(),
                   [](const DriftExample& a, const DriftExample& b) { return a.distance > b.distance; });
  if (look->examples.empty()) {
    look->verdict = DriftVerdict::kSteady;
    look->says = Concat("all ", look->items, " sentinel texts have the same vectors, bit by bit");
    return absl::OkStatus();
  }
  const bool noisy = reference.sentinel_noise > 0;
  const bool moved = !noisy || furthest > kNoiseFactor * reference.sentinel_noise;
  look->verdict = moved ? DriftVerdict::kDrift : DriftVerdict::kSteady;
  look->says = Concat(look->examples.size(), " of ", look->items,
                      " sentinel texts have other vectors, up to ",
                      absl::StrFormat("%.3g", furthest), " away (1 - cosine)");
  if (noisy) {
    look->says += Concat("; the same text twice in a row lay up to ",
                         absl::StrFormat("%.3g", reference.sentinel_noise),
                         " apart, and ", kNoiseFactor, " times that is let pass");
  }
  return absl::OkStatus();
}

double DriftMeasure::TargetRecall(const DriftReference& reference, std::string* whose) const {
  *whose = "asked for";
  if (spec_.min_recall > 0) return spec_.min_recall;
  *whose = "of the field's recall target";
  const double target = collection_->schema().dense[field_].recall_target;
  if (target > 0) return target;
  *whose = Concat("that reference ", reference.number, " surely had");
  // Another pipeline's questions may be harder to find anything for.
  return reference.pipeline == spec_.pipeline ? reference.recall_low : 0;
}

absl::Status DriftMeasure::LookAtIndex(const DriftReference& reference, const DriftSince& since,
                                       DriftLooked* looked) const {
  KindLook* look = &looked->look;
  look->reference_items = reference.recall_questions;
  std::string whose;
  const double target = TargetRecall(reference, &whose);
  if (target == 0) {
    CannotTell(look, Concat("there is no recall to hold it against: set min_recall, or ",
                            MakeAnew(spec_.name), " once questions were asked"));
    return absl::OkStatus();
  }
  const size_t wanted = std::min<size_t>(spec_.window, kRecallQuestions);
  // Whoever asks gets the latest questions; a server takes each once, since each look is a test more
  // and embedding may cost money.
  std::string after;
  if (since.whole) after = since.index_answer.empty() ? reference.last_answer() : since.index_answer;
  const auto asked = QuestionsAfter(after, wanted);
  if (!asked.ok()) return asked.status();
  looked->newest = asked->newest;
  looked->waits = since.whole && asked->questions.size() < wanted && !asked->cut_off;
  if (looked->waits) return absl::OkStatus();
  looked->used = true;
  const absl::StatusOr<DriftPoints> points = EmbedQuestions(asked->questions);
  if (!points.ok()) return points.status();
  const absl::StatusOr<std::vector<PointRecall>> recall =
      SampleRecall(*collection_, spec_.field, *points, version_, principal_, cancel_);
  if (!recall.ok()) return recall.status();
  look->items = recall->size();
  if (recall->size() < DriftDetector::kMinPoints) {
    CannotTell(look, Concat(recall->size(), " questions found something",
                            asked->cut_off ? Concat(", ", LookedThrough()) : "", "; it takes ",
                            DriftDetector::kMinPoints));
    return absl::OkStatus();
  }
  const ShareEstimate estimate = EstimateShare(SharesOf(*recall), kRecallK, 1 - 2 * look->alpha);
  DriftTest test{.what = Concat("recall@", kRecallK), .p = ShareBelowP(estimate, target)};
  test.moved = std::max(0.0, target - estimate.share);
  test.alarms = estimate.high < target && test.moved >= kMinRecallLoss;
  look->verdict = test.alarms ? DriftVerdict::kDrift : DriftVerdict::kSteady;
  look->says = Concat("recall@", kRecallK, " of approximate search is ",
                      absl::StrFormat("%.4f [%.4f, %.4f]", estimate.share, estimate.low, estimate.high),
                      ", against ", absl::StrFormat("%.4f ", target), whose);
  look->tests.push_back(std::move(test));
  look->examples = Missed(*recall, asked->questions);
  return absl::OkStatus();
}

std::string DriftMeasure::LookedThrough() const {
  return Concat("among the last ", max_scanned_answers_, " answers, which is as far back as it looks");
}

}  // namespace vouch
