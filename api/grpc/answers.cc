#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "api/metrics.h"
#include "rag/answer.h"
#include "rag/ask_steps.h"
#include "rag/deliver/experiment_runner.h"
#include "rag/pipeline_store.h"
#include "rag/replay.h"
#include "rag/telemetry/span.h"
#include "storage/answer_records.h"
#include "vouch/v1/answers.grpc.pb.h"

namespace vouch {
namespace {

// Sends an answer's events. A caller that has gone ends the question.
class EventWriter final : public AnswerListener {
 public:
  explicit EventWriter(grpc::ServerWriter<v1::AskEvent>& writer) : writer_(writer) {}

  absl::Status OnSources(const std::vector<AnswerSource>& sources) override {
    v1::AskEvent event;
    v1::AskEvent::Sources* message = event.mutable_sources();
    for (AnswerSource source : sources) FillSource(std::move(source), message->add_sources());
    return Send(event);
  }
  absl::Status OnText(std::string_view piece) override {
    v1::AskEvent event;
    event.set_text(std::string(piece));
    return Send(event);
  }
  absl::Status OnCitations(const std::vector<Citation>& citations) override {
    v1::AskEvent event;
    v1::AskEvent::Citations* message = event.mutable_citations();
    for (Citation citation : citations) FillCitation(std::move(citation), message->add_citations());
    return Send(event);
  }
  absl::Status OnDone(Answer answer) {
    v1::AskEvent event;
    event.mutable_done()->set_id(std::move(answer.id));
    event.mutable_done()->set_trace_id(TraceIdOf(answer));
    event.mutable_done()->set_abstained(answer.abstained);
    event.mutable_done()->set_text(std::move(answer.text));
    return Send(event);
  }

 private:
  absl::Status Send(const v1::AskEvent& event) {
    if (writer_.Write(event)) return absl::OkStatus();
    return absl::CancelledError("the caller has gone");
  }

  grpc::ServerWriter<v1::AskEvent>& writer_;
};

class AnswersService final : public v1::Answers::Service {
 public:
  explicit AnswersService(const ServiceContext& context) : services_(context) {}

  grpc::Status Ask(grpc::ServerContext* context, const v1::AskRequest* request,
                   v1::Answer* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      Prepared prepared;
      absl::StatusOr<Answer> answer = AnswerOf(*context, *request, nullptr, &prepared);
      if (!answer.ok()) return answer.status();
      TakeOutcome(prepared, answer->id, answer->version);
      FillAnswer(*std::move(answer), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status AskStream(grpc::ServerContext* context, const v1::AskRequest* request,
                         grpc::ServerWriter<v1::AskEvent>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      EventWriter events(*writer);
      Prepared prepared;
      absl::StatusOr<Answer> answer = AnswerOf(*context, *request, &events, &prepared);
      if (!answer.ok()) return answer.status();
      const std::string id = answer->id;
      const Version version = answer->version;
      const absl::Status status = events.OnDone(*std::move(answer));
      TakeOutcome(prepared, id, version);
      return status;
    });
  }

  grpc::Status GetAnswer(grpc::ServerContext* context, const v1::GetAnswerRequest* request,
                         v1::Answer* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<Answer> answer =
          vouch::GetAnswer(*services_.database, PrincipalOf(*context), request->id());
      if (!answer.ok()) return answer.status();
      FillAnswer(*std::move(answer), reply);
      const auto link = AnswerRecords::Of(services_.database->store())
                            .GetAnswerLink(PrincipalOf(*context).tenant, request->id());
      if (!link.ok()) return link.status();
      if (!link->has_value()) return absl::OkStatus();
      v1::AnswerLink* message = reply->mutable_link();
      message->set_number((*link)->number);
      message->set_previous(DigestText((*link)->previous));
      message->set_content(DigestText((*link)->content));
      message->set_hash(DigestText((*link)->hash));
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

  grpc::Status Replay(grpc::ServerContext* context, const v1::ReplayRequest* request,
                      v1::ReplayReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      ReplayRequest replay{.id = request->id(), .principal = PrincipalOf(*context)};
      if (!request->at().empty()) {
        absl::StatusOr<ReadAt> at = ReadAtOf(request->at());
        if (!at.ok()) return at.status();
        replay.at = *std::move(at);
      }
      replay.cancel = CancelOf(*context);
      replay.tree = PipelineTrees(*services_.embedders);
      absl::StatusOr<ReplayReport> report =
          vouch::Replay(*services_.database, *services_.embedders, replay);
      if (!report.ok()) return report.status();
      reply->set_id(std::move(report->id));
      reply->set_version(report->version.value);
      reply->set_level(std::move(report->level));
      reply->set_text(std::move(report->text));
      for (ReplayStep& step : report->steps) {
        v1::ReplayStep* message = reply->add_steps();
        message->set_level(std::move(step.level));
        message->set_what(std::move(step.what));
        message->set_identical(step.identical);
        message->set_first_difference(std::move(step.first_difference));
      }
      return absl::OkStatus();
    });
  }

