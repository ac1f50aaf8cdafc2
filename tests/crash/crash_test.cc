// Kills the server with kill -9 at random moments under mixed writes, again and again on the same store, and compares
// what it holds after each start with what was acknowledged.
//
// Each client owns its ids, so that it knows what they must hold: the state after its last acknowledged write, or, all or
// nothing, that after the one write that was under way. That write is sent again with its request id; afterwards there is no
// doubt left.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/crash/server_process.h"
#include "tests/support/temp_dir.h"
#include "vouch/v1/collections.grpc.pb.h"
#include "vouch/v1/points.grpc.pb.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

constexpr char kCollection[] = "crash";
constexpr int kClients = 4;
constexpr uint64_t kIdsPerClient = 60;
constexpr int kDim = 8;

int Kills() {
  const char* text = std::getenv("VOUCH_CRASH_KILLS");
  return text == nullptr ? 300 : std::atoi(text);
}

struct Write {
  uint64_t number = 0;
  std::vector<uint64_t> ids = {};
  bool deletes = false;
};

std::vector<float> VectorOf(uint64_t id, uint64_t number) {
  std::mt19937 random(static_cast<uint32_t>(id * 7919 + number));
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDim);
  for (float& value : vector) value = normal(random);
  return vector;
}

// One writer and what it knows. Its ids map to the number of the write that they hold; absent: deleted or never there.
class Client {
 public:
  Client(int index, uint64_t seed) : index_(index), random_(seed) {}

  void Connect(const std::string& address) {
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    points_ = v1::Points::NewStub(channel_);
    search_ = v1::Search::NewStub(channel_);
  }

  // Writes until the server is gone.
  void WriteUntilKilled() {
    while (true) {
      pending_ = NextWrite();
      if (!Send(*pending_).has_value()) return;
      Apply(*pending_);
      pending_.reset();
      ++acknowledged_;
    }
  }

  // After a restart. Settles the write that was under way.
  void CheckAndSettle() {
    const std::map<uint64_t, uint64_t> found = ReadAll();
    if (pending_.has_value()) {
      std::map<uint64_t, uint64_t> after = state_;
      ApplyTo(*pending_, &after);
      const bool happened = found == after && after != state_;
      ASSERT_TRUE(found == state_ || found == after)
          << "client " << index_ << ": write " << pending_->number << " of " << pending_->ids.size()
          << " ids is half there, or an acknowledged write is lost";
      const std::optional<v1::WriteReply> reply = Send(*pending_);
      ASSERT_TRUE(reply.has_value());
      if (happened) {
        EXPECT_TRUE(reply->replayed()) << "a known request id was taken for a new one";
      }
      Apply(*pending_);
      pending_.reset();
      EXPECT_EQ(ReadAll(), state_) << "client " << index_ << " after sending the last write again";
    } else {
      EXPECT_EQ(found, state_) << "client " << index_;
    }
    if (!state_.empty()) CheckSearch(*std::next(state_.begin(), random_() % state_.size()));
  }

  uint64_t acknowledged() const { return acknowledged_; }
  size_t live() const { return state_.size(); }

 private:
  Write NextWrite() {
    Write write{.number = ++last_number_, .deletes = random_() % 4 == 0};
    const uint64_t count = random_() % 3 == 0 ? 1 : 1 + random_() % 20;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t id = static_cast<uint64_t>(index_) * 1000 + random_() % kIdsPerClient;
      if (std::find(write.ids.begin(), write.ids.end(), id) == write.ids.end()) write.ids.push_back(id);
    }
    return write;
  }

  std::optional<v1::WriteReply> Send(const Write& write) {
    grpc::ClientContext context;
    v1::WriteReply reply;
    grpc::Status status;
    const std::string request_id = std::to_string(index_) + "-" + std::to_string(write.number);
    if (write.deletes) {
      v1::DeleteRequest request;
      request.set_collection(kCollection);
      request.set_request_id(request_id);
      for (uint64_t id : write.ids) request.add_ids()->set_number(id);
      status = points_->Delete(&context, request, &reply);
    } else {
      v1::UpsertRequest request;
      request.set_collection(kCollection);
      request.set_request_id(request_id);
      for (uint64_t id : write.ids) {
        v1::Point& point = *request.add_points();
        point.mutable_id()->set_number(id);
        const std::vector<float> vector = VectorOf(id, write.number);
        (*point.mutable_vectors())["v"].mutable_values()->Add(vector.begin(), vector.end());
        point.set_payload_json("{\"write\":" + std::to_string(write.number) + ",\"text\":\"write number " +
                               std::to_string(write.number) + "\"}");
      }
      status = points_->Upsert(&context, request, &reply);
    }
    if (status.ok()) return reply;
    EXPECT_TRUE(status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                status.error_code() == grpc::StatusCode::CANCELLED)
        << status.error_code() << " " << status.error_message();
    return std::nullopt;
  }

  static void ApplyTo(const Write& write, std::map<uint64_t, uint64_t>* state) {
    for (uint64_t id : write.ids) {
      if (write.deletes) {
        state->erase(id);
      } else {
        (*state)[id] = write.number;
      }
    }
  }
  void Apply(const Write& write) { ApplyTo(write, &state_); }

  // What the server holds of our ids; checks that vectors and payload belong together.
  std::map<uint64_t, uint64_t> ReadAll() {
    grpc::ClientContext context;
    v1::GetRequest request;
    request.set_collection(kCollection);
    request.mutable_projection()->set_vectors(true);
    for (uint64_t i = 0; i < kIdsPerClient; ++i) {
      request.add_ids()->set_number(static_cast<uint64_t>(index_) * 1000 + i);
    }
    v1::GetResponse response;
    const grpc::Status status = points_->Get(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::map<uint64_t, uint64_t> found;
    for (const v1::Point& point : response.points()) {
      const uint64_t id = point.id().number();
      const auto payload = nlohmann::json::parse(point.payload_json());
      found[id] = payload.at("write").get<uint64_t>();
      const std::vector<float> expected = VectorOf(id, found[id]);
      const auto& values = point.vectors().at("v").values();
      EXPECT_TRUE(std::equal(values.begin(), values.end(), expected.begin(), expected.end()))
          << "point " << id << " has the vector of another write";
    }
    return found;
  }

  void CheckSearch(const std::pair<const uint64_t, uint64_t>& entry) {
    grpc::ClientContext context;
    v1::SearchRequest request;
    request.set_collection(kCollection);
    request.set_limit(1);
    v1::DenseQuery& dense = *request.mutable_query()->mutable_dense();
    const std::vector<float> vector = VectorOf(entry.first, entry.second);
    dense.mutable_vector()->Add(vector.begin(), vector.end());
    dense.set_exact(true);
    v1::SearchResponse response;
    const grpc::Status status = search_->Search(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.hits_size(), 1);
    EXPECT_EQ(response.hits(0).point().id().number(), entry.first);
  }

  const int index_;
  std::mt19937_64 random_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Points::Stub> points_;
  std::unique_ptr<v1::Search::Stub> search_;
  std::map<uint64_t, uint64_t> state_;
  std::optional<Write> pending_;
  uint64_t last_number_ = 0;
  uint64_t acknowledged_ = 0;
};

