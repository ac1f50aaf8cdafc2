// Spending, routes, calibration and the cache, as callers of the services see them.
#include <gmock/gmock.h>

#include "nlohmann/json.hpp"
#include "storage/store.h"
#include "tests/api/api_fixture.h"
#include "tests/support/model_server.h"
#include "vouch/v1/answers.grpc.pb.h"
#include "vouch/v1/calibration.grpc.pb.h"
#include "vouch/v1/evaluations.grpc.pb.h"
#include "vouch/v1/pipelines.grpc.pb.h"
#include "vouch/v1/routes.grpc.pb.h"
#include "vouch/v1/spending.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

constexpr char kSupported[] = "A storm hides the desert [1].";

class ServingTest : public ApiTest {
 protected:
  ServingTest() {
    CreateFilms();
    v1::WriteReply reply;
    EXPECT_TRUE(
        Upsert(
            {Film(1, {1, 0}, R"({"title": "desert storm", "text": "A storm hides the desert."})"),
             Film(2, {2, 0}, R"({"title": "storm at sea", "text": "The sea is quiet."})")},
            &reply)
            .ok());
    model_ = std::make_unique<ModelServer>([this](size_t, const ModelServer::Request& request) {
      return ChatStream(Says(request), 100, 20);
    });
    ledger_ = std::make_unique<SpendLedger>(database_->store().catalog(), database_->clock());
    RouteSpec spec;
    spec.retries = 0;
    spec.prices = {.version = "p1",
                   .models = {{"cheap", {.input_nano = 1'000, .output_nano = 1'000}},
                              {"dear", {.input_nano = 9'000, .output_nano = 9'000}}}};
    for (const char* name : {"cheap", "dear"}) {
      spec.tiers.push_back({.name = name,
                            .endpoint = {.base_url = model_->base_url(), .model = name},
                            .parameters = {}});
    }
    route_ = ModelRoute::Create(std::move(spec), {.ledger = *ledger_}).value();
    server_.reset();
    server_ = Server::Start(ServerOptions{}, *database_, embedders_, route_.get()).value();
    UseChannel(server_->InProcessChannel());
    answers_ = v1::Answers::NewStub(channel_);
    pipelines_ = v1::Pipelines::NewStub(channel_);
    routes_ = v1::Routes::NewStub(channel_);
    spending_ = v1::Spending::NewStub(channel_);
  }

  // By what the question asks for.
  std::string Says(const ModelServer::Request& request) const {
    const std::string prompt = nlohmann::json::parse(request.body)["messages"][1]["content"];
    if (prompt.find("How high") != std::string::npos) return "The storm is 300 metres high [1].";
    if (prompt.find("Who ") != std::string::npos) return "I do not know.";
    return kSupported;
  }

