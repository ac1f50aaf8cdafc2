#include "api/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <thread>

#include "tests/api/api_fixture.h"
#include "vouch/v1/admin.grpc.pb.h"
#include "vouch/v1/documents.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

constexpr char kServing[] = "\x08\x01";     // HealthCheckResponse{status: SERVING}
constexpr char kNotServing[] = "\x08\x02";  // NOT_SERVING

// The reply's bytes; the status where it is not OK.
std::string HealthOf(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  std::string request;  // HealthCheckRequest{service}
  if (!service.empty())
    request = "\n" + std::string(1, static_cast<char>(service.size())) + service;
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", BufferOf(request), &queue);
  call->StartCall();
  grpc::ByteBuffer reply;
  grpc::Status status;
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok));
  return status.ok() ? BytesOf(reply) : status.error_message();
}

TEST_F(ApiTest, HealthSaysServing) {
  EXPECT_EQ(HealthOf(channel_, ""), kServing);
  EXPECT_EQ(HealthOf(channel_, "vouch.v1.Search"), kServing);
}

TEST_F(ApiTest, BeforeItOpensOnlyHealthAnswers) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  const auto server = Server::Listen(options);
  ASSERT_TRUE(server.ok()) << server.status();
  UseChannel(grpc::CreateChannel((*server)->address(), grpc::InsecureChannelCredentials()));
  EXPECT_EQ(HealthOf(channel_, ""), kNotServing);
  EXPECT_EQ(HealthOf(channel_, "vouch.v1.Points"), kNotServing);
  v1::CountRequest request;
  request.set_collection("films");
  v1::CountResponse response;
  const grpc::Status status = Call(points_, &v1::Points::Stub::Count, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("opening its store"));

  (*server)->Open(*database_, embedders_);
  EXPECT_EQ(HealthOf(channel_, ""), kServing);
  EXPECT_EQ(HealthOf(channel_, "vouch.v1.Points"), kServing);
  CreateFilms();
}

// An Ingest call that the server is in, since it has answered.
class OpenCall {
 public:
  explicit OpenCall(const std::shared_ptr<grpc::Channel>& channel)
      : documents_(v1::Documents::NewStub(channel)), stream_(documents_->Ingest(&context_)) {
    v1::IngestRequest request;
    request.mutable_options()->set_collection("notes");
    EXPECT_TRUE(stream_->Write(request));
    request.mutable_offer();
    EXPECT_TRUE(stream_->Write(request));
    v1::IngestReply reply;
    EXPECT_TRUE(stream_->Read(&reply));
  }
  grpc::Status End() {
    v1::IngestRequest request;
    request.mutable_finish();
    stream_->Write(request);
    v1::IngestReply reply;
    while (stream_->Read(&reply)) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::Documents::Stub> documents_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::IngestRequest, v1::IngestReply>> stream_;
};

TEST_F(ApiTest, CallsOverTheLimitAreRefusedAtOnce) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.request_threads = 4;
  Start(options);
  UseChannel(grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  CreateFilms();
  UpsertFilms();
  std::vector<std::unique_ptr<OpenCall>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(std::make_unique<OpenCall>(channel_));

  v1::CountRequest request;
  request.set_collection("films");
  v1::CountResponse response;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {  // more than there are threads in all
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        v1::CountResponse refused;
        const grpc::Status status = Call(points_, &v1::Points::Stub::Count, request, &refused);
        EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
            << status.error_message();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const grpc::Status status = Call(points_, &v1::Points::Stub::Count, request, &response);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("4 calls"), HasSubstr("request_threads")));
  EXPECT_EQ(HealthOf(channel_, ""), kServing) << "a full server is not a broken one";

  EXPECT_TRUE(calls.back()->End().ok());
  // The caller may hear of the end some time before the place is free.
  grpc::Status later = status;
  while (later.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    later = Call(points_, &v1::Points::Stub::Count, request, &response);
  }
  EXPECT_TRUE(later.ok()) << later.error_message();
  calls.pop_back();
  for (const auto& call : calls) EXPECT_TRUE(call->End().ok());
}