 private:
  // A request with the models that it borrows, and what an experiment makes of it.
  struct Prepared {
    std::shared_ptr<ModelRoute> models = nullptr;
    AskRequest ask = {};
    std::optional<ExperimentRunner::Assignment> assignment = {};
    std::optional<AskRequest> for_shadow = {};
  };

  // `listener` may be null.
  absl::StatusOr<Answer> AnswerOf(const grpc::ServerContext& context,
                                  const v1::AskRequest& request, AnswerListener* listener,
                                  Prepared* prepared) const {
    const absl::Status status = Prepare(context, request, prepared);
    prepared->ask.listener = listener;
    absl::StatusOr<Answer> answer =
        status.ok() ? vouch::Ask(*services_.database, *services_.embedders, prepared->ask)
                    : absl::StatusOr<Answer>(status);
    if (answer.ok()) {
      services_.metrics->CountAnswer(*answer);
    } else if (prepared->assignment && !MayBeTheCallers(request, answer.status())) {
      services_.experiments->TakeError(PrincipalOf(context).tenant, prepared->assignment->arm,
                                       answer.status());
    }
    return answer;
  }

  // Whether the caller's own filter, or the version he asks at, may be what is wrong.
  static bool MayBeTheCallers(const v1::AskRequest& request, const absl::Status& status) {
    const bool about_a_request = absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
                                 absl::IsOutOfRange(status);
    return about_a_request && (request.has_filter() || !request.at().empty());
  }

  // Of an answer that is kept.
  void TakeOutcome(const Prepared& prepared, const std::string& id, Version version) const {
    if (!prepared.assignment) return;
    if (prepared.for_shadow) {
      services_.experiments->AskShadow(*prepared.assignment, *prepared.for_shadow, id, version);
    }
    services_.experiments->TakeAnswer();
  }

  absl::Status Prepare(const grpc::ServerContext& context, const v1::AskRequest& request,
                       Prepared* prepared) const {
    absl::StatusOr<std::shared_ptr<ModelRoute>> models =
        services_.RouteFor(PrincipalOf(context).tenant);
    if (!models.ok()) return models.status();
    prepared->models = *std::move(models);
    absl::StatusOr<AskRequest> ask = RequestOf(context, request, prepared->models.get());
    if (!ask.ok()) return ask.status();
    prepared->ask = *std::move(ask);
    if (request.caller().size() > ApiLimits::kMaxCallerBytes) {
      return absl::InvalidArgumentError(absl::StrCat("caller has ", request.caller().size(),
                                                     " bytes; the limit is ", ApiLimits::kMaxCallerBytes));
    }
    if (request.pipeline().empty()) return absl::OkStatus();
    return TakePipeline(request, prepared);
  }

  // All but the pipeline. `models` may be null.
  absl::StatusOr<AskRequest> RequestOf(const grpc::ServerContext& context,
                                       const v1::AskRequest& request, ModelRoute* models) const {
    AskRequest ask;
    ask.collection = request.collection();
    ask.question = request.question();
    absl::StatusOr<RetrievalMode> mode = ModeOf(request.mode());
    if (!mode.ok()) return mode.status();
    ask.mode = *mode;
    absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(request);
    if (!filter.ok()) return filter.status();
    ask.filter = *std::move(filter);
    if (request.context_chunks() != 0) ask.context_chunks = request.context_chunks();
    if (request.max_sentences() != 0) ask.max_sentences = request.max_sentences();
    absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
    if (!at.ok()) return at.status();
    ask.at = *std::move(at);
    absl::StatusOr<ModelRoute*> route = RouteFor(request.generator(), models);
    if (!route.ok()) return route.status();
    ask.route = *route;
    ask.needs_models = request.generator() == "route";
    if (request.has_min_grounding()) ask.min_grounding = request.min_grounding();
    ask.principal = PrincipalOf(context);
    ask.cancel = CancelOf(context);
    ask.tracer = services_.tracer;
    const auto traceparent = context.client_metadata().find("traceparent");
    if (traceparent != context.client_metadata().end())
      ask.parent = ParseTraceparent({traceparent->second.data(), traceparent->second.size()});
    if (absl::Status status = TakeConversation(request, &ask); !status.ok()) return status;
    return ask;
  }

