// The pages of HTTP, asked by a real client; models are the test's own server.
#include "api/http/http_server.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "api/metrics.h"
#include "nlohmann/json.hpp"
#include "storage/store.h"
#include "tests/api/api_fixture.h"
#include "tests/support/model_server.h"
#include "vouch/v1/pipelines.grpc.pb.h"
// It has macros that other headers stumble over.
#include <httplib.h>

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

class HttpTest : public ApiTest {
 protected:
  HttpTest() {
    CreateFilms();
    v1::WriteReply reply;
    EXPECT_TRUE(
        Upsert(
            {Film(1, {1, 0}, R"({"title": "desert storm", "text": "A storm hides the desert."})"),
             Film(2, {2, 0}, R"({"title": "storm at sea", "text": "The sea is quiet."})")},
            &reply)
            .ok());
    ServeHttp();
  }
  ~HttpTest() override {
    http_.reset();
    server_.reset();
  }

  void ServeHttp(HttpServerOptions options = {}) {
    http_.reset();
    options.listen = "127.0.0.1:0";
    auto http = HttpServer::Start(options, *server_);
    ASSERT_TRUE(http.ok()) << http.status();
    http_ = *std::move(http);
  }

  void ServeModel(ModelServer::Handler handler) {
    model_ = std::make_unique<ModelServer>(std::move(handler));
    ledger_ = std::make_unique<SpendLedger>(database_->store().catalog(), database_->clock());
    http_.reset();
    server_.reset();
    server_ = Server::Listen(ServerOptions{}).value();
    RouteSpec spec;
    spec.retries = 0;
    spec.prices = {.version = "p", .models = {{"m", {.input_nano = 10, .output_nano = 30}}}};
    spec.tiers = {{.name = "small",
                   .endpoint = {.base_url = model_->base_url(), .model = "m"},
                   .parameters = {}}};
    ModelRoute::Dependencies dependencies{.ledger = *ledger_};
    dependencies.on_attempt = [&metrics = server_->metrics()](const ModelAttempt& attempt,
                                                              const RouteSpec& route) {
      metrics.CountModelTry(attempt, route.prices.currency);
    };
    route_ = ModelRoute::Create(std::move(spec), std::move(dependencies)).value();
    server_->Open(*database_, embedders_, route_.get());
    UseChannel(server_->InProcessChannel());
    ServeHttp();
  }

