#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/convert_evaluation.h"
#include "api/grpc/evaluation_services.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/live_questions.h"
#include "rag/eval/passages.h"
#include "vouch/v1/evaluations.grpc.pb.h"

namespace vouch {
namespace {

class DatasetsService final : public v1::Datasets::Service {
 public:
  explicit DatasetsService(const ServiceContext& context) : services_(context) {}

  grpc::Status ImportDataset(grpc::ServerContext* context,
                             const v1::ImportDatasetRequest* request,
                             v1::DatasetInfo* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const Principal principal = PrincipalOf(*context);
      absl::StatusOr<std::vector<DatasetQuestion>> questions = ParseQuestions(request->questions());
      if (!questions.ok()) return questions.status();
      if (absl::Status status = AddJudged(*request, principal, &*questions); !status.ok()) {
        return status;
      }
      for (const std::string& tag : request->tags()) AddTag(tag, &*questions);
      const absl::StatusOr<DatasetInfo> info =
          StoreOf(principal).Put(request->name(), request->source(), *questions,
                                 services_.database->clock().NowMicros(), request->dry_run());
      if (!info.ok()) return info.status();
      FillDatasetInfo(*info, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status ListDatasets(grpc::ServerContext* context, const v1::ListDatasetsRequest*,
                            v1::ListDatasetsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<std::vector<DatasetInfo>> all = StoreOf(PrincipalOf(*context)).List();
      if (!all.ok()) return all.status();
      for (const DatasetInfo& info : *all) FillDatasetInfo(info, reply->add_datasets());
      return absl::OkStatus();
    });
  }

  grpc::Status GetDataset(grpc::ServerContext* context, const v1::GetDatasetRequest* request,
                          v1::Dataset* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<DatasetRef> ref = ParseDatasetRef(request->dataset());
      if (!ref.ok()) return ref.status();
      const absl::StatusOr<Dataset> dataset = StoreOf(PrincipalOf(*context)).Get(*ref);
      if (!dataset.ok()) return dataset.status();
      FillDatasetInfo(dataset->info, reply->mutable_info());
      reply->set_questions(EncodeQuestions(dataset->questions));
      return absl::OkStatus();
    });
  }

  grpc::Status GrowDataset(grpc::ServerContext* context, const v1::GrowDatasetRequest* request,
                           v1::GrowDatasetReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<AnswerFilter> filter =
          AnswerFilter::Parse({request->filters().begin(), request->filters().end()});
      if (!filter.ok()) return filter.status();
      LiveQuestionsRequest grow{.dataset = request->name(),
                                .pipeline = request->pipeline(),
                                .range = {.from_us = request->from_us()},
                                .filter = *std::move(filter),
                                .sample = request->sample(),
                                .seed = request->seed(),
                                .dry_run = request->dry_run(),
                                .principal = PrincipalOf(*context),
                                .cancel = CancelOf(*context)};
      if (request->to_us() != 0) grow.range.to_us = request->to_us();
      const absl::StatusOr<LiveQuestions> grown = GrowByLiveQuestions(*services_.database, grow);
      if (!grown.ok()) return grown.status();
      FillDatasetInfo(grown->info, reply->mutable_info());
      reply->set_answers(grown->answers);
      reply->set_covered(grown->covered);
      reply->set_follow_ups(grown->follow_ups);
      reply->set_repeated_questions(grown->repeated);
      reply->set_known(grown->known);
      reply->set_not_sampled(grown->not_sampled);
      reply->set_added(grown->added);
      reply->set_corrected(grown->corrected);
      return absl::OkStatus();
    });
  }

 private:
  DatasetStore StoreOf(const Principal& principal) const {
    return DatasetStore(EvaluationRecords::Of(services_.database->store()), principal.tenant);
  }

  absl::Status AddJudged(const v1::ImportDatasetRequest& request, const Principal& principal,
                         std::vector<DatasetQuestion>* questions) const {
    if (request.judgements().empty()) {
      return request.chunks_of().empty()
                 ? absl::OkStatus()
                 : absl::InvalidArgumentError("chunks_of: there are no judgements on chunks");
    }
    const absl::StatusOr<Qrels> qrels = ParseQrels(request.judgements());
    if (!qrels.ok()) return qrels.status();
    if (request.chunks_of().empty()) return AddJudgements(*qrels, questions);
    auto collection = services_.database->GetCollection(principal, request.chunks_of());
    if (!collection.ok()) return collection.status();
    absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
    if (!at.ok()) return at.status();
    const absl::StatusOr<Version> version = (*collection)->Resolve(*at);
    if (!version.ok()) return version.status();
    return AddChunkJudgements(**collection, *version, principal, *qrels, questions);
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewDatasetsService(const ServiceContext& context) {
  return std::make_unique<DatasetsService>(context);
}

}  // namespace vouch
