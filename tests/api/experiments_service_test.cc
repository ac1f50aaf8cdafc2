// Experiments on live questions, and feedback, over gRPC.
#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "rag/llm/spend_ledger.h"
#include "storage/store.h"
#include "tests/api/api_fixture.h"
#include "tests/support/model_server.h"
#include "vouch/v1/answers.grpc.pb.h"
#include "vouch/v1/delivery.grpc.pb.h"
#include "vouch/v1/experiments.grpc.pb.h"
#include "vouch/v1/feedback.grpc.pb.h"
#include "vouch/v1/pipelines.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

constexpr char kQuestion[] = "What hides the desert in a storm?";

class ExperimentsTest : public ApiTest {
 protected:
  ExperimentsTest() {
    CreateFilms();
    v1::WriteReply reply;
    EXPECT_TRUE(Upsert({Film(1, {1, 0}, R"({"title": "desert storm", "text": "A storm hides the desert."})"),
                        Film(2, {2, 0}, R"({"title": "storm at sea", "text": "The sea is quiet."})")},
                       &reply)
                    .ok());
    Stubs();
    // Version 1 answers, version 2 finds nothing and abstains.
    Apply("builtin/extractive", "");
    Apply("builtin/extractive", "year > 3000");
    PointChampionAt(1);
  }