void CreateCollection(const std::string& address) {
  auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  auto collections = v1::Collections::NewStub(channel);
  v1::CreateCollectionRequest request;
  request.set_name(kCollection);
  v1::DenseField& dense = *request.mutable_schema()->add_dense();
  dense.set_name("v");
  dense.set_dim(kDim);
  dense.set_metric(v1::METRIC_L2);
  v1::TextField& text = *request.mutable_schema()->add_text();
  text.set_name("text");
  text.add_paths("text");
  grpc::ClientContext context;
  v1::Collection reply;
  const grpc::Status status = collections->CreateCollection(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

uint64_t Count(const std::string& address) {
  auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  auto points = v1::Points::NewStub(channel);
  v1::CountRequest request;
  request.set_collection(kCollection);
  grpc::ClientContext context;
  v1::CountResponse reply;
  EXPECT_TRUE(points->Count(&context, request, &reply).ok());
  return reply.count();
}

TEST(Crash, NoAcknowledgedWriteIsLostAndNoCommitIsHalfThere) {
  const char* seed_text = std::getenv("VOUCH_SEED");
  const uint64_t seed = seed_text == nullptr ? std::random_device()() : std::strtoull(seed_text, nullptr, 10);
  const int kills = Kills();
  std::printf("seed %llu, %d kills\n", static_cast<unsigned long long>(seed), kills);
  std::mt19937_64 random(seed);
  TempDir dir;
  const std::string data = dir.File("data");
  // Small segments, so that builds, merges and index files are under way when the kill comes.
  const std::vector<std::string> flags = {"--seal-rows", "300"};

  std::vector<std::unique_ptr<Client>> clients;
  for (int c = 0; c < kClients; ++c) clients.push_back(std::make_unique<Client>(c, random()));

  for (int kill = 0; kill <= kills; ++kill) {
    auto server = ServerProcess::Start(VOUCH_BINARY, data, dir.File("log"), flags);
    ASSERT_NE(server, nullptr) << "start " << kill << " failed; seed " << seed;
    if (kill == 0) {
      ASSERT_NO_FATAL_FAILURE(CreateCollection(server->address()));
    }
    size_t live = 0;
    for (auto& client : clients) {
      client->Connect(server->address());
      ASSERT_NO_FATAL_FAILURE(client->CheckAndSettle()) << "kill " << kill << ", seed " << seed;
      live += client->live();
    }
    ASSERT_EQ(Count(server->address()), live) << "after kill " << kill << ", seed " << seed;
    ASSERT_FALSE(testing::Test::HasFailure()) << "after kill " << kill << ", seed " << seed;
    if (kill == kills) {
      EXPECT_EQ(server->Stop(), 0);
      break;
    }
    std::vector<std::thread> threads;
    for (auto& client : clients) threads.emplace_back([&client] { client->WriteUntilKilled(); });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 120'000));  // the random moment
    server->Kill();
    for (std::thread& thread : threads) thread.join();
  }
  uint64_t acknowledged = 0;
  for (const auto& client : clients) acknowledged += client->acknowledged();
  std::printf("%llu acknowledged writes\n", static_cast<unsigned long long>(acknowledged));
  EXPECT_GT(acknowledged, static_cast<uint64_t>(kills));
  EXPECT_EQ(std::system((std::string(VOUCH_BINARY) + " verify --data '" + data + "'").c_str()), 0);
}

}  // namespace
}  // namespace vouch