TEST_F(ApiTest, AStoppingServerEndsWhatRunsAndRefusesWhatComes) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  Start(options);
  UseChannel(grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  CreateFilms();
  UpsertFilms();
  OpenCall running(channel_);
  std::thread stop([this] { server_->Shutdown(absl::InfiniteDuration()); });
  v1::CountRequest request;
  request.set_collection("films");
  v1::CountResponse response;
  grpc::Status status;
  while (status.ok()) status = Call(points_, &v1::Points::Stub::Count, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_TRUE(running.End().ok()) << "it was running when the server was told to stop";
  stop.join();
}

TEST_F(ApiTest, ReflectionListsTheServices) {
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  call->Write(BufferOf("\x3a\x01*"), nullptr);  // ServerReflectionRequest{list_services: "*"}
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::ByteBuffer reply;
  call->Read(&reply, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  const std::string bytes = BytesOf(reply);
  for (const char* service :
       {"vouch.v1.Collections", "vouch.v1.Points", "vouch.v1.Search", "vouch.v1.Documents",
        "vouch.v1.Answers", "vouch.v1.Evaluation", "vouch.v1.Admin", "grpc.health.v1.Health"}) {
    EXPECT_THAT(bytes, HasSubstr(service));
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
}

TEST_F(ApiTest, ListensOnAPortThatTheSystemChooses) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  Start(options);
  ASSERT_GT(server_->port(), 0);
  EXPECT_EQ(server_->address(), "127.0.0.1:" + std::to_string(server_->port()));
  UseChannel(grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  CreateFilms();

  ServerOptions taken;
  taken.listen = server_->address();
  const auto second = Server::Start(taken, *database_, embedders_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server_->address()));
}

TEST_F(ApiTest, BadAddressesAreRefused) {
  for (const char* address :
       {"7700", "localhost", ":7700", "127.0.0.1:port", "127.0.0.1:70000", "::1:7700"}) {
    ServerOptions options;
    options.listen = address;
    const auto server = Server::Start(options, *database_, embedders_);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(address));
  }
}

TEST_F(ApiTest, MessagesOverTheLimitAreRefused) {
  ServerOptions options;
  options.max_message_mb = 1;
  Start(options);
  CreateFilms();
  v1::WriteReply reply;
  const grpc::Status status =
      Upsert({Film(1, {1, 2}, "{\"a\": \"" + std::string(1 << 20, 'x') + "\"}")}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("1048576"));
  UpsertFilms();
}

TEST_F(ApiTest, APassedDeadlineStopsTheCall) {
  CreateFilms();
  UpsertFilms();
  v1::SearchRequest request;
  request.set_collection("films");
  request.mutable_query()->mutable_all();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
  v1::SearchResponse response;
  EXPECT_EQ(search_->Search(&context, request, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ApiTest, ACancelledStreamEndsOnBothSides) {
  const auto documents = v1::Documents::NewStub(channel_);
  grpc::ClientContext context;
  const auto stream = documents->Ingest(&context);
  v1::IngestRequest request;
  request.mutable_options()->set_collection("notes");
  ASSERT_TRUE(stream->Write(request));
  request.mutable_offer();
  ASSERT_TRUE(stream->Write(request));
  v1::IngestReply reply;
  ASSERT_TRUE(stream->Read(&reply)) << "the server is in the call";
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(
      absl::InfiniteDuration());  // returns only if the call has ended on the server, too
}

TEST_F(ApiTest, ShutdownDoesNotWaitForeverForACall) {
  const auto documents = v1::Documents::NewStub(channel_);
  grpc::ClientContext context;
  const auto stream = documents->Ingest(&context);
  v1::IngestRequest request;
  request.mutable_options()->set_collection("notes");
  ASSERT_TRUE(stream->Write(request));
  request.mutable_offer();
  ASSERT_TRUE(stream->Write(request));
  v1::IngestReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  server_->Shutdown(absl::ZeroDuration());
  while (stream->Read(&reply)) {
  }
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(ApiTest, AdminTellsVersionAndStatusAndBacksUp) {
  CreateFilms();
  UpsertFilms();
  const auto admin = v1::Admin::NewStub(channel_);
  v1::VersionReply version;
  ASSERT_TRUE(Call(admin, &v1::Admin::Stub::GetVersion, v1::GetVersionRequest(), &version).ok());
  EXPECT_EQ(version.version(), VOUCH_VERSION);
  EXPECT_EQ(version.api(), "vouch.v1");
  v1::StatusReply status;
  ASSERT_TRUE(Call(admin, &v1::Admin::Stub::GetStatus, v1::GetStatusRequest(), &status).ok());
  ASSERT_EQ(status.collections_size(), 1);
  EXPECT_EQ(status.collections(0).points(), 5u);

  const auto back_up = [&](const std::string& directory, v1::BackupReply* last) {
    v1::BackupRequest request;
    request.set_directory(directory);
    grpc::ClientContext context;
    const auto reader = admin->Backup(&context, request);
    v1::BackupReply reply;
    while (reader->Read(&reply)) *last = reply;
    return reader->Finish();
  };
  v1::BackupReply last;
  EXPECT_EQ(back_up("relative/path", &last).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(back_up(dir_.File("backups"), &last).ok());
  EXPECT_EQ(last.backup(), 1u);
  EXPECT_EQ(ListBackups(dir_.File("backups"))->size(), 1u);
}

TEST_F(ApiTest, ManyThreadsAtOnce) {
  CreateFilms();
  UpsertFilms();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 20; ++i) {
        v1::WriteReply written;
        EXPECT_TRUE(Upsert({Film(100 + 20 * t + i, {1, 1}, "{}")}, &written).ok());
        v1::SearchRequest request;
        request.set_collection("films");
        request.mutable_query()->mutable_dense()->add_vector(0);
        request.mutable_query()->mutable_dense()->add_vector(0);
        v1::SearchResponse response;
        EXPECT_TRUE(Call(search_, &v1::Search::Stub::Search, request, &response).ok());
        EXPECT_GE(response.version(), written.version())
            << "a write is visible once it is acknowledged";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  v1::CountRequest request;
  request.set_collection("films");
  v1::CountResponse response;
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Count, request, &response).ok());
  EXPECT_EQ(response.count(), 165u);
}

}  // namespace
}  // namespace vouch
