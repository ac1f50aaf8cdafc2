#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/convert_evaluation.h"
#include "api/grpc/evaluation_services.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "rag/eval/compare.h"
#include "rag/eval/evaluation.h"
#include "rag/eval/judge.h"
#include "rag/eval/pipeline_subject.h"
#include "rag/eval/report.h"
#include "rag/pipeline_store.h"
#include "vouch/v1/evaluations.grpc.pb.h"

namespace vouch {
namespace {

absl::StatusOr<AnswerKind> KindOf(v1::EvaluationAnswers answers) {
  switch (answers) {
    case v1::EVALUATION_ANSWERS_NONE:
      return AnswerKind::kNone;
    case v1::EVALUATION_ANSWERS_QUOTES:
      return AnswerKind::kQuotes;
    case v1::EVALUATION_ANSWERS_MODELS:
      return AnswerKind::kModels;
    case v1::EVALUATION_ANSWERS_PIPELINE:
      return absl::InvalidArgumentError("answers of a pipeline take a pipeline; name one");
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("answers is ", static_cast<int>(answers), ", which is no value of it"));
  }
}

class EvaluationsService final : public v1::Evaluations::Service {
 public:
  explicit EvaluationsService(const ServiceContext& context) : services_(context) {}

  grpc::Status RunEvaluation(grpc::ServerContext* context, const v1::RunEvaluationRequest* request,
                             grpc::ServerWriter<v1::RunEvaluationReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const Principal principal = PrincipalOf(*context);
      ProgressWriter progress([&](double fraction) {
        v1::RunEvaluationReply reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      EvaluationOptions options;
      options.parallel = request->parallel() == 0 ? options.parallel : request->parallel();
      options.cancel = CancelOf(*context);
      options.actor = ActorOf(*context);
      options.progress = [&](double fraction) { progress.Update(fraction); };
      const absl::StatusOr<EvaluationRecord> record =
          request->resume().empty() ? Start(*request, principal, std::move(options))
                                    : GoOn(request->resume(), principal, std::move(options));
      if (!record.ok()) return record.status();
      v1::RunEvaluationReply reply;
      absl::Status status =
          FillDetail(*record, principal, EvaluationApiLimits::kDefaultWorstQuestions,
                     /*with_report=*/true, reply.mutable_result());
      if (!status.ok()) return status;
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

  grpc::Status GetEvaluation(grpc::ServerContext* context, const v1::GetEvaluationRequest* request,
                             v1::EvaluationDetail* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->questions() > EvaluationApiLimits::kMaxWorstQuestions) {
        return absl::InvalidArgumentError(absl::StrCat("questions is ", request->questions(),
                                                       ", at most ",
                                                       EvaluationApiLimits::kMaxWorstQuestions));
      }
      const Principal principal = PrincipalOf(*context);
      const absl::StatusOr<EvaluationRecord> record = Evaluations(principal).Get(request->id());
      if (!record.ok()) return record.status();
      const uint32_t questions = request->questions() == 0
                                     ? EvaluationApiLimits::kDefaultWorstQuestions
                                     : request->questions();
      return FillDetail(*record, principal, questions, request->with_report(), reply);
    });
  }