  void Stubs() {
    answers_ = v1::Answers::NewStub(channel_);
    pipelines_ = v1::Pipelines::NewStub(channel_);
    experiments_ = v1::Experiments::NewStub(channel_);
    feedback_ = v1::Feedback::NewStub(channel_);
    delivery_ = v1::Delivery::NewStub(channel_);
  }
  void Serve(ModelRoute* route) {
    server_.reset();
    server_ = Server::Start(ServerOptions{}, *database_, embedders_, route).value();
    UseChannel(server_->InProcessChannel());
    Stubs();
  }
  void Apply(const std::string& generator, const std::string& filter,
             v1::RetrievalMode mode = v1::RETRIEVAL_MODE_TEXT) {
    v1::ApplyPipelineRequest request;
    v1::PipelineSpec* spec = request.mutable_spec();
    spec->set_name("support");
    spec->set_collection("films");
    spec->mutable_retrieve()->set_mode(mode);
    if (!filter.empty()) spec->mutable_retrieve()->mutable_filter()->set_expression(filter);
    spec->mutable_generate()->set_generator(generator);
    v1::ApplyPipelineResponse reply;
    const grpc::Status status =
        Call(pipelines_, &v1::Pipelines::Stub::ApplyPipeline, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  void PointChampionAt(uint64_t number) {
    v1::PromoteRequest request;
    request.set_pipeline(absl::StrCat("support@", number));
    request.set_alias("champion");
    v1::Promotion reply;
    ASSERT_TRUE(Call(delivery_, &v1::Delivery::Stub::Promote, request, &reply).ok());
  }

  static v1::ExperimentSpec Spec(const std::string& mode) {
    v1::ExperimentSpec spec;
    spec.set_name("trial");
    spec.set_pipeline("support");
    spec.set_challenger("2");
    spec.set_mode(mode);
    spec.set_signal("answered");
    return spec;
  }
  grpc::Status Begin(const v1::ExperimentSpec& spec) {
    v1::ApplyExperimentRequest request;
    *request.mutable_spec() = spec;
    v1::ApplyExperimentResponse reply;
    return Call(experiments_, &v1::Experiments::Stub::ApplyExperiment, request, &reply);
  }
  v1::Experiment Shown() {
    v1::GetExperimentRequest request;
    request.set_name("trial");
    v1::Experiment reply;
    const grpc::Status status =
        Call(experiments_, &v1::Experiments::Stub::GetExperiment, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }
  template <class Condition>
  v1::Experiment Await(Condition condition) {
    v1::Experiment shown = Shown();
    for (int i = 0; i < 1'000 && !condition(shown); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      shown = Shown();
    }
    EXPECT_TRUE(condition(shown)) << shown.ShortDebugString();
    return shown;
  }

  grpc::Status Ask(const std::string& caller, v1::Answer* answer,
                   const std::string& question = kQuestion, const std::string& before = "") {
    v1::AskRequest request;
    request.set_pipeline("support@champion");
    request.set_question(question);
    request.set_caller(caller);
    if (!before.empty()) {
      v1::ChatMessage* turn = request.add_conversation();
      turn->set_role("user");
      turn->set_content(before);
    }
    return Call(answers_, &v1::Answers::Stub::Ask, request, answer);
  }
  v1::Answer Ask(const std::string& caller) {
    v1::Answer answer;
    const grpc::Status status = Ask(caller, &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer;
  }

  std::unique_ptr<v1::Answers::Stub> answers_;
  std::unique_ptr<v1::Pipelines::Stub> pipelines_;
  std::unique_ptr<v1::Experiments::Stub> experiments_;
  std::unique_ptr<v1::Feedback::Stub> feedback_;
  std::unique_ptr<v1::Delivery::Stub> delivery_;
};

TEST_F(ExperimentsTest, ACallerKeepsHisArmAndTheRecordSaysWhich) {
  ASSERT_TRUE(Begin(Spec("ab")).ok());
  std::map<std::string, int> arms;
  for (int i = 0; i < 24; ++i) {
    const std::string caller = absl::StrCat("caller-", i);
    const v1::Answer first = Ask(caller);
    const v1::AnswerExperiment& experiment = first.experiment();
    ++arms[experiment.arm()];
    EXPECT_EQ(experiment.name(), "trial@1");
    EXPECT_EQ(experiment.run(), 1u);
    EXPECT_EQ(experiment.mode(), "ab");
    EXPECT_EQ(experiment.propensity(), 0.5);
    EXPECT_EQ(experiment.salt(), "trial");
    EXPECT_EQ(experiment.asked(), "support@champion");
    EXPECT_EQ(experiment.caller().size(), 16u);
    EXPECT_EQ(first.pipeline(), experiment.arm() == "challenger" ? "support@2" : "support@1");
    v1::Answer again;
    ASSERT_TRUE(Ask(caller, &again, "And the sea?").ok());
    EXPECT_EQ(again.experiment().arm(), experiment.arm());
    EXPECT_EQ(again.experiment().caller(), experiment.caller());
    v1::GetAnswerRequest get;
    get.set_id(first.id());
    v1::Answer kept;
    ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::GetAnswer, get, &kept).ok());
    EXPECT_EQ(kept.experiment().ShortDebugString(), experiment.ShortDebugString());
    v1::ReplayRequest replay;
    replay.set_id(first.id());
    v1::ReplayReply replayed;
    ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::Replay, replay, &replayed).ok());
    EXPECT_EQ(replayed.level(), "R3");
  }
  EXPECT_GT(arms["champion"], 4);
  EXPECT_GT(arms["challenger"], 4);
  // By the conversation, where nobody is named: its later questions have its first one before them.
  v1::Answer first;
  v1::Answer later;
  for (int i = 0; i < 8; ++i) {
    const std::string begin = absl::StrCat("What hides the desert ", i, "?");
    ASSERT_TRUE(Ask("", &first, begin).ok());
    ASSERT_TRUE(Ask("", &later, "And then?", begin).ok());
    EXPECT_EQ(first.experiment().caller(), later.experiment().caller());
  }
  // A version that is asked for by its number is no part of it.
  v1::AskRequest request;
  request.set_pipeline("support@1");
  request.set_question(kQuestion);
  ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::Ask, request, &later).ok());
  EXPECT_FALSE(later.has_experiment());
  request.set_caller(std::string(257, 'x'));
  EXPECT_THAT(Call(answers_, &v1::Answers::Stub::Ask, request, &later).error_message(),
              HasSubstr("caller has 257 bytes; the limit is 256"));
}

