#include <grpcpp/grpcpp.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "vouch/v1/evaluation.grpc.pb.h"

namespace vouch {
namespace {

absl::StatusOr<Qrels> QrelsOf(const v1::EvaluateRetrievalRequest& request) {
  Qrels qrels;
  for (const v1::Judgement& judgement : request.judgements()) {
    if (judgement.query_id().empty() || judgement.document_id().empty()) {
      return absl::InvalidArgumentError("judgements: one has no query_id or no document_id");
    }
    if (!qrels[judgement.query_id()]
             .emplace(judgement.document_id(), judgement.relevance())
             .second) {
      return absl::InvalidArgumentError(
          absl::StrCat("judgements: document '", judgement.document_id(),
                       "' stands twice for query '", judgement.query_id(), "'"));
    }
  }
  if (qrels.empty()) return absl::InvalidArgumentError("judgements: there are none");
  return qrels;
}

absl::StatusOr<RetrievalEvaluationRequest> RequestOf(const v1::EvaluateRetrievalRequest& request) {
  RetrievalEvaluationRequest evaluation;
  if (request.queries().empty()) return absl::InvalidArgumentError("queries: there are none");
  if (static_cast<uint32_t>(request.queries_size()) > ApiLimits::kMaxEvaluationQueries) {
    return absl::InvalidArgumentError(absl::StrCat("queries: ", request.queries_size(),
                                                   ", at most ", ApiLimits::kMaxEvaluationQueries));
  }
  std::set<std::string> seen;
  for (const v1::EvaluationQuery& query : request.queries()) {
    if (!seen.insert(query.id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("queries: id '", query.id(), "' stands twice"));
    }
    evaluation.queries.push_back({query.id(), query.text()});
  }
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

 private:
  static void Fill(const RetrievalRun& run, const Qrels& qrels,
                   const v1::EvaluateRetrievalRequest& request,
                   v1::EvaluateRetrievalResult* result) {
    const EvaluationResult measures = Evaluate(qrels, run.run, /*complete=*/true);
    result->set_version(run.version.value);
    result->set_embedder(run.embedder);
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