  grpc::Status ListEvaluations(grpc::ServerContext* context,
                               const v1::ListEvaluationsRequest* request,
                               v1::ListEvaluationsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->limit() > EvaluationApiLimits::kMaxEvaluations) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit is ", request->limit(), ", at most ",
                         EvaluationApiLimits::kMaxEvaluations));
      }
      const uint32_t limit =
          request->limit() == 0 ? EvaluationApiLimits::kDefaultEvaluations : request->limit();
      const absl::StatusOr<std::vector<EvaluationRecord>> records =
          Evaluations(PrincipalOf(*context)).List(limit);
      if (!records.ok()) return records.status();
      for (const EvaluationRecord& record : *records) {
        FillEvaluation(record, /*with_slices=*/false, reply->add_evaluations());
      }
      return absl::OkStatus();
    });
  }

  grpc::Status JudgeEvaluation(grpc::ServerContext* context, const v1::JudgeEvaluationRequest* request,
                               grpc::ServerWriter<v1::JudgeEvaluationReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const Principal principal = PrincipalOf(*context);
      const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services_.RouteFor(principal.tenant);
      if (!route.ok()) return route.status();
      if (*route == nullptr) {
        return absl::FailedPreconditionError(
            "there is no model to judge by: set generator.route or generator.model in the server's configuration");
      }
      ProgressWriter progress([&](double fraction) {
        v1::JudgeEvaluationReply reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      JudgeOptions options{.tier = request->tier(), .dry_run = request->dry_run()};
      options.measures.assign(request->measures().begin(), request->measures().end());
      if (request->votes() != 0) options.votes = request->votes();
      if (request->parallel() != 0) options.parallel = request->parallel();
      options.actor = ActorOf(*context);
      options.cancel = CancelOf(*context);
      options.progress = [&](double fraction) { progress.Update(fraction); };
      const absl::StatusOr<JudgeReport> report =
          vouch::JudgeEvaluation(*services_.database, **route, principal, request->id(), options);
      if (!report.ok()) return report.status();
      v1::JudgeEvaluationReply reply;
      v1::JudgeReport& result = *reply.mutable_result();
      absl::Status status = FillDetail(report->record, principal, EvaluationApiLimits::kDefaultWorstQuestions,
                                       /*with_report=*/true, result.mutable_evaluation());
      if (!status.ok()) return status;
      result.set_verdicts(report->verdicts);
      result.set_known(report->known);
      result.set_without_score(report->without_score);
      result.set_failed(report->failed);
      result.set_disagreeing(report->disagreeing);
      result.set_left_out(report->left_out);
      result.set_prompt_tokens(report->usage.prompt_tokens);
      result.set_completion_tokens(report->usage.completion_tokens);
      result.set_cost_nano(report->cost_nano);
      result.set_currency(report->currency);
      result.set_price_table(report->price_table);
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

  grpc::Status CompareEvaluations(grpc::ServerContext* context,
                                  const v1::CompareEvaluationsRequest* request,
                                  v1::EvaluationComparison* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->metrics_size() > EvaluationApiLimits::kMaxComparedMetrics) {
        return absl::InvalidArgumentError(absl::StrCat("metrics: there are ",
                                                       request->metrics_size(), ", at most ",
                                                       EvaluationApiLimits::kMaxComparedMetrics));
      }
      CompareOptions options;
      options.metrics.assign(request->metrics().begin(), request->metrics().end());
      if (request->alpha() != 0) options.paired.alpha = request->alpha();
      if (request->power() != 0) options.paired.power = request->power();
      options.paired.margin = request->margin();
      const Principal principal = PrincipalOf(*context);
      const absl::StatusOr<Comparison> comparison =
          vouch::CompareEvaluations(Evaluations(principal), Datasets(principal), request->a(),
                                    request->b(), options);
      if (!comparison.ok()) return comparison.status();
      FillComparison(*comparison, reply);
      if (request->with_report()) reply->set_report(ComparisonReport(*comparison));
      return absl::OkStatus();
    });
  }

 private:
  EvaluationRecords& Records() const {
    return EvaluationRecords::Of(services_.database->store());
  }
  EvaluationStore Evaluations(const Principal& principal) const {
    return EvaluationStore(Records(), principal.tenant);
  }
  DatasetStore Datasets(const Principal& principal) const {
    return DatasetStore(Records(), principal.tenant);
  }

  absl::StatusOr<EvaluationRecord> Start(const v1::RunEvaluationRequest& request,
                                         const Principal& principal,
                                         EvaluationOptions options) const {
    absl::StatusOr<DatasetRef> dataset = ParseDatasetRef(request.dataset());
    if (!dataset.ok()) return dataset.status();
    // A name that is not there is told before anything is opened.
    absl::StatusOr<DatasetInfo> info = Datasets(principal).GetInfo(*dataset);
    if (!info.ok()) return info.status();
    options.dataset = *std::move(dataset);
    if (!request.pipeline().empty()) return StartPipeline(request, principal, std::move(options));
    CollectionSubjectOptions subject{.collection = request.collection(), .principal = principal};
    absl::StatusOr<RetrievalMode> mode = ModeOf(request.mode());
    if (!mode.ok()) return mode.status();
    subject.mode = *mode;
    absl::StatusOr<AnswerKind> answers = KindOf(request.answers());
    if (!answers.ok()) return answers.status();
    subject.answers = *answers;
    absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
    if (!at.ok()) return at.status();
    subject.at = *std::move(at);
    if (request.depth() != 0) subject.depth = request.depth();
    if (request.context_chunks() != 0) subject.context_chunks = request.context_chunks();
    return RunSubject(subject, std::move(options), nullptr);
  }

  absl::StatusOr<EvaluationRecord> GoOn(const std::string& id, const Principal& principal,
                                        EvaluationOptions options) const {
    absl::StatusOr<EvaluationRecord> record = Evaluations(principal).Get(id);
    if (!record.ok()) return record.status();
    if (record->finished) return record;
    if (!record->pipeline.empty()) {
      PipelineSubjectOptions subject{.at = {Version(record->version)},
                                     .depth = record->depth,
                                     .answers = record->answers != "none",
                                     .principal = principal};
      return RunPipeline(record->pipeline, std::move(subject), std::move(options), &*record);
    }
    CollectionSubjectOptions subject{.collection = record->collection, .principal = principal};
    subject.at = {Version(record->version)};
    subject.depth = record->depth;
    subject.context_chunks = record->context_chunks;
    absl::StatusOr<RetrievalMode> mode = ParseRetrievalMode(record->mode);
    if (!mode.ok()) return mode.status();
    subject.mode = *mode;
    absl::StatusOr<AnswerKind> answers = ParseAnswerKind(record->answers);
    if (!answers.ok()) return answers.status();
    subject.answers = *answers;
    return RunSubject(subject, std::move(options), &*record);
  }

  absl::StatusOr<EvaluationRecord> RunSubject(CollectionSubjectOptions described,
                                              EvaluationOptions options,
                                              const EvaluationRecord* resumed) const {
    absl::StatusOr<std::shared_ptr<ModelRoute>> route =
        services_.RouteFor(described.principal.tenant);
    if (!route.ok()) return route.status();
    described.route = route->get();
    options.answers = std::string(AnswerKindName(described.answers));
    options.depth = described.depth;
    options.context_chunks = described.context_chunks;
    // An answer costs more than a write, and perhaps money.
    if (described.answers != AnswerKind::kNone) options.keep_every = 1;
    absl::StatusOr<std::unique_ptr<EvaluationSubject>> subject =
        NewCollectionSubject(*services_.database, *services_.embedders, described);
    if (!subject.ok()) return subject.status();
    return RunOn(**subject, described.principal, options, resumed);
  }

  absl::StatusOr<EvaluationRecord> RunOn(EvaluationSubject& subject, const Principal& principal,
                                         const EvaluationOptions& options,
                                         const EvaluationRecord* resumed) const {
    Evaluator evaluator(services_.database->store(), services_.database->clock(), principal.tenant);
    if (resumed != nullptr) return evaluator.Resume(*resumed, subject, options);
    return evaluator.Run(subject, options);
  }

  absl::StatusOr<EvaluationRecord> StartPipeline(const v1::RunEvaluationRequest& request,
                                                 const Principal& principal,
                                                 EvaluationOptions options) const {
    const std::pair<const char*, bool> owned[] = {
        {"collection", !request.collection().empty()},
        {"mode", request.mode() != v1::RETRIEVAL_MODE_UNSPECIFIED},
        {"context_chunks", request.context_chunks() != 0},
        {"answers", request.answers() == v1::EVALUATION_ANSWERS_QUOTES ||
                        request.answers() == v1::EVALUATION_ANSWERS_MODELS}};
    for (const auto& [field, set] : owned) {
      if (set)
        return absl::InvalidArgumentError(
            absl::StrCat(field, " is what a pipeline says; leave it out"));
    }
    absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
    if (!at.ok()) return at.status();
    PipelineSubjectOptions subject{
        .at = *std::move(at),
        .answers = request.answers() == v1::EVALUATION_ANSWERS_PIPELINE,
        .principal = principal};
    if (request.depth() != 0) subject.depth = request.depth();
    return RunPipeline(request.pipeline(), std::move(subject), std::move(options), nullptr);
  }

  absl::StatusOr<EvaluationRecord> RunPipeline(const std::string& reference,
                                               PipelineSubjectOptions described,
                                               EvaluationOptions options,
                                               const EvaluationRecord* resumed) const {
    absl::StatusOr<std::shared_ptr<const PipelineVersion>> pipeline =
        PipelineStore(services_.database->store(), services_.database->clock())
            .Get(described.principal.tenant, reference);
    if (!pipeline.ok()) return pipeline.status();
    const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services_.RouteFor(described.principal.tenant);
    if (!route.ok()) return route.status();
    described.pipeline = *std::move(pipeline);
    described.route = route->get();
    described.tree = PipelineTrees(*services_.embedders);
    options.answers = described.answers ? "pipeline" : "none";
    options.depth = described.depth;
    options.context_chunks = described.pipeline->spec.retrieve.chunks;
    if (described.answers) options.keep_every = 1;
    absl::StatusOr<std::unique_ptr<EvaluationSubject>> subject =
        NewPipelineSubject(*services_.database, *services_.embedders, described);
    if (!subject.ok()) return subject.status();
    return RunOn(**subject, described.principal, options, resumed);
  }

  absl::Status FillDetail(const EvaluationRecord& record, const Principal& principal,
                          uint32_t questions, bool with_report,
                          v1::EvaluationDetail* reply) const {
    FillEvaluation(record, /*with_slices=*/true, reply->mutable_evaluation());
    const absl::StatusOr<std::vector<QuestionResult>> results =
        Evaluations(principal).Results(record.id);
    if (!results.ok()) return results.status();
    const absl::StatusOr<Dataset> dataset =
        Datasets(principal).Get({record.dataset, record.dataset_version});
    if (!dataset.ok()) return dataset.status();
    for (const QuestionResult* result : WorstFirst(*results, MainMetric(record))) {
      if (static_cast<uint32_t>(reply->worst_size()) == questions) break;
      FillOutcome(*result,
                  result->index < dataset->questions.size()
                      ? dataset->questions[result->index].text
                      : std::string(),
                  reply->add_worst());
    }
    if (with_report) {
      reply->set_report(EvaluationReport(record, dataset->questions, *results));
    }
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewEvaluationsService(const ServiceContext& context) {
  return std::make_unique<EvaluationsService>(context);
}

}  // namespace vouch