  void ApplyPipeline(const v1::PipelineSpec& spec) {
    const auto stub = v1::Pipelines::NewStub(channel_);
    v1::ApplyPipelineRequest request;
    *request.mutable_spec() = spec;
    v1::ApplyPipelineResponse reply;
    const grpc::Status status =
        Call(stub, &v1::Pipelines::Stub::ApplyPipeline, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  httplib::Client Client() const {
    httplib::Client client("127.0.0.1", http_->port());
    client.set_read_timeout(30);
    return client;
  }
  httplib::Result Post(const std::string& path, const Json& body,
                       const httplib::Headers& headers = {}) {
    httplib::Client client = Client();
    return client.Post(path, headers, body.dump(), "application/json");
  }
  httplib::Result Get(const std::string& path) {
    httplib::Client client = Client();
    return client.Get(path);
  }

  static Json Chat(const std::string& question, const std::string& model = "collection:films") {
    return {{"model", model},
            {"messages", Json::array({{{"role", "user"}, {"content", question}}})}};
  }
  // The JSON of each event; "[DONE]" as a text.
  static std::vector<Json> EventsOf(const std::string& body) {
    std::vector<Json> events;
    for (absl::string_view event : absl::StrSplit(body, "\n\n", absl::SkipEmpty())) {
      EXPECT_THAT(std::string(event), StartsWith("data: "));
      const std::string data(event.substr(6));
      events.push_back(data == "[DONE]" ? Json(data) : Json::parse(data));
    }
    return events;
  }
  static constexpr char kComment[] = ": keep-alive\n\n";
  static size_t CommentsIn(const std::string& body) {
    return std::vector<std::string>(absl::StrSplit(body, kComment)).size() - 1;
  }
  static constexpr char kQuestion[] = "What hides the desert in a storm?";

  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<ModelServer> model_;
  std::unique_ptr<SpendLedger> ledger_;
  std::unique_ptr<ModelRoute> route_;
};

TEST_F(HttpTest, SaysWhetherItLivesAndIsReady) {
  EXPECT_EQ(Get("/healthz")->status, 200);
  EXPECT_EQ(Get("/readyz")->status, 200);
  const auto opening = Server::Listen(ServerOptions{}).value();
  const auto http = HttpServer::Start({.listen = "127.0.0.1:0"}, *opening).value();
  httplib::Client client("127.0.0.1", http->port());
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  EXPECT_EQ(client.Get("/metrics")->status, 200);
  const auto refused = client.Post("/vouch/v1/Admin/GetVersion", "{}", "application/json");
  EXPECT_EQ(refused->status, 503);
  EXPECT_THAT(refused->body, HasSubstr("opening its store"));
}

TEST_F(HttpTest, EveryMethodIsJson) {
  auto reply = Post("/vouch/v1/Search/Search",
                    {{"collection", "films"}, {"query", {{"text", {{"text", "desert"}}}}}});
  ASSERT_EQ(reply->status, 200) << reply->body;
  Json json = Json::parse(reply->body);
  EXPECT_EQ(json["version"], "1") << "64-bit numbers are texts";
  ASSERT_EQ(json["hits"].size(), 1u);
  EXPECT_EQ(json["hits"][0]["point"]["id"]["number"], "1");

  reply = Post("/vouch/v1/Points/Count", {{"collection", "nothing"}});
  EXPECT_EQ(reply->status, 404);
  json = Json::parse(reply->body);
  EXPECT_EQ(json["error"]["status"], "NOT_FOUND");
  EXPECT_THAT(json["error"]["message"].get<std::string>(), HasSubstr("nothing"));

  reply = Post("/vouch/v1/Points/Count", {{"colection", "films"}});
  EXPECT_EQ(reply->status, 400);
  EXPECT_THAT(reply->body, AllOf(HasSubstr("vouch.v1.CountRequest"), HasSubstr("colection")));
  EXPECT_EQ(Post("/vouch/v1/Points/Nothing", Json::object())->status, 404);
  EXPECT_EQ(Post("/vouch/v1/Nothing/Count", Json::object())->status, 404);
  EXPECT_EQ(Get("/vouch/v1/Points/Count")->status, 405);
  const Json methods = Json::parse(Get("/vouch/v1")->body)["methods"];
  EXPECT_THAT(methods, testing::Contains("/vouch/v1/Answers/AskStream"));
}

TEST_F(HttpTest, MethodsThatStreamGiveALineAMessage) {
  const auto reply = Post("/vouch/v1/Answers/AskStream",
                          {{"collection", "films"}, {"question", kQuestion},
                           {"mode", "RETRIEVAL_MODE_TEXT"}});
  ASSERT_EQ(reply->status, 200);
  const std::vector<std::string> lines = absl::StrSplit(reply->body, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 4u) << reply->body;
  EXPECT_TRUE(Json::parse(lines[0])["result"].contains("sources"));
  EXPECT_TRUE(Json::parse(lines[3])["result"].contains("done"));
  // A stream of requests is a body of lines.
  httplib::Client client = Client();
  const auto ingest = client.Post("/vouch/v1/Documents/Ingest", "{\"begin\": 7}", "application/json");
  EXPECT_EQ(ingest->status, 400);
  EXPECT_THAT(ingest->body, HasSubstr("line 1 is no vouch.v1.IngestRequest"));
}

TEST_F(HttpTest, AChatIsAnAnswerWithItsRecord) {
  const auto reply = Post("/v1/chat/completions", Chat(kQuestion));
  ASSERT_EQ(reply->status, 200) << reply->body;
  const Json json = Json::parse(reply->body);
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "collection:films");
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "A storm hides the desert. [1]");
  EXPECT_EQ(choice["finish_reason"], "stop");
  const Json& citation = choice["message"]["annotations"][0];
  EXPECT_EQ(citation["type"], "url_citation");
  EXPECT_EQ(citation["url_citation"]["start_index"], 0);
  EXPECT_EQ(citation["url_citation"]["end_index"], 25);
  EXPECT_THAT(citation["url_citation"]["url"].get<std::string>(), StartsWith("vouchdb://films/"));
  EXPECT_EQ(json["usage"]["total_tokens"], 0);
  const auto record =
      Post("/vouch/v1/Answers/GetAnswer", {{"id", json["vouch"]["answer_id"]}});
  EXPECT_EQ(Json::parse(record->body)["question"], kQuestion);
}

