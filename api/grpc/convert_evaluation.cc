#include "api/grpc/convert_evaluation.h"

#include <cmath>
#include <string>

#include "rag/eval/report.h"

namespace vouch {
namespace {

// A figure that is no number is left out.
#define VOUCH_SET_NUMBER(message, field, value) \
  do {                                          \
    const double number = (value);              \
    if (std::isfinite(number)) (message)->set_##field(number); \
  } while (false)

void FillMetrics(const std::vector<MetricSummary>& metrics,
                 google::protobuf::RepeatedPtrField<v1::MetricSummary>* messages) {
  for (const MetricSummary& metric : metrics) {
    v1::MetricSummary* message = messages->Add();
    message->set_name(metric.name);
    message->set_count(metric.count);
    message->set_missing(metric.missing);
    VOUCH_SET_NUMBER(message, mean, metric.mean);
    VOUCH_SET_NUMBER(message, low, metric.interval.low);
    VOUCH_SET_NUMBER(message, high, metric.interval.high);
  }
}

void FillMetric(const MetricComparison& metric, v1::MetricComparison* message) {
  const PairedResult& result = metric.result;
  message->set_name(metric.name);
  message->set_less_is_better(metric.less_is_better);
  message->set_pairs(result.pairs);
  message->set_missing(result.missing);
  message->set_wins(result.wins);
  message->set_ties(result.ties);
  message->set_losses(result.losses);
  VOUCH_SET_NUMBER(message, mean_a, result.mean_a);
  VOUCH_SET_NUMBER(message, mean_b, result.mean_b);
  VOUCH_SET_NUMBER(message, difference, result.difference);
  VOUCH_SET_NUMBER(message, low, result.interval.low);
  VOUCH_SET_NUMBER(message, high, result.interval.high);
  VOUCH_SET_NUMBER(message, t, result.t);
  message->set_p_t(result.p_t);
  message->set_p(result.p);
  message->set_adjusted_p(result.adjusted_p);
  VOUCH_SET_NUMBER(message, detectable, result.detectable);
  message->set_pairs_needed(result.pairs_needed);
  message->set_verdict(std::string(VerdictName(result.verdict)));
}

template <typename Changes, typename Messages>
void FillChanges(const Changes& changes, Messages* messages) {
  for (const QuestionChange& change : changes) {
    v1::QuestionChange* message = messages->Add();
    message->set_id(change.id);
    message->set_a(change.a);
    message->set_b(change.b);
  }
}

}  // namespace

void FillDatasetInfo(const DatasetInfo& info, v1::DatasetInfo* message) {
  message->set_name(info.name);
  message->set_version(info.version);
  message->set_hash(info.hash);
  message->set_source(info.source);
  message->set_created_us(info.created_us);
  message->set_questions(info.questions);
  message->set_judged(info.judged);
  message->set_referenced(info.referenced);
  message->set_unanswerable(info.unanswerable);
  message->set_judgements(info.judgements);
  message->mutable_tags()->Assign(info.tags.begin(), info.tags.end());
}

void FillEvaluation(const EvaluationRecord& record, bool with_slices,
                    v1::EvaluationSummary* message) {
  message->set_id(record.id);
  message->set_finished(record.finished);
  message->set_created_us(record.created_us);
  message->set_finished_us(record.finished_us);
  message->set_dataset(record.dataset);
  message->set_dataset_version(record.dataset_version);
  message->set_dataset_hash(record.dataset_hash);
  message->set_collection(record.collection);
  message->set_version(record.version);
  message->set_mode(record.mode);
  message->set_answers(record.answers);
  message->set_depth(record.depth);
  message->set_context_chunks(record.context_chunks);
  message->set_embedder(record.embedder);
  message->set_fusion(record.fusion);
  message->set_generator(record.generator);
  message->set_engine(record.engine);
  message->set_pipeline(record.pipeline);
  message->set_pipeline_hash(record.pipeline_hash);
  message->mutable_judges()->Assign(record.judges.begin(), record.judges.end());
  message->set_questions(record.questions);
  message->set_errors(record.errors);
  message->set_lost_passages(record.lost_passages);
  message->set_main_metric(MainMetric(record));
  FillMetrics(record.metrics, message->mutable_metrics());
  if (with_slices) {
    for (const SliceSummary& slice : record.slices) {
      v1::SliceSummary* filled = message->add_slices();
      filled->set_tag(slice.tag);
      filled->set_questions(slice.questions);
      FillMetrics(slice.metrics, filled->mutable_metrics());
    }
  }
  if (record.has_answers) {
    v1::AbstentionSummary* abstention = message->mutable_abstention();
    VOUCH_SET_NUMBER(abstention, coverage, record.abstention.coverage);
    VOUCH_SET_NUMBER(abstention, risk, record.abstention.risk);
    VOUCH_SET_NUMBER(abstention, abstain_precision, record.abstention.abstain_precision);
    VOUCH_SET_NUMBER(abstention, abstain_recall, record.abstention.abstain_recall);
    VOUCH_SET_NUMBER(abstention, aurc, record.abstention.aurc);
  }
}

void FillOutcome(const QuestionResult& result, const std::string& text,
                 v1::QuestionOutcome* message) {
  message->set_id(result.id);
  message->set_text(text);
  for (const auto& [name, value] : result.metrics) {
    if (std::isfinite(value)) (*message->mutable_metrics())[name] = value;
  }
  message->mutable_top()->Assign(result.top.begin(), result.top.end());
  message->set_answer(result.answer);
  message->set_answer_id(result.answer_id);
  message->set_error(result.error);
}

void FillComparison(const Comparison& comparison, v1::EvaluationComparison* message) {
  FillEvaluation(comparison.a, /*with_slices=*/false, message->mutable_a());
  FillEvaluation(comparison.b, /*with_slices=*/false, message->mutable_b());
  for (const MetricComparison& metric : comparison.metrics) {
    FillMetric(metric, message->add_metrics());
  }
  message->set_verdict(std::string(VerdictName(comparison.metrics.front().result.verdict)));
  message->set_summary(DescribeVerdict(comparison));
  message->set_only_a(comparison.only_a);
  message->set_only_b(comparison.only_b);
  FillChanges(comparison.losses, message->mutable_losses());
  FillChanges(comparison.gains, message->mutable_gains());
}

#undef VOUCH_SET_NUMBER

}  // namespace vouch
