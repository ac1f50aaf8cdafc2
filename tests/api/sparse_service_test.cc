// Sparse fields over gRPC: schema, points, queries.
#include <gmock/gmock.h>

#include <limits>

#include "tests/api/api_fixture.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SparseServiceTest : public ApiTest {
 protected:
  SparseServiceTest() {
    v1::CreateCollectionRequest request;
    request.set_name("films");
    request.mutable_schema()->add_sparse()->set_name("splade");
    v1::Collection reply;
    const grpc::Status status =
        Call(collections_, &v1::Collections::Stub::CreateCollection, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(reply.schema().sparse(0).name(), "splade");
    v1::WriteReply write;
    EXPECT_TRUE(
        Upsert({Term(1, {7, 3}, {1, 2}), Term(2, {3}, {0.5f}), Term(3, {}, {})}, &write).ok());
  }

  static v1::SparseVector Vector(const std::vector<uint32_t>& indices,
                                 const std::vector<float>& values) {
    v1::SparseVector vector;
    vector.mutable_indices()->Assign(indices.begin(), indices.end());
    vector.mutable_values()->Assign(values.begin(), values.end());
    return vector;
  }
  static v1::Point Term(uint64_t id, const std::vector<uint32_t>& indices,
                        const std::vector<float>& values) {
    v1::Point point;
    point.mutable_id()->set_number(id);
    (*point.mutable_sparse_vectors())["splade"] = Vector(indices, values);
    return point;
  }
  grpc::Status Search(const v1::SparseVector& vector, v1::SearchResponse* response,
                      const std::string& field = "") {
    v1::SearchRequest request;
    request.set_collection("films");
    request.set_explain(true);
    request.mutable_projection()->set_vectors(true);
    request.mutable_query()->mutable_sparse()->set_field(field);
    *request.mutable_query()->mutable_sparse()->mutable_vector() = vector;
    return Call(search_, &v1::Search::Stub::Search, request, response);
  }
};

TEST_F(SparseServiceTest, FindsAndExplains) {
  v1::SearchResponse response;
  ASSERT_TRUE(Search(Vector({9, 3}, {5, 2}), &response, "splade").ok());
  EXPECT_THAT(IdsOf(response), ElementsAre(1, 2));
  const v1::Hit& hit = response.hits(0);
  EXPECT_EQ(hit.score(), 4);
  EXPECT_THAT(hit.point().sparse_vectors().at("splade").indices(), ElementsAre(3, 7));
  EXPECT_THAT(hit.point().sparse_vectors().at("splade").values(), ElementsAre(2, 1));
  ASSERT_EQ(hit.explanation_size(), 1);
  EXPECT_EQ(hit.explanation(0).node(), "sparse(splade)");
  ASSERT_EQ(hit.explanation(0).sparse_terms_size(), 1);
  const v1::SparseContribution& share = hit.explanation(0).sparse_terms(0);
  EXPECT_EQ(share.index(), 3u);
  EXPECT_EQ(share.query_weight(), 2);
  EXPECT_EQ(share.weight(), 2);
  EXPECT_EQ(share.score(), 4);
}

TEST_F(SparseServiceTest, BadVectorsAreRefusedWithTheReason) {
  const auto refused = [&](const v1::SparseVector& vector, const std::string& what) {
    v1::Point point = Term(9, {}, {});
    (*point.mutable_sparse_vectors())["splade"] = vector;
    v1::WriteReply reply;
    const grpc::Status write = Upsert({point}, &reply);
    EXPECT_EQ(write.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(write.error_message(), HasSubstr("'splade': " + what));
    v1::SearchResponse response;
    const grpc::Status search = Search(vector, &response);
    EXPECT_EQ(search.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(search.error_message(), HasSubstr("sparse: " + what));
  };
  refused(Vector({1, 2}, {1}), "the sparse vector has 2 indices and 1 values");
  refused(Vector({}, {1}), "the sparse vector has 0 indices and 1 values");
  refused(Vector({4, 2, 4}, {1, 1, 1}), "the sparse vector has the index 4 twice");
  refused(Vector({4}, {std::numeric_limits<float>::quiet_NaN()}),
          "the weight of index 4 at position 0 is NaN");
  refused(Vector({4}, {-1}), "the weight of index 4 at position 0 is -1");
  std::vector<uint32_t> indices(20'000);
  for (uint32_t i = 0; i < indices.size(); ++i) indices[i] = i;
  refused(Vector(indices, std::vector<float>(indices.size(), 1)),
          "the sparse vector has 20000 entries; the limit is ");
  v1::SearchResponse response;
  EXPECT_THAT(Search({}, &response, "other").error_message(),
              HasSubstr("unknown sparse field 'other'"));
}

}  // namespace
}  // namespace vouch