TEST_F(HttpTest, AChatStreamsEventsAsClientsExpectThem) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ChatStream("A storm hides the desert [1].", 50, 9);
  });
  Json chat = Chat(kQuestion);
  chat["stream"] = true;
  chat["stream_options"] = {{"include_usage", true}};
  const auto reply = Post("/v1/chat/completions", chat);
  ASSERT_EQ(reply->status, 200) << reply->body;
  EXPECT_THAT(reply->get_header_value("Content-Type"), StartsWith("text/event-stream"));
  const std::vector<Json> events = EventsOf(reply->body);
  ASSERT_GE(events.size(), 6u);
  EXPECT_EQ(events.front()["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  bool annotated = false;
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(events[i]["id"], events[0]["id"]);
    EXPECT_EQ(events[i]["created"], events[0]["created"]);
    EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
    if (i + 2 < events.size()) {
      EXPECT_TRUE(events[i]["usage"].is_null());
      const Json& delta = events[i]["choices"][0]["delta"];
      if (delta.contains("content")) text += delta["content"].get<std::string>();
      annotated |= delta.contains("annotations") && delta["annotations"].size() == 1;
    }
  }
  EXPECT_EQ(text, "A storm hides the desert [1].");
  EXPECT_TRUE(annotated);
  EXPECT_EQ(events[events.size() - 3]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(events[events.size() - 2]["choices"].empty());
  EXPECT_EQ(events[events.size() - 2]["usage"]["total_tokens"], 59);
  EXPECT_EQ(events.back(), "[DONE]");
  chat.erase("stream_options");
  EXPECT_THAT(Post("/v1/chat/completions", chat)->body, Not(HasSubstr("\"usage\"")));
}

TEST_F(HttpTest, AChatMayNameAPipelineAndItsVersion) {
  v1::PipelineSpec spec;
  spec.set_name("support");
  spec.set_collection("films");
  spec.mutable_retrieve()->set_mode(v1::RETRIEVAL_MODE_TEXT);
  ApplyPipeline(spec);
  for (const std::string model : {"support", "support@1"}) {
    const auto reply = Post("/v1/chat/completions", Chat(kQuestion, model));
    ASSERT_EQ(reply->status, 200) << reply->body;
    const Json json = Json::parse(reply->body);
    EXPECT_EQ(json["vouch"]["pipeline"], "support@1");
    EXPECT_EQ(json["vouch"]["pipeline_hash"].get<std::string>().size(), 32u);
  }
  const auto missing = Post("/v1/chat/completions", Chat(kQuestion, "support@2"));
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(Json::parse(missing->body)["error"]["code"], "model_not_found");
  const Json models = Json::parse(Get("/v1/models")->body);
  std::vector<std::string> ids;
  for (const Json& model : models["data"]) ids.push_back(model["id"]);
  EXPECT_THAT(ids, ElementsAre("support", "collection:films"));
  EXPECT_EQ(Json::parse(Get("/v1/models/support")->body)["id"], "support");
  EXPECT_EQ(Get("/v1/models/nothing")->status, 404);
}

TEST_F(HttpTest, MistakesAreOpenAisErrors) {
  const auto error = [this](Json chat) {
    const auto reply = Post("/v1/chat/completions", chat);
    EXPECT_EQ(reply->status, 400) << reply->body;
    Json found = Json::parse(reply->body)["error"];
    EXPECT_EQ(found.size(), 4u) << found;
    EXPECT_EQ(found["type"], "invalid_request_error");
    return found;
  };
  Json chat = Chat("q");
  chat["messages"][0]["content"] = Json::array({{{"type", "image_url"}}});
  EXPECT_EQ(error(chat)["param"], "messages[0].content[0]");
  chat = Chat("q");
  chat["messages"][0]["role"] = "assistant";
  EXPECT_EQ(error(chat)["param"], "messages[0].role");
  EXPECT_EQ(error({{"model", "collection:films"}})["param"], "messages");
  EXPECT_EQ(error({{"messages", Json::array()}})["param"], "model");
  chat = Chat("q");
  chat["n"] = 2;
  EXPECT_EQ(error(chat)["param"], "n");
  EXPECT_THAT(error(Chat(""))["message"].get<std::string>(), HasSubstr("the question is empty"));
  EXPECT_THAT(error(Chat(std::string(70'000, 'x')))["message"].get<std::string>(),
              HasSubstr("the limit is 65536"));
  EXPECT_THAT(error(Json::array())["message"].get<std::string>(), HasSubstr("no JSON object"));
}

TEST_F(HttpTest, AnErrorMidStreamIsTheLastEvent) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A storm ")}},
                              .end = ModelServer::End::kCut};
  });
  Json chat = Chat(kQuestion);
  chat["stream"] = true;
  const auto reply = Post("/v1/chat/completions", chat);
  EXPECT_EQ(reply->status, 200);
  const std::vector<Json> events = EventsOf(reply->body);
  EXPECT_TRUE(events.back().contains("error")) << reply->body;
  EXPECT_EQ(events.back()["error"]["type"], "server_error");
}

