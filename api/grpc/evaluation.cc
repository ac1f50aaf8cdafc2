#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/judged_queries.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "rag/eval/tune_fusion.h"
#include "vouch/v1/evaluation.grpc.pb.h"

namespace vouch {
namespace {

template <class Request>
absl::StatusOr<Qrels> QrelsOf(const Request& request) {
  absl::StatusOr<Qrels> qrels = JudgementsOf(request);
  if (qrels.ok() && qrels->empty()) {
    return absl::InvalidArgumentError("judgements: there are none");
  }
  return qrels;
}

template <class Request>
absl::StatusOr<std::vector<EvaluationQuery>> QueriesOf(const Request& request) {
  if (request.queries().empty()) return absl::InvalidArgumentError("queries: there are none");
  return AskedQueriesOf(request);
}

absl::StatusOr<RetrievalEvaluationRequest> RequestOf(const v1::EvaluateRetrievalRequest& request) {
  RetrievalEvaluationRequest evaluation;
  absl::StatusOr<std::vector<EvaluationQuery>> queries = QueriesOf(request);
  if (!queries.ok()) return queries.status();
  evaluation.queries = *std::move(queries);
  absl::StatusOr<RetrievalMode> mode = ModeOf(request.mode());
  if (!mode.ok()) return mode.status();
  evaluation.mode = *mode;
  if (request.depth() > ApiLimits::kMaxEvaluationDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("depth is ", request.depth(), ", at most ", ApiLimits::kMaxEvaluationDepth));
  }
  if (request.depth() != 0) evaluation.depth = request.depth();
  absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
  if (!at.ok()) return at.status();
  evaluation.at = *std::move(at);
  return evaluation;
}

absl::StatusOr<FusionTuningRequest> RequestOf(const v1::TuneFusionRequest& request) {
  FusionTuningRequest tuning;
  absl::StatusOr<std::vector<EvaluationQuery>> queries = QueriesOf(request);
  if (!queries.ok()) return queries.status();
  tuning.queries = *std::move(queries);
  absl::StatusOr<Qrels> qrels = QrelsOf(request);
  if (!qrels.ok()) return qrels.status();
  tuning.qrels = *std::move(qrels);
  if (request.folds() != 0) tuning.folds = request.folds();
  absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
  if (!at.ok()) return at.status();
  tuning.at = *std::move(at);
  return tuning;
}

v1::FusionMethod MethodOf(FusionMethod method) {
  switch (method) {
    case FusionMethod::kRrf:
      return v1::FUSION_METHOD_RRF;
    case FusionMethod::kMinMax:
      return v1::FUSION_METHOD_MIN_MAX;
    case FusionMethod::kZScore:
      return v1::FUSION_METHOD_Z_SCORE;
    case FusionMethod::kBounds:
      return v1::FUSION_METHOD_BOUNDS;
    case FusionMethod::kDbsf:
      return v1::FUSION_METHOD_DBSF;
  }
  return v1::FUSION_METHOD_UNSPECIFIED;
}

void FillSettings(const FusionSettings& settings, v1::FusionSettings* message) {
  message->set_method(MethodOf(settings.method));
  message->set_text_weight(settings.text_weight);
  message->set_dense_weight(settings.dense_weight);
  message->set_by_reliability(settings.by_reliability);
  message->set_feedback_weight(settings.feedback_weight);
  message->set_phrase_weight(settings.phrase_weight);
}

// Of a fold, or of the folds together.
template <class Figures>
void FillFigures(const Figures& figures, v1::FusionFigures* message) {
  message->set_tuned(figures.tuned);
  message->set_text(figures.text);
  message->set_dense(figures.dense);
  message->set_standard(figures.standard);
}

void FillTuning(const FusionTuning& tuning, v1::TuneFusionResult* message) {
  for (const FusionFold& fold : tuning.folds) {
    v1::FusionFold* filled = message->add_folds();
    filled->set_queries(fold.queries);
    FillSettings(fold.chosen, filled->mutable_chosen());
    FillFigures(fold, filled->mutable_figures());
  }
  const TunedFusion& result = tuning.result;
  FillSettings(result.settings, message->mutable_chosen());
  FillFigures(result, message->mutable_figures());
  message->set_queries(result.queries);
  message->set_judgements(result.judgements);
  message->set_tuned_at(result.tuned_at.value);
  message->set_embedder(result.embedder);
  message->set_id(FusionEntry{.from_version = {}, .removed = false, .tuned = result}.id());
}

class EvaluationService final : public v1::Evaluation::Service {
 public:
  explicit EvaluationService(const ServiceContext& context) : services_(context) {}

