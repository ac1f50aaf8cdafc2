// BuildKills the server with kill -9 while indexes are built and merged, and looks after each start whether every row is found and
// every file that is there is whole.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/server_process.h"
#include "tests/support/temp_dir.h"
#include "vouch/v1/collections.grpc.pb.h"
#include "vouch/v1/points.grpc.pb.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

constexpr char kBuilt[] = "built";
constexpr int kBuiltDim = 32;
constexpr uint64_t kRowsPerRound = 900;

int BuildKills() {
  const char* text = std::getenv("VOUCH_BUILD_KILLS");
  return text == nullptr ? 12 : std::atoi(text);
}

std::vector<float> VectorOf(uint64_t id) {
  std::mt19937 random(static_cast<uint32_t>(id));
  std::normal_distribution<float> normal;
  std::vector<float> vector(kBuiltDim);
  for (float& value : vector) value = normal(random);
  return vector;
}

class Server {
 public:
  explicit Server(const std::string& address)
      : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        collections_(v1::Collections::NewStub(channel_)),
        points_(v1::Points::NewStub(channel_)),
        search_(v1::Search::NewStub(channel_)) {}

  void Create() {
    v1::CreateCollectionRequest request;
    request.set_name(kBuilt);
    v1::DenseField& dense = *request.mutable_schema()->add_dense();
    dense.set_name("v");
    dense.set_dim(kBuiltDim);
    dense.set_metric(v1::METRIC_L2);
    v1::PayloadField& place = *request.mutable_schema()->add_payload();
    place.set_path("place");
    place.set_type(v1::PAYLOAD_TYPE_GEO);
    grpc::ClientContext context;
    v1::Collection reply;
    const grpc::Status status = collections_->CreateCollection(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  void Write(uint64_t first, uint64_t end) {
    v1::UpsertRequest request;
    request.set_collection(kBuilt);
    for (uint64_t id = first; id < end; ++id) {
      v1::Point& point = *request.add_points();
      point.mutable_id()->set_number(id);
      const std::vector<float> vector = VectorOf(id);
      (*point.mutable_vectors())["v"].mutable_values()->Add(vector.begin(), vector.end());
      point.set_payload_json("{\"place\":{\"lat\":" + std::to_string(id % 90) + ",\"lon\":0}}");
    }
    grpc::ClientContext context;
    v1::WriteReply reply;
    const grpc::Status status = points_->Upsert(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  v1::CollectionStats Stats() {
    v1::GetStatsRequest request;
    request.set_collection(kBuilt);
    grpc::ClientContext context;
    v1::CollectionStats stats;
    const grpc::Status status = collections_->GetStats(&context, request, &stats);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return stats;
  }
  // The nearest to a row's own vector is the row, by a walk through what was built and exactly.
  void CheckFinds(uint64_t id) {
    for (const bool exact : {true, false}) {
      v1::SearchRequest request;
      request.set_collection(kBuilt);
      request.set_limit(1);
      v1::DenseQuery& dense = *request.mutable_query()->mutable_dense();
      const std::vector<float> vector = VectorOf(id);
      dense.mutable_vector()->Add(vector.begin(), vector.end());
      dense.set_exact(exact);
      v1::WithinRadius& near = *request.mutable_filter()->mutable_within_radius();
      near.set_path("place");
      near.mutable_center()->set_lat(static_cast<double>(id % 90));
      near.set_radius_metres(1000);
      grpc::ClientContext context;
      v1::SearchResponse response;
      const grpc::Status status = search_->Search(&context, request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_EQ(response.hits_size(), 1);
      EXPECT_EQ(response.hits(0).point().id().number(), id) << (exact ? "exact" : "walked");
      EXPECT_EQ(response.hits(0).score(), 0) << "of its own vector";
    }
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Collections::Stub> collections_;
  std::unique_ptr<v1::Points::Stub> points_;
  std::unique_ptr<v1::Search::Stub> search_;
};

TEST(BuildCrash, AKillDuringABuildOrMergeLosesNothingAndLeavesNoHalfFile) {
  const char* seed_text = std::getenv("VOUCH_SEED");
  const uint64_t seed = seed_text == nullptr ? std::random_device()() : std::strtoull(seed_text, nullptr, 10);
  const int kills = BuildKills();
  std::printf("seed %llu, %d kills\n", static_cast<unsigned long long>(seed), kills);
  std::mt19937_64 random(seed);
  TempDir dir;
  const std::string data = dir.File("data");
  uint64_t rows = 0;
  int during_builds = 0;
  for (int kill = 0; kill <= kills; ++kill) {
    auto process = ServerProcess::Start(VOUCH_BINARY, data, dir.File("log"), {"--seal-rows", "300"});
    ASSERT_NE(process, nullptr) << "start " << kill << " failed; seed " << seed;
    Server server(process->address());
    if (kill == 0) {
      ASSERT_NO_FATAL_FAILURE(server.Create());
    } else {
      // A file that is written half has another name until it is whole.
      EXPECT_EQ(server.Stats().index_files_damaged(), 0u) << "after kill " << kill << ", seed " << seed;
      EXPECT_EQ(server.Stats().points(), rows);
      for (int i = 0; i < 20; ++i) {
        ASSERT_NO_FATAL_FAILURE(server.CheckFinds(random() % rows)) << "after kill " << kill << ", seed " << seed;
      }
    }
    if (kill == kills) {
      EXPECT_EQ(process->Stop(), 0);
      break;
    }
    for (uint64_t i = 0; i < kRowsPerRound; i += 300) {
      ASSERT_NO_FATAL_FAILURE(server.Write(rows, rows + 300));
      rows += 300;
    }
    std::string building;
    for (int i = 0; i < 200 && building.empty(); ++i) building = server.Stats().building();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));  // the random moment
    during_builds += building.empty() ? 0 : 1;
    process->Kill();
  }
  std::printf("%d kills during a build\n", during_builds);
  EXPECT_GT(during_builds, kills / 2);
  EXPECT_EQ(std::system((std::string(VOUCH_BINARY) + " verify --data '" + data + "'").c_str()), 0);
}

}  // namespace
}  // namespace vouch