TEST_F(HttpTest, AClientThatGoesEndsTheModelsCall) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A storm ")}},
                              .end = ModelServer::End::kSilent};
  });
  Json chat = Chat(kQuestion);
  chat["stream"] = true;
  httplib::Client client = Client();
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/chat/completions";
  request.body = chat.dump();
  request.content_receiver = [](const char* bytes, size_t size, uint64_t, uint64_t) {
    return std::string(bytes, size).find("A storm") == std::string::npos;  // then it goes
  };
  (void)client.send(request);
  client.stop();
  // The call is over, and its tokens are settled, though the model never ended.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  SpendBook book;
  do {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    book = ledger_->Read("default", ledger_->Today()).value();
  } while (server_->RenderMetrics().find("vouch_rpc_running 0") == std::string::npos &&
           std::chrono::steady_clock::now() < until);
  EXPECT_THAT(server_->RenderMetrics(),
              AllOf(HasSubstr("vouch_rpc_running 0"), HasSubstr("outcome=\"CANCELLED\"")));
  EXPECT_TRUE(database_->store().ListAnswers("default", 10)->empty());
}

// The model never says more: were no comment sent, the client would wait for ever.
TEST_F(HttpTest, AStreamThatIsSilentIsKeptAliveByComments) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A storm ")}},
                              .end = ModelServer::End::kSilent};
  });
  ServeHttp({.keep_alive = std::chrono::milliseconds(20)});
  Json chat = Chat(kQuestion);
  chat["stream"] = true;
  httplib::Client client = Client();
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/chat/completions";
  request.body = chat.dump();
  std::string seen;
  request.content_receiver = [&seen](const char* bytes, size_t size, uint64_t, uint64_t) {
    seen.append(bytes, size);
    return CommentsIn(seen) < 3;  // then it goes
  };
  (void)client.send(request);
  client.stop();
  EXPECT_THAT(seen, StartsWith("data: ")) << "the first is an event";
  EXPECT_GE(CommentsIn(seen), 3u) << seen;
}