TEST_F(ExperimentsTest, ACanaryGivesTheWorstOfItToFewAndGoesBack) {
  v1::ExperimentSpec spec = Spec("canary");
  v1::RampStep* step = spec.add_ramp();
  step->set_share(0.2);
  step->set_answers(3);
  step = spec.add_ramp();
  step->set_share(0.5);
  step->set_answers(1'000);
  v1::ExperimentGuardrail* guardrail = spec.add_guardrails();
  guardrail->set_metric("abstained");
  guardrail->set_margin(0.1);
  ASSERT_TRUE(Begin(spec).ok());
  int asked = 0;
  std::set<uint32_t> steps;
  v1::Experiment shown;
  for (; asked < 300; ++asked) {
    Ask(absl::StrCat("caller-", asked));
    shown = Shown();
    if (shown.status() != "running") break;
    steps.insert(shown.step());
  }
  EXPECT_EQ(steps, (std::set<uint32_t>{1, 2}));
  EXPECT_EQ(shown.status(), "rolled back");
  EXPECT_THAT(shown.reason(), HasSubstr("guardrail abstained at most the champion's + 0.1: it is 1"));
  EXPECT_EQ(shown.share(), 0);
  EXPECT_EQ(shown.arms(0).answers() + shown.arms(1).answers(), static_cast<uint64_t>(asked + 1));
  for (int i = 0; i < 5; ++i) {
    const v1::Answer answer = Ask(absl::StrCat("caller-", i));
    EXPECT_EQ(answer.pipeline(), "support@1");
    EXPECT_FALSE(answer.has_experiment());
  }
}

TEST_F(ExperimentsTest, QuestionsThatFailCount) {
  Apply("route", "");  // and there are no models
  v1::ExperimentSpec spec = Spec("ab");
  spec.set_challenger("3");
  v1::ExperimentGuardrail* guardrail = spec.add_guardrails();
  guardrail->set_metric("errors");
  guardrail->set_max(0.2);
  ASSERT_TRUE(Begin(spec).ok());
  int failed = 0;
  for (int i = 0; i < 100 && Shown().status() == "running"; ++i) {
    v1::Answer answer;
    failed += Ask(absl::StrCat("caller-", i), &answer).ok() ? 0 : 1;
  }
  const v1::Experiment shown = Shown();
  EXPECT_EQ(shown.status(), "rolled back");
  EXPECT_THAT(shown.reason(), HasSubstr("guardrail errors at most 0.2"));
  EXPECT_EQ(shown.arms(1).answers(), static_cast<uint64_t>(failed));
  EXPECT_EQ(shown.arms(1).errors(), 1);
}

TEST_F(ExperimentsTest, AChallengerThatHasWonIsPromotedThroughItsGates) {
  PointChampionAt(2);
  v1::ExperimentSpec spec = Spec("ab");
  spec.set_challenger("1");
  spec.set_promote(true);
  ASSERT_TRUE(Begin(spec).ok());
  for (int i = 0; i < 120; ++i) Ask(absl::StrCat("caller-", i));
  const v1::Experiment shown = Await([](const auto& e) { return e.status() == "finished"; });
  EXPECT_THAT(shown.promotion(), HasSubstr("support@champion is version 1"));
  EXPECT_THAT(shown.reason(), HasSubstr("support@champion is version 1 now, and was 2"));
  EXPECT_EQ(Ask("anybody").pipeline(), "support@1");
}

TEST_F(ExperimentsTest, AShadowIsAskedUnseenAtTheSameVersion) {
  ASSERT_TRUE(Begin(Spec("shadow")).ok());
  const v1::Answer seen = Ask("a");
  EXPECT_EQ(seen.pipeline(), "support@1");
  EXPECT_EQ(seen.experiment().arm(), "champion");
  const v1::Experiment shown = Await([](const auto& e) { return e.arms(1).answers() == 1; });
  EXPECT_EQ(shown.arms(0).answers(), 1u);
  EXPECT_EQ(shown.arms(1).abstained(), 1);
  v1::ListAnswersResponse list;
  ASSERT_TRUE(
      Call(answers_, &v1::Answers::Stub::ListAnswers, v1::ListAnswersRequest(), &list).ok());
  ASSERT_EQ(list.answers_size(), 2);
  v1::GetAnswerRequest get;
  get.set_id(list.answers(0).id());
  v1::Answer shadow;
  ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::GetAnswer, get, &shadow).ok());
  EXPECT_EQ(shadow.pipeline(), "support@2");
  EXPECT_EQ(shadow.experiment().shadow_of(), seen.id());
  EXPECT_EQ(shadow.experiment().arm(), "challenger");
  EXPECT_EQ(shadow.version(), seen.version());
  for (int i = 0; i < 60; ++i) Ask(absl::StrCat("caller-", i));
  EXPECT_THAT(Await([](const auto& e) { return e.status() != "running"; }).reason(),
              HasSubstr("the challenger is worse: answered"));
}

