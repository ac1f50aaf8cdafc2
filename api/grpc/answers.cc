#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "rag/answer.h"
#include "vouch/v1/answers.grpc.pb.h"

namespace vouch {
namespace {

class AnswersService final : public v1::Answers::Service {
 public:
  explicit AnswersService(const ServiceContext& context) : services_(context) {}

  grpc::Status Ask(grpc::ServerContext* context, const v1::AskRequest* request,
                   v1::Answer* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      AskRequest ask;
      ask.collection = request->collection();
      ask.question = request->question();
      absl::StatusOr<RetrievalMode> mode = ModeOf(request->mode());
      if (!mode.ok()) return mode.status();
      ask.mode = *mode;
      absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(*request);
      if (!filter.ok()) return filter.status();
      ask.filter = *std::move(filter);
      if (request->context_chunks() != 0) ask.context_chunks = request->context_chunks();
      if (request->max_sentences() != 0) ask.max_sentences = request->max_sentences();
      absl::StatusOr<ReadAt> at = ReadAtOf(request->at());
      if (!at.ok()) return at.status();
      ask.at = *std::move(at);
      ask.principal = PrincipalOf(*context);
      ask.cancel = CancelOf(*context);
      absl::StatusOr<Answer> answer = vouch::Ask(*services_.database, *services_.embedders, ask);
      if (!answer.ok()) return answer.status();
      FillAnswer(*std::move(answer), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status GetAnswer(grpc::ServerContext* context, const v1::GetAnswerRequest* request,
                         v1::Answer* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<Answer> answer =
          vouch::GetAnswer(*services_.database, PrincipalOf(*context), request->id());
      if (!answer.ok()) return answer.status();
      FillAnswer(*std::move(answer), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status ListAnswers(grpc::ServerContext* context, const v1::ListAnswersRequest* request,
                           v1::ListAnswersResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->limit() > ApiLimits::kMaxAnswers) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit is ", request->limit(), ", at most ", ApiLimits::kMaxAnswers));
      }
      const uint32_t limit = request->limit() == 0 ? ApiLimits::kDefaultAnswers : request->limit();
      auto records = services_.database->store().ListAnswers(PrincipalOf(*context).tenant, limit);
      if (!records.ok()) return records.status();
      for (const std::string& record : *records) {
        absl::StatusOr<Answer> answer = AnswerFromJson(record);
        if (!answer.ok()) return answer.status();
        v1::AnswerSummary* summary = reply->add_answers();
        summary->set_id(std::move(answer->id));
        summary->set_time_us(answer->time_us);
        summary->set_collection(std::move(answer->collection));
        summary->set_version(answer->version.value);
        summary->set_question(std::move(answer->question));
        summary->set_text(std::move(answer->text));
        summary->set_abstained(answer->abstained);
      }
      return absl::OkStatus();
    });
  }

 private:
  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewAnswersService(const ServiceContext& context) {
  return std::make_unique<AnswersService>(context);
}

}  // namespace vouch