TEST_F(HttpTest, CommentsStandBetweenEventsAndChangeNone) {
  ServeModel([](size_t, const ModelServer::Request&) {
    ModelServer::Reply reply = ChatStream("A storm hides the desert [1].", 50, 9);
    for (ModelServer::Piece& piece : reply.pieces) piece.pause_ms = 60;
    return reply;
  });
  Json chat = Chat(kQuestion);
  chat["stream"] = true;
  const auto text = [&] {
    std::string all;
    const auto reply = Post("/v1/chat/completions", chat);
    for (const Json& event : EventsOf(absl::StrReplaceAll(reply->body, {{kComment, ""}}))) {
      if (event.is_object() && !event["choices"].empty()) all += event["choices"][0]["delta"].value("content", "");
    }
    return all;
  };
  const std::string without = text();
  ServeHttp({.keep_alive = std::chrono::milliseconds(1)});
  EXPECT_EQ(text(), without);
}

// Nothing goes out while the status may still be an error's: here the model that writes the question anew is silent.
TEST_F(HttpTest, NoCommentComesBeforeTheStatus) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("Why ")}}, .end = ModelServer::End::kSilent};
  });
  ServeHttp({.keep_alive = std::chrono::milliseconds(1)});
  v1::PipelineSpec spec;
  spec.set_name("again");
  spec.set_collection("films");
  spec.mutable_rewrite()->set_standalone(true);
  ApplyPipeline(spec);
  Json chat = Chat("And the sea?", "again");
  chat["messages"].insert(chat["messages"].begin(), Json{{"role", "assistant"}, {"content", "A storm does."}});
  chat["messages"].insert(chat["messages"].begin(), Json{{"role", "user"}, {"content", kQuestion}});
  chat["stream"] = true;
  const auto reply = Post("/v1/chat/completions", chat, {{"Vouch-Timeout-Ms", "400"}});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 504) << reply->body;
  EXPECT_TRUE(Json::parse(reply->body).contains("error"));
}

TEST_F(HttpTest, DeadlinesReachTheModel) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ModelServer::Reply{.pieces = {{ChatTextEvent("A storm ")}},
                              .end = ModelServer::End::kSilent};
  });
  auto reply = Post("/v1/chat/completions", Chat(kQuestion), {{"Vouch-Timeout-Ms", "300"}});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 504) << reply->body;
  reply = Post("/v1/chat/completions", Chat(kQuestion), {{"Vouch-Timeout-Ms", "soon"}});
  EXPECT_EQ(reply->status, 400);
  EXPECT_THAT(reply->body, HasSubstr("Vouch-Timeout-Ms is 'soon'"));
}

TEST_F(HttpTest, TextsAreEmbeddedByTheCollectionsOwn) {
  v1::CreateCollectionRequest create;
  create.set_name("notes");
  v1::DenseField* dense = create.mutable_schema()->add_dense();
  dense->set_name("e");
  dense->set_dim(16);
  dense->set_metric(v1::METRIC_COSINE);
  dense->set_embedder("builtin/hash?dim=16");
  v1::Collection made;
  const grpc::Status status =
      Call(collections_, &v1::Collections::Stub::CreateCollection, create, &made);
  ASSERT_TRUE(status.ok()) << status.error_message();
  auto reply = Post("/v1/embeddings", {{"model", "notes"}, {"input", {"a storm", "the sea"}}});
  ASSERT_EQ(reply->status, 200) << reply->body;
  const Json floats = Json::parse(reply->body);
  ASSERT_EQ(floats["data"].size(), 2u);
  EXPECT_EQ(floats["data"][1]["index"], 1);
  ASSERT_EQ(floats["data"][0]["embedding"].size(), 16u);
  EXPECT_GT(floats["usage"]["prompt_tokens"], 0);
  reply = Post("/v1/embeddings", {{"model", "collection:notes/e"},
                                  {"input", "a storm"},
                                  {"encoding_format", "base64"}});
  ASSERT_EQ(reply->status, 200) << reply->body;
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(
      Json::parse(reply->body)["data"][0]["embedding"].get<std::string>(), &bytes));
  ASSERT_EQ(bytes.size(), 16 * sizeof(float));
  std::vector<float> values(16);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  EXPECT_EQ(values, floats["data"][0]["embedding"].get<std::vector<float>>());
  EXPECT_EQ(Post("/v1/embeddings", {{"model", "films"}, {"input", "x"}})->status, 400)
      << "its field has no embedder";
  EXPECT_EQ(Post("/v1/embeddings", {{"model", "none"}, {"input", "x"}})->status, 404);
  EXPECT_EQ(Json::parse(Post("/v1/embeddings", {{"model", "notes"}, {"input", {1, 2}}})->body)
                ["error"]["param"],
            "input[0]");
}