// A shadow that hangs holds up nobody: what does not fit its queue is dropped and counted.
TEST_F(ExperimentsTest, AShadowThatHangsIsNoMattersOfTheCallers) {
  std::mutex mu;
  std::condition_variable changed;
  bool answering = false;
  size_t requests = 0;
  const ModelServer model([&](size_t, const ModelServer::Request&) {
    std::unique_lock<std::mutex> lock(mu);
    ++requests;
    changed.notify_all();
    changed.wait(lock, [&] { return answering; });
    return ModelServer::Reply{.status = 400};
  });
  SpendLedger ledger(database_->store().catalog(), database_->clock());
  RouteSpec spec;
  spec.retries = 0;
  spec.tiers = {{.name = "small", .endpoint = {.base_url = model.base_url(), .model = "m"}, .parameters = {}}};
  const auto route = ModelRoute::Create(std::move(spec), {.ledger = ledger}).value();
  Serve(route.get());
  Apply("route", "");
  v1::ExperimentSpec shadow = Spec("shadow");
  shadow.set_challenger("3");
  ASSERT_TRUE(Begin(shadow).ok());
  Ask("first");
  {
    std::unique_lock<std::mutex> lock(mu);
    changed.wait(lock, [&] { return requests == 1; });
  }
  constexpr int kAsked = 70;  // 64 wait
  for (int i = 0; i < kAsked; ++i) EXPECT_EQ(Ask(absl::StrCat("caller-", i)).pipeline(), "support@1");
  EXPECT_EQ(Shown().dropped(), 6u);
  EXPECT_EQ(Shown().arms(0).answers(), 71u);
  EXPECT_EQ(Shown().arms(1).answers(), 0u);
  {
    const std::lock_guard<std::mutex> lock(mu);
    answering = true;
  }
  changed.notify_all();
  EXPECT_EQ(Await([](const auto& e) { return e.arms(1).answers() == 65; }).dropped(), 6u);
  server_.reset();
}

// The challenger finds nothing of use: what is cited is the champion's.
TEST_F(ExperimentsTest, InterleavedHitsAreCreditedToTheirTeamsAndReplay) {
  v1::ExperimentSpec spec = Spec("interleave");
  spec.set_signal("");
  Apply("builtin/extractive", "year > 2000");
  v1::WriteReply reply;
  ASSERT_TRUE(Upsert({Film(3, {3, 0}, R"({"title": "desert", "text": "Nothing of it.", "year": 2001})")}, &reply).ok());
  spec.set_challenger("3");
  ASSERT_TRUE(Begin(spec).ok());
  std::set<std::string> teams;
  int interleaved = 0;
  for (int i = 0; i < 40; ++i) {
    v1::Answer answer;
    ASSERT_TRUE(Ask(absl::StrCat("caller-", i), &answer, absl::StrCat("What hides the desert in storm ", i, "?")).ok());
    EXPECT_EQ(answer.pipeline(), "support@1");
    if (!answer.has_experiment()) break;  // it has ended
    ++interleaved;
    EXPECT_EQ(answer.experiment().against(), "support@3");
    EXPECT_EQ(answer.experiment().teams().size(), static_cast<size_t>(answer.hits_size()));
    teams.insert(answer.experiment().teams());
    if (i % 10 != 0) continue;
    v1::ReplayRequest replay;
    replay.set_id(answer.id());
    v1::ReplayReply replayed;
    ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::Replay, replay, &replayed).ok());
    EXPECT_EQ(replayed.level(), "R3") << replayed.ShortDebugString();
  }
  EXPECT_GE(interleaved, 20);
  EXPECT_GT(teams.size(), 1u);  // now one begins, now the other
  const v1::Experiment shown = Await([](const auto& e) { return e.status() != "running"; });
  EXPECT_THAT(shown.reason(), HasSubstr("the challenger is worse: citations"));
}

