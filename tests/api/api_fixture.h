#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/server.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "tests/support/temp_dir.h"
#include "vouch/v1/collections.grpc.pb.h"
#include "vouch/v1/points.grpc.pb.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {

// A database in a folder of its own, served in process. The collection "films" has a dense field
// "v" (2 dimensions, L2), a text field over "title", and payload fields "year" and "lang".
class ApiTest : public testing::Test {
 protected:
  ApiTest() { Start(ServerOptions{}); }

  void Start(const ServerOptions& options) {
    server_.reset();
    if (database_ == nullptr) {
      DatabaseOptions database_options;
      database_options.path = dir_.File("data");
      auto database = Database::Open(std::move(database_options));
      ASSERT_TRUE(database.ok()) << database.status();
      database_ = *std::move(database);
    }
    auto server = Server::Start(options, *database_, embedders_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    UseChannel(server_->InProcessChannel());
  }

  void UseChannel(std::shared_ptr<grpc::Channel> channel) {
    channel_ = std::move(channel);
    collections_ = v1::Collections::NewStub(channel_);
    points_ = v1::Points::NewStub(channel_);
    search_ = v1::Search::NewStub(channel_);
  }

  // Calls a method of a stub with a context of its own.
  template <class Stub, class Method, class Request, class Reply>
  grpc::Status Call(const Stub& stub, Method method, const Request& request, Reply* reply) {
    grpc::ClientContext context;
    return ((*stub).*method)(&context, request, reply);
  }

  void CreateFilms() {
    v1::CreateCollectionRequest request;
    request.set_name("films");
    v1::DenseField* dense = request.mutable_schema()->add_dense();
    dense->set_name("v");
    dense->set_dim(2);
    dense->set_metric(v1::METRIC_L2);
    v1::TextField* text = request.mutable_schema()->add_text();
    text->set_name("title");
    text->add_paths("title");
    v1::PayloadField* year = request.mutable_schema()->add_payload();
    year->set_path("year");
    year->set_type(v1::PAYLOAD_TYPE_INTEGER);
    request.mutable_schema()->add_payload()->set_path("lang");
    v1::Collection reply;
    const grpc::Status status =
        Call(collections_, &v1::Collections::Stub::CreateCollection, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  static v1::Point Film(uint64_t id, std::vector<float> vector, const std::string& payload) {
    v1::Point point;
    point.mutable_id()->set_number(id);
    (*point.mutable_vectors())["v"].mutable_values()->Assign(vector.begin(), vector.end());
    point.set_payload_json(payload);
    return point;
  }

  grpc::Status Upsert(const std::vector<v1::Point>& points, v1::WriteReply* reply,
                      const std::string& request_id = "") {
    v1::UpsertRequest request;
    request.set_collection("films");
    request.set_request_id(request_id);
    for (const v1::Point& point : points) *request.add_points() = point;
    return Call(points_, &v1::Points::Stub::Upsert, request, reply);
  }

  // Five films at (1, 0) … (5, 0).
  void UpsertFilms() {
    v1::WriteReply reply;
    const grpc::Status status =
        Upsert({Film(1, {1, 0}, R"({"title": "alien desert", "year": 1979, "lang": "en"})"),
                Film(2, {2, 0}, R"({"title": "desert storm", "year": 1991, "lang": "de"})"),
                Film(3, {3, 0}, R"({"title": "the quiet sea", "year": 2001, "lang": "en"})"),
                Film(4, {4, 0}, R"({"title": "storm at sea", "year": 2011, "lang": "fr"})"),
                Film(5, {5, 0}, R"({"title": "nothing more"})")},
               &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  static std::vector<uint64_t> IdsOf(const v1::SearchResponse& response) {
    std::vector<uint64_t> ids;
    for (const v1::Hit& hit : response.hits()) ids.push_back(hit.point().id().number());
    return ids;
  }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  EmbedderRegistry embedders_{ModelServerOptions{}};
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Collections::Stub> collections_;
  std::unique_ptr<v1::Points::Stub> points_;
  std::unique_ptr<v1::Search::Stub> search_;
};

}  // namespace vouch
