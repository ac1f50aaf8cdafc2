#include "rag/feedback.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/delivery_services.h"
#include "api/grpc/request.h"
#include "api/limits.h"
#include "rag/deliver/experiment_runner.h"
#include "vouch/v1/feedback.grpc.pb.h"

namespace vouch {
namespace {

void FillFeedback(Feedback feedback, v1::FeedbackEntry* message) {
  message->set_id(std::move(feedback.id));
  message->set_answer_id(std::move(feedback.answer));
  message->set_time_us(feedback.time_us);
  message->set_actor(std::move(feedback.actor));
  if (feedback.said.thumbs_up) message->set_thumbs(*feedback.said.thumbs_up ? "up" : "down");
  if (feedback.said.score) message->set_score(*feedback.said.score);
  message->set_correction(std::move(feedback.said.correction));
  message->set_comment(std::move(feedback.said.comment));
}

class FeedbackService final : public v1::Feedback::Service {
 public:
  explicit FeedbackService(const ServiceContext& context) : services_(context) {}

  grpc::Status AddFeedback(grpc::ServerContext* context, const v1::AddFeedbackRequest* request,
                           v1::FeedbackEntry* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      FeedbackDraft draft{.correction = request->correction(), .comment = request->comment()};
      if (!request->thumbs().empty()) {
        if (request->thumbs() != "up" && request->thumbs() != "down") {
          return absl::InvalidArgumentError(absl::StrCat(
              "thumbs is '", absl::CHexEscape(request->thumbs().substr(0, 200)), "'; it takes up, down"));
        }
        draft.thumbs_up = request->thumbs() == "up";
      }
      if (request->has_score()) draft.score = request->score();
      const std::string tenant = PrincipalOf(*context).tenant;
      ExperimentRunner& experiments = *services_.experiments;
      absl::StatusOr<Feedback> feedback =
          Entries().Add(tenant, request->answer_id(), draft, ActorOf(*context),
                      [&](const Feedback& added, const Answer& answer) {
                        return experiments.EventsOf(tenant, added, answer);
                      });
      if (!feedback.ok()) return feedback.status();
      experiments.TakeAnswer();
      FillFeedback(*std::move(feedback), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status ListFeedback(grpc::ServerContext* context, const v1::ListFeedbackRequest* request,
                            v1::ListFeedbackResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->limit() > ApiLimits::kMaxAnswers) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit is ", request->limit(), ", at most ", ApiLimits::kMaxAnswers));
      }
      const uint32_t limit = request->limit() == 0 ? kDefaultLimit : request->limit();
      const std::string tenant = PrincipalOf(*context).tenant;
      absl::StatusOr<std::vector<Feedback>> list =
          request->answer_id().empty() ? Entries().ListLatest(tenant, limit)
                                       : Entries().List(tenant, request->answer_id());
      if (!list.ok()) return list.status();
      for (Feedback& feedback : *list) FillFeedback(std::move(feedback), reply->add_feedback());
      return absl::OkStatus();
    });
  }

 private:
  static constexpr uint32_t kDefaultLimit = 50;

  FeedbackStore Entries() const {
    return FeedbackStore(services_.database->store(), services_.database->clock());
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewFeedbackService(const ServiceContext& context) {
  return std::make_unique<FeedbackService>(context);
}

}  // namespace vouch