// Two rankings that are the same, and a question that everybody has: each caller's draft is tossed for him.
TEST_F(ExperimentsTest, OneQuestionOfManyCallersIsDraftedForEach) {
  v1::ExperimentSpec spec = Spec("interleave");
  spec.set_signal("");
  Apply("builtin/extractive", "not (year > 3000)");
  spec.set_challenger("3");
  ASSERT_TRUE(Begin(spec).ok());
  std::map<std::string, int> teams;
  for (int i = 0; i < 24; ++i) ++teams[Ask(absl::StrCat("caller-", i)).experiment().teams()];
  EXPECT_GT(teams.size(), 1u);
  EXPECT_EQ(Shown().status(), "running");
}

// Its collection has no embedder, so version 3 can look for nothing by vectors.
TEST_F(ExperimentsTest, AChallengerWhoseSearchFailsTakesNobodysAnswerAway) {
  Apply("builtin/extractive", "", v1::RETRIEVAL_MODE_DENSE);
  v1::ExperimentSpec spec = Spec("interleave");
  spec.set_signal("");
  spec.set_challenger("3");
  ASSERT_TRUE(Begin(spec).ok());
  v1::Answer answer;
  int asked = 0;
  for (; asked < 30; ++asked) {
    answer = Ask(absl::StrCat("caller-", asked));
    EXPECT_EQ(answer.pipeline(), "support@1");
    EXPECT_FALSE(answer.abstained());
    if (!answer.has_experiment()) break;
    EXPECT_EQ(answer.experiment().against(), "");
    EXPECT_EQ(answer.experiment().teams(), "");
    v1::ReplayRequest replay;
    replay.set_id(answer.id());
    v1::ReplayReply replayed;
    ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::Replay, replay, &replayed).ok());
    EXPECT_EQ(replayed.level(), "R3") << replayed.ShortDebugString();
    if (Shown().status() != "running") break;
  }
  const v1::Experiment shown = Shown();
  EXPECT_EQ(shown.status(), "rolled back");
  EXPECT_THAT(shown.reason(), HasSubstr("the challenger's search failed for 10 of 10 questions"));
  EXPECT_EQ(shown.arms(1).errors(), 1);
  EXPECT_EQ(shown.arms(0).errors(), 0);
}

TEST_F(ExperimentsTest, WhatOnlyTheChallengerCannotDoIsItsErrorAndWhatNobodyCanDoIsNot) {
  Apply("builtin/extractive", "", v1::RETRIEVAL_MODE_DENSE);  // INVALID_ARGUMENT, or as the like
  v1::ExperimentSpec spec = Spec("ab");
  spec.set_challenger("3");
  spec.set_share(1);
  ASSERT_TRUE(Begin(spec).ok());
  v1::Answer answer;
  EXPECT_FALSE(Ask("a", &answer).ok());
  EXPECT_EQ(Shown().arms(1).answers(), 1u);
  EXPECT_EQ(Shown().arms(1).errors(), 1);
  EXPECT_EQ(Shown().arms(1).signals(), 1u);  // it answered nothing
  EXPECT_EQ(Shown().arms(1).mean(), 0);
  v1::AskRequest request;
  request.set_pipeline("support@champion");
  request.set_caller("b");
  EXPECT_THAT(Call(answers_, &v1::Answers::Stub::Ask, request, &answer).error_message(),
              HasSubstr("the question is empty"));
  request.set_question(kQuestion);
  request.set_collection("books");
  EXPECT_THAT(Call(answers_, &v1::Answers::Stub::Ask, request, &answer).error_message(),
              HasSubstr("the collection is 'books'"));
  request.clear_collection();
  request.set_at("9999");
  EXPECT_FALSE(Call(answers_, &v1::Answers::Stub::Ask, request, &answer).ok());
  EXPECT_EQ(Shown().arms(1).answers(), 1u);
}