TEST_F(HttpTest, MetricsCountCallsModelsAndCollections) {
  ServeModel([](size_t, const ModelServer::Request&) {
    return ChatStream("A storm hides the desert [1].", 50, 9);
  });
  ASSERT_EQ(Post("/v1/chat/completions", Chat(kQuestion))->status, 200);
  ASSERT_EQ(Post("/vouch/v1/Points/Count", {{"collection", "nothing"}})->status, 404);
  ASSERT_EQ(Get("/made/up/page")->status, 404);
  const std::string text = Get("/metrics")->body;
  EXPECT_THAT(text, AllOf(HasSubstr("vouch_rpc_requests_total{code=\"OK\",method=\"vouch.v1.Answers/Ask\"} 1"),
                          HasSubstr("code=\"NOT_FOUND\""),
                          HasSubstr("vouch_model_tokens_total{kind=\"prompt\",model=\"m\"} 50"),
                          HasSubstr("vouch_model_cost_total"),
                          HasSubstr("vouch_collection_points{collection=\"films\",tenant=\"default\"} 2"),
                          HasSubstr("process_resident_memory_bytes"),
                          HasSubstr("page=\"other\"")));
  EXPECT_THAT(text, Not(HasSubstr("made/up")));
}

TEST_F(HttpTest, WhatIsTooLargeOrTooManyIsRefused) {
  ServeHttp({.max_message_mb = 1, .connections = 1});
  {
    httplib::Client client = Client();
    const auto large = client.Post("/v1/embeddings", std::string((1 << 20) + 1'000, ' '),
                                   "application/json");
    ASSERT_TRUE(large);
    EXPECT_EQ(large->status, 413);
    EXPECT_THAT(large->body, HasSubstr("1 MiB, which is the limit"));
  }
  ServeHttp({.max_message_mb = 1, .connections = 1});
  httplib::Client first = Client();
  first.set_keep_alive(true);
  ASSERT_EQ(first.Get("/healthz")->status, 200);
  const auto second = Get("/healthz");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->status, 503);
  EXPECT_EQ(second->get_header_value("Retry-After"), "1");
  EXPECT_EQ(first.Get("/healthz")->status, 200) << "the first one goes on";
  EXPECT_EQ(first.Get("/" + std::string(4'000, 'a'))->status, 414);
}

// All at once, so that they wait to be taken.
TEST_F(HttpTest, ABurstOfClientsIsServed) {
  ServeHttp({.max_message_mb = 1, .connections = 256});
  std::atomic<int> served = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 150; ++i) {
    clients.emplace_back([&] {
      const auto reply = Get("/healthz");
      served += reply && reply->status == 200 ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served.load(), 150);
}

TEST_F(HttpTest, ItShutsDownWhileClientsIdle) {
  httplib::Client client = Client();
  client.set_keep_alive(true);
  ASSERT_EQ(client.Get("/healthz")->status, 200);
  const auto began = std::chrono::steady_clock::now();
  http_->Shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20))
      << "an idle connection would last a minute";
}

TEST_F(HttpTest, APortInUseIsNamed) {
  const auto second = HttpServer::Start({.listen = http_->address()}, *server_);
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(http_->address()), HasSubstr("--http-listen")));
}

}  // namespace
}  // namespace vouch