  static absl::Status TakeConversation(const v1::AskRequest& request, AskRequest* ask) {
    for (const v1::ChatMessage& turn : request.conversation()) {
      if (turn.role() != "user" && turn.role() != "assistant") {
        return absl::InvalidArgumentError(absl::StrCat(
            "conversation has a turn of '", turn.role(), "'; it takes user and assistant"));
      }
      ask->conversation.push_back({.role = turn.role(), .content = turn.content()});
    }
    return absl::OkStatus();
  }

  absl::Status TakePipeline(const v1::AskRequest& request, Prepared* prepared) const {
    const std::pair<const char*, bool> owned[] = {
        {"mode", request.mode() != v1::RETRIEVAL_MODE_UNSPECIFIED},
        {"context_chunks", request.context_chunks() != 0},
        {"max_sentences", request.max_sentences() != 0},
        {"generator", !request.generator().empty()},
        {"min_grounding", request.has_min_grounding()}};
    for (const auto& [field, set] : owned) {
      if (!set) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          field, " is what a pipeline says; leave it out, or ask without a pipeline"));
    }
    AskRequest* ask = &prepared->ask;
    const std::string& tenant = ask->principal.tenant;
    // Before anybody is assigned: what is wrong with the request is nobody's error.
    if (absl::Status status = CheckAsk(*ask); !status.ok()) return status;
    absl::StatusOr<std::optional<ExperimentRunner::Assignment>> assignment =
        services_.experiments->Assign(
            tenant, request.pipeline(),
            ExperimentRunner::CallerOf(request.caller(), ask->principal, ask->conversation,
                                       ask->question),
            ask->question);
    if (!assignment.ok()) return assignment.status();
    prepared->assignment = *std::move(assignment);
    ask->tree = PipelineTrees(*services_.embedders);
    std::shared_ptr<const PipelineVersion> pipeline;
    if (prepared->assignment) {
      if (prepared->assignment->shadow != nullptr) prepared->for_shadow = *ask;
      ask->experiment = prepared->assignment->arm;
      if (prepared->assignment->interleave != nullptr) {
        auto other = RetrievalOf(prepared->assignment->interleave, *ask);
        if (other.ok()) {
          ask->interleave = *std::move(other);
        } else {
          ask->experiment->against.clear();  // as where its search fails
        }
      }
      pipeline = prepared->assignment->pipeline;
      // Another collection than the pipeline's is the request's mistake, too: UsePipeline says so.
      if (!ask->collection.empty() && ask->collection != pipeline->spec.collection) prepared->assignment.reset();
    } else {
      auto found = PipelineStore(services_.database->store(), services_.database->clock())
                       .Get(tenant, request.pipeline());
      if (!found.ok()) return found.status();
      pipeline = *std::move(found);
    }
    if (!request.no_cache()) ask->cache = services_.cache;
    return UsePipeline(std::move(pipeline), prepared->models.get(), ask);
  }

  static absl::StatusOr<ModelRoute*> RouteFor(const std::string& generator, ModelRoute* models) {
    if (generator.empty()) return models;
    if (generator == "builtin/extractive") return nullptr;
    if (generator != "route") {
      return absl::InvalidArgumentError(absl::StrCat(
          "generator is '", generator, "'; it takes builtin/extractive, route, or nothing"));
    }
    if (models == nullptr) {
      return absl::FailedPreconditionError(
          "the server has no models: set generator.route or generator.model in its configuration");
    }
    return models;
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewAnswersService(const ServiceContext& context) {
  return std::make_unique<AnswersService>(context);
}

}  // namespace vouch
