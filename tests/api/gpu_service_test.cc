// What a server tells of its GPUs.
#include <gmock/gmock.h>

#include "api/grpc/convert_gpu.h"
#include "index/gpu/gpu_dense.h"
#include "query/offload.h"
#include "tests/api/api_fixture.h"
#include "tests/support/fake_gpu.h"
#include "vouch/v1/admin.grpc.pb.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class GpuServiceTest : public ApiTest {
 protected:
  ~GpuServiceTest() override {
    server_.reset();
    database_.reset();  // before what it is searched by
  }
  void UseFakes(size_t count) {
    GpuDenseOptions options;
    options.placement_period = std::chrono::milliseconds(0);
    options.few_rows = 0;
    options.pinned = {{Principal().tenant, "films"}};
    std::vector<std::unique_ptr<GpuDevice>> devices;
    for (size_t i = 0; i < count; ++i) devices.push_back(std::make_unique<FakeGpu>(FakeGpu::Options{.ordinal = static_cast<int>(i)}));
    dense_ = std::make_unique<GpuDense>(std::move(devices), options);
    UseOffloads(*database_, dense_.get());
  }
  std::vector<uint64_t> Search() {
    v1::SearchRequest request;
    request.set_collection("films");
    request.mutable_query()->mutable_dense()->set_field("v");
    request.mutable_query()->mutable_dense()->add_vector(3.2f);
    request.mutable_query()->mutable_dense()->add_vector(0);
    v1::SearchResponse response;
    const grpc::Status status = Call(search_, &v1::Search::Stub::Search, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return IdsOf(response);
  }
  v1::GpuReply Gpu() {
    v1::GpuReply reply;
    const auto admin = v1::Admin::NewStub(channel_);
    EXPECT_TRUE(Call(admin, &v1::Admin::Stub::GetGpu, v1::GetGpuRequest(), &reply).ok());
    return reply;
  }

  std::unique_ptr<GpuDense> dense_;
};

TEST_F(GpuServiceTest, TellsWhatGpusHoldAndDid) {
  UseFakes(2);
  CreateFilms();
  UpsertFilms();
  const auto films = database_->GetCollection(Principal(), "films");
  ASSERT_TRUE(films.ok());
  ASSERT_TRUE((*films)->Optimize(CancelToken(), [](double) {}).ok());
  const std::vector<uint64_t> here = Search();
  ASSERT_EQ(dense_->PlaceDue(0), 1u);
  EXPECT_EQ(Search(), here);
  const v1::GpuReply reply = Gpu();
  ASSERT_EQ(reply.gpus_size(), 2);
  EXPECT_EQ(reply.gpus(0).name(), "fake");
  EXPECT_EQ(reply.gpus(0).searches() + reply.gpus(1).searches(), 1u);
  EXPECT_GT(reply.gpus(0).budget_bytes(), 0u);
  EXPECT_TRUE(reply.gpus(0).has_free_bytes());
  EXPECT_LE(reply.gpus(0).free_bytes(), reply.gpus(0).memory_bytes());
  EXPECT_EQ(reply.fragmented(), 0u);
  ASSERT_EQ(reply.columns_size(), 1);
  EXPECT_EQ(reply.columns(0).collection(), "films");
  EXPECT_EQ(reply.columns(0).vectors(), 5u);
  EXPECT_EQ(reply.columns(0).content(), "vectors");
  EXPECT_TRUE(reply.columns(0).pinned());
  EXPECT_EQ(reply.columns(0).gpus_size(), 1);
  EXPECT_EQ(reply.columns(0).searches(), 2u);
  EXPECT_EQ(reply.searches(), 1u);
  EXPECT_EQ(reply.fallbacks().not_placed(), 1u);
  EXPECT_EQ(reply.placements(), 1u);
  // Another tenant sees the GPUs, and nothing of this one's.
  v1::GpuReply other;
  FillGpu(*database_, "other", &other);
  EXPECT_EQ(other.gpus_size(), 2);
  EXPECT_EQ(other.columns_size(), 0);
  EXPECT_EQ(other.gpus(0).used_us() + other.gpus(1).used_us(), 0u);

  const std::string metrics = server_->RenderMetrics();
  EXPECT_THAT(metrics, HasSubstr("vouch_gpu_searches_total 1\n"));
  EXPECT_THAT(metrics, HasSubstr("vouch_gpu_fallbacks_total{why=\"not_placed\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("vouch_gpu_collection_bytes{"));
  EXPECT_THAT(metrics, HasSubstr("vouch_gpu_free_bytes{gpu=\"1\"} "));
  EXPECT_THAT(metrics, HasSubstr("vouch_gpu_fragmented_total 0\n"));
}

TEST_F(GpuServiceTest, WithoutThemItSaysSo) {
  CreateFilms();
  UpsertFilms();
  EXPECT_EQ(Gpu().gpus_size(), 0);
  EXPECT_EQ(Search().front(), 3u);
  EXPECT_THAT(server_->RenderMetrics(), Not(HasSubstr("vouch_gpu")));
}

}  // namespace
}  // namespace vouch