  uint64_t Apply(const std::function<void(v1::PipelineSpec*)>& change = nullptr) {
    v1::ApplyPipelineRequest request;
    v1::PipelineSpec* spec = request.mutable_spec();
    spec->set_name("films");
    spec->set_collection("films");
    spec->mutable_retrieve()->set_mode(v1::RETRIEVAL_MODE_TEXT);
    if (change) change(spec);
    v1::ApplyPipelineResponse reply;
    const grpc::Status status =
        Call(pipelines_, &v1::Pipelines::Stub::ApplyPipeline, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.pipeline().number();
  }

  grpc::Status Ask(v1::Answer* answer, const std::string& question = "What hides the desert in a storm?") {
    v1::AskRequest request;
    request.set_pipeline("films");
    request.set_question(question);
    return Call(answers_, &v1::Answers::Stub::Ask, request, answer);
  }
  v1::Answer AskOnce() {
    v1::Answer answer;
    const grpc::Status status = Ask(&answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer;
  }

  std::unique_ptr<ModelServer> model_;
  std::unique_ptr<SpendLedger> ledger_;
  std::unique_ptr<ModelRoute> route_;
  std::unique_ptr<v1::Answers::Stub> answers_;
  std::unique_ptr<v1::Pipelines::Stub> pipelines_;
  std::unique_ptr<v1::Routes::Stub> routes_;
  std::unique_ptr<v1::Spending::Stub> spending_;
};

TEST_F(ServingTest, ABudgetIsShownHoldsAndIsNamedWhenItIsSpent) {
  Apply([](v1::PipelineSpec* spec) { spec->mutable_generate()->set_generator("route"); });
  v1::SetBudgetRequest set;
  set.mutable_budget()->set_pipeline("films");
  set.mutable_budget()->set_day("0.001");
  v1::SetBudgetResponse set_reply;
  ASSERT_TRUE(Call(spending_, &v1::Spending::Stub::SetBudget, set, &set_reply).ok());
  EXPECT_TRUE(set_reply.changed());
  ASSERT_TRUE(Call(spending_, &v1::Spending::Stub::SetBudget, set, &set_reply).ok());
  EXPECT_FALSE(set_reply.changed());
  EXPECT_EQ(set_reply.previous(), "0.001000000");
  EXPECT_EQ(AskOnce().text(), kSupported);  // 120 tokens at 1,000 billionths
  v1::SpendingReply spending;
  ASSERT_TRUE(
      Call(spending_, &v1::Spending::Stub::GetSpending, v1::GetSpendingRequest(), &spending).ok());
  ASSERT_EQ(spending.pipelines_size(), 1);
  EXPECT_EQ(spending.pipelines(0).pipeline(), "films");
  EXPECT_EQ(spending.pipelines(0).spent_nano(), 120'000u);
  EXPECT_EQ(spending.pipelines(0).limit_nano(), 1'000'000u);
  EXPECT_EQ(spending.total().spent_nano(), 120'000u);
  EXPECT_FALSE(spending.total().has_limit_nano());
  EXPECT_EQ(spending.currency(), "USD");
  set.mutable_budget()->set_day("0.0002");
  ASSERT_TRUE(Call(spending_, &v1::Spending::Stub::SetBudget, set, &set_reply).ok());
  v1::Answer answer;
  const grpc::Status spent = Ask(&answer);
  EXPECT_EQ(spent.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(spent.error_message(),
              HasSubstr("pipeline films may spend 0.000200000 a day; 0.000120000 of it is spent"));
  EXPECT_THAT(server_->RenderMetrics(),
              HasSubstr("vouch_spending_day_limit{pipeline=\"films\",tenant=\"default\"} 0.0002"));
  // Who takes models where there are any gets quotes.
  Apply();
  EXPECT_THAT(AskOnce().generator(), HasSubstr("builtin/extractive"));
  set.mutable_budget()->set_day("a lot");
  EXPECT_THAT(Call(spending_, &v1::Spending::Stub::SetBudget, set, &set_reply).error_message(),
              HasSubstr("day is 'a lot'; it takes an amount with at most 9 decimals"));
  v1::RemoveBudgetRequest remove;
  remove.set_pipeline("films");
  v1::RemoveBudgetResponse removed;
  EXPECT_TRUE(Call(spending_, &v1::Spending::Stub::RemoveBudget, remove, &removed).ok());
  EXPECT_EQ(Call(spending_, &v1::Spending::Stub::RemoveBudget, remove, &removed).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::GetSpendingRequest day;
  day.set_day("yesterday");
  EXPECT_THAT(Call(spending_, &v1::Spending::Stub::GetSpending, day, &spending).error_message(),
              HasSubstr("it takes a day as 2026-11-26"));
}

TEST_F(ServingTest, ARouteChoosesAmongTheServersTiersAndNamesNoAddress) {
  Apply();
  v1::ApplyRouteRequest request;
  request.mutable_spec()->add_tiers()->set_name("dear");
  request.set_dry_run(true);
  v1::ApplyRouteResponse reply;
  ASSERT_TRUE(Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply).ok());
  EXPECT_TRUE(reply.changed());
  EXPECT_THAT(AskOnce().generator(), HasSubstr("tier=cheap"));
  request.set_dry_run(false);
  ASSERT_TRUE(Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply).ok());
  EXPECT_TRUE(reply.changed());
  EXPECT_THAT(reply.canonical(), ::testing::Not(HasSubstr("http")));
  EXPECT_THAT(AskOnce().generator(), HasSubstr("tier=dear"));
  ASSERT_TRUE(Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply).ok());
  EXPECT_FALSE(reply.changed());
  request.mutable_spec()->mutable_tiers(0)->set_name("free");
  EXPECT_THAT(Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply).error_message(),
              HasSubstr("the server has no tier \"free\"; it has cheap, dear"));
  // Prices of a version that is there stay as they are.
  request.mutable_spec()->clear_tiers();
  v1::RoutePrices* prices = request.mutable_spec()->mutable_prices();
  prices->set_version("p1");
  for (const char* model : {"cheap", "dear"}) {
    v1::RoutePrice* price = prices->add_models();
    price->set_model(model);
    price->set_input_per_million("0.5");
    price->set_output_per_million("0.5");
  }
  EXPECT_THAT(Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply).error_message(),
              HasSubstr("prices.version is \"p1\", which has other prices already"));
  prices->set_version("p2");
  ASSERT_TRUE(Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply).ok());
  const v1::Answer answer = AskOnce();
  EXPECT_EQ(answer.generation().price_table(), "p2");
  EXPECT_EQ(answer.generation().cost_nano(), 120u * 500);
  v1::RouteReply there;
  ASSERT_TRUE(Call(routes_, &v1::Routes::Stub::GetRoute, v1::GetRouteRequest(), &there).ok());
  EXPECT_EQ(there.applied().prices().models(0).input_per_million(), "0.5");
  EXPECT_EQ(there.tiers_size(), 2);
  v1::RemoveRouteResponse removed;
  ASSERT_TRUE(
      Call(routes_, &v1::Routes::Stub::RemoveRoute, v1::RemoveRouteRequest(), &removed).ok());
  EXPECT_EQ(AskOnce().generation().price_table(), "p1");
  EXPECT_EQ(
      Call(routes_, &v1::Routes::Stub::RemoveRoute, v1::RemoveRouteRequest(), &removed).error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServingTest, ACachedAnswerSaysWhoseItIs) {
  Apply([](v1::PipelineSpec* spec) { spec->mutable_cache()->set_enabled(true); });
  const v1::Answer first = AskOnce();
  EXPECT_TRUE(first.has_cache());
  EXPECT_EQ(first.cache().answer_id(), "");
  EXPECT_EQ(AskOnce().cache().answer_id(), first.id());
  EXPECT_EQ(model_->requests().size(), 1u);
  v1::AskRequest request;
  request.set_pipeline("films");
  request.set_question("What hides the desert in a storm?");
  request.set_no_cache(true);
  v1::Answer answer;
  ASSERT_TRUE(Call(answers_, &v1::Answers::Stub::Ask, request, &answer).ok());
  EXPECT_FALSE(answer.has_cache());
  const std::string metrics = server_->RenderMetrics();
  EXPECT_THAT(metrics, HasSubstr("vouch_answer_cache_total{outcome=\"hit\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("vouch_answer_cache_total{outcome=\"miss\"} 1"));
}

TEST_F(ServingTest, ACalibratedThresholdIsStoredAsTheNextVersion) {
  Apply([](v1::PipelineSpec* spec) { spec->mutable_guard()->set_min_grounding(0); });
  std::string questions;
  for (int i = 0; i < 60; ++i) {
    questions += "{\"_id\": \"a" + std::to_string(i) +
                 "\", \"text\": \"What hides the desert in storm " + std::to_string(i) +
                 "?\", \"answers\": [\"a storm\"]}\n";
  }
  for (int i = 0; i < 20; ++i) {
    questions += "{\"_id\": \"b" + std::to_string(i) + "\", \"text\": \"How high is storm " +
                 std::to_string(i) + " in the desert?\", \"unanswerable\": true}\n";
  }
  questions += "{\"_id\": \"c\", \"text\": \"Who filmed the desert?\", \"unanswerable\": true}\n";
  questions += "{\"_id\": \"d\", \"text\": \"Which storm?\"}\n";
  const auto datasets = v1::Datasets::NewStub(channel_);
  v1::ImportDatasetRequest import;
  import.set_name("storms");
  import.set_questions(questions);
  import.set_dry_run(true);
  v1::DatasetInfo info;
  ASSERT_TRUE(Call(datasets, &v1::Datasets::Stub::ImportDataset, import, &info).ok());
  EXPECT_EQ(info.version(), 1u);
  v1::ListDatasetsResponse list;
  ASSERT_TRUE(
      Call(datasets, &v1::Datasets::Stub::ListDatasets, v1::ListDatasetsRequest(), &list).ok());
  EXPECT_EQ(list.datasets_size(), 0) << "a dry run keeps nothing";
  import.set_dry_run(false);
  ASSERT_TRUE(Call(datasets, &v1::Datasets::Stub::ImportDataset, import, &info).ok());

  v1::CalibrateRequest request;
  request.set_pipeline("films");
  request.set_dataset("storms");
  request.set_risk(0.1);
  request.set_store(true);
  const auto stub = v1::Calibration::NewStub(channel_);
  grpc::ClientContext context;
  const auto reader = stub->Calibrate(&context, request);
  v1::CalibrateReply reply;
  v1::CalibrationResult result;
  while (reader->Read(&reply)) {
    if (reply.has_result()) result = reply.result();
  }
  const grpc::Status status = reader->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(result.questions(), 81u);
  EXPECT_EQ(result.unanswerable(), 21u);
  EXPECT_EQ(result.skipped(), 1u);
  EXPECT_EQ(result.errors(), 0u);
  EXPECT_EQ(result.before().answered(), 80u);
  EXPECT_EQ(result.before().wrong(), 20u);
  EXPECT_TRUE(result.met());
  EXPECT_EQ(result.chosen().answered(), 60u);
  EXPECT_EQ(result.chosen().wrong(), 0u);
  EXPECT_LE(result.risk_bound(), 0.1);
  EXPECT_EQ(result.stored().number(), 2u);
  EXPECT_EQ(result.stored().spec().guard().min_grounding(), result.chosen().threshold());

  request.set_risk(0.001);
  grpc::ClientContext strict;
  const auto again = stub->Calibrate(&strict, request);
  while (again->Read(&reply)) {
  }
  EXPECT_THAT(again->Finish().error_message(), HasSubstr("no threshold meets the target"));
  Apply([](v1::PipelineSpec* spec) {
    spec->mutable_generate()->set_generator("builtin/extractive");
  });
  grpc::ClientContext quoting;
  const auto quoted = stub->Calibrate(&quoting, request);
  while (quoted->Read(&reply)) {
  }
  EXPECT_THAT(quoted->Finish().error_message(), HasSubstr("no threshold to calibrate"));
}

}  // namespace
}  // namespace vouch