  grpc::Status EvaluateRetrieval(grpc::ServerContext* context,
                                 const v1::EvaluateRetrievalRequest* request,
                                 grpc::ServerWriter<v1::EvaluateRetrievalReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<RetrievalEvaluationRequest> evaluation = RequestOf(*request);
      if (!evaluation.ok()) return evaluation.status();
      absl::StatusOr<Qrels> qrels = QrelsOf(*request);
      if (!qrels.ok()) return qrels.status();
      evaluation->principal = PrincipalOf(*context);
      evaluation->cancel = CancelOf(*context);
      auto collection =
          services_.database->GetCollection(evaluation->principal, request->collection());
      if (!collection.ok()) return collection.status();
      ProgressWriter progress([&](double fraction) {
        v1::EvaluateRetrievalReply reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      absl::StatusOr<RetrievalRun> run =
          RunQueries(**collection, *services_.embedders, *evaluation,
                     [&](double fraction) { progress.Update(fraction); });
      if (!run.ok()) return run.status();
      v1::EvaluateRetrievalReply reply;
      reply.mutable_result()->set_mode(std::string(RetrievalModeName(evaluation->mode)));
      Fill(*run, *qrels, *request, reply.mutable_result());
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

  grpc::Status TuneFusion(grpc::ServerContext* context, const v1::TuneFusionRequest* request,
                          grpc::ServerWriter<v1::TuneFusionReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<FusionTuningRequest> asked = RequestOf(*request);
      if (!asked.ok()) return asked.status();
      asked->principal = PrincipalOf(*context);
      asked->cancel = CancelOf(*context);
      auto collection = services_.database->GetCollection(asked->principal, request->collection());
      if (!collection.ok()) return collection.status();
      ProgressWriter progress([&](double fraction) {
        v1::TuneFusionReply reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      const absl::StatusOr<FusionTuning> tuning =
          vouch::TuneFusion(**collection, *services_.embedders, *asked,
                            [&](double fraction) { progress.Update(fraction); });
      if (!tuning.ok()) return tuning.status();
      v1::TuneFusionReply reply;
      FillTuning(*tuning, reply.mutable_result());
      if (!request->dry_run()) {
        const absl::StatusOr<Version> stored =
            StoreFusion(**collection, tuning->result, asked->principal);
        if (!stored.ok()) return stored.status();
        reply.mutable_result()->set_version(stored->value);
      }
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

  grpc::Status RemoveFusion(grpc::ServerContext* context, const v1::RemoveFusionRequest* request,
                            v1::RemoveFusionResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const Principal principal = PrincipalOf(*context);
      auto collection = services_.database->GetCollection(principal, request->collection());
      if (!collection.ok()) return collection.status();
      const absl::StatusOr<Version> version = vouch::RemoveFusion(**collection, principal);
      if (!version.ok()) return version.status();
      reply->set_version(version->value);
      return absl::OkStatus();
    });
  }

 private:
  static void Fill(const RetrievalRun& run, const Qrels& qrels,
                   const v1::EvaluateRetrievalRequest& request,
                   v1::EvaluateRetrievalResult* result) {
    const EvaluationResult measures = Evaluate(qrels, run.run, /*complete=*/true);
    result->set_version(run.version.value);
    result->set_embedder(run.embedder);
    result->set_fusion(run.fusion);
    for (const auto& [name, value] : measures.all)
      (*result->mutable_all()->mutable_values())[name] = value;
    if (request.with_queries()) {
      for (const auto& [query, values] : measures.queries) {
        auto& message = *(*result->mutable_queries())[query].mutable_values();
        for (const auto& [name, value] : values) message[name] = value;
      }
    }
    if (request.with_run()) result->set_run(FormatRun(run.run, "vouch-" + result->mode()));
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewEvaluationService(const ServiceContext& context) {
  return std::make_unique<EvaluationService>(context);
}

}  // namespace vouch