TEST_F(ExperimentsTest, MistakesNameTheExperimentTheFieldAndWhatItTakes) {
  const auto mistake = [&](auto change) {
    v1::ExperimentSpec spec = Spec("ab");
    change(spec);
    return Begin(spec).error_message();
  };
  EXPECT_THAT(mistake([](auto& s) { s.set_mode("abc"); }),
              HasSubstr("experiment 'trial': mode is 'abc'; it takes shadow, ab, canary, interleave"));
  EXPECT_THAT(mistake([](auto& s) { s.set_signal("clicks"); }),
              HasSubstr("signal is 'clicks'; it takes thumbs, score, grounding, citations, answered"));
  EXPECT_THAT(mistake([](auto& s) { s.set_share(2); }), HasSubstr("share is 2"));
  EXPECT_THAT(mistake([](auto& s) { s.set_mode("canary"), s.set_share(0.5); }),
              HasSubstr("share is what each step of a canary's ramp says"));
  EXPECT_THAT(mistake([](auto& s) { s.set_challenger("9"); }), HasSubstr("9"));
  EXPECT_THAT(mistake([](auto& s) { s.set_champion("best"); }), HasSubstr("best"));
  EXPECT_THAT(mistake([](auto& s) { s.add_guardrails()->set_metric("speed"); }),
              HasSubstr("guardrails[0].metric is 'speed'; it takes latency_p95_ms"));
  v1::GetExperimentRequest get;
  get.set_name("trial");
  v1::Experiment reply;
  EXPECT_EQ(Call(experiments_, &v1::Experiments::Stub::GetExperiment, get, &reply).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ExperimentsTest, FeedbackIsKeptWithItsAnswerAndIsASignal) {
  v1::ExperimentSpec spec = Spec("ab");
  spec.set_signal("thumbs");
  ASSERT_TRUE(Begin(spec).ok());
  const v1::Answer answer = Ask("a");
  v1::AddFeedbackRequest add;
  add.set_answer_id(answer.id());
  v1::FeedbackEntry entry;
  const auto call = [&] { return Call(feedback_, &v1::Feedback::Stub::AddFeedback, add, &entry); };
  EXPECT_THAT(call().error_message(), HasSubstr("takes thumbs (up or down), a score, or a correction"));
  add.set_thumbs("sideways");
  EXPECT_THAT(call().error_message(), HasSubstr("thumbs is 'sideways'; it takes up, down"));
  add.set_thumbs("down");
  add.set_score(-0.5);
  EXPECT_THAT(call().error_message(), HasSubstr("score is -0.5; it takes 0 to 1"));
  add.set_score(0.25);
  add.set_correction("A dune hides it.");
  ASSERT_TRUE(call().ok());
  EXPECT_EQ(entry.answer_id(), answer.id());
  EXPECT_EQ(entry.actor(), "default/anonymous");
  v1::ListFeedbackRequest list;
  list.set_answer_id(answer.id());
  v1::ListFeedbackResponse listed;
  ASSERT_TRUE(Call(feedback_, &v1::Feedback::Stub::ListFeedback, list, &listed).ok());
  ASSERT_EQ(listed.feedback_size(), 1);
  EXPECT_EQ(listed.feedback(0).ShortDebugString(), entry.ShortDebugString());
  const v1::Experiment shown = Shown();
  EXPECT_EQ(shown.arms(0).signals() + shown.arms(1).signals(), 1u);
  add.set_answer_id("none");
  EXPECT_EQ(call().error_code(), grpc::StatusCode::NOT_FOUND);
  list.set_answer_id("");
  list.set_limit(5'000);
  EXPECT_THAT(Call(feedback_, &v1::Feedback::Stub::ListFeedback, list, &listed).error_message(),
              HasSubstr("limit is 5000"));
}

}  // namespace
}  // namespace vouch
