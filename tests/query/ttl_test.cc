#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000;

class TtlTest : public QueryTest {
 protected:
  void CreateWith(TtlPolicy ttl) {
    CollectionSchema schema = Schema();
    schema.payload.push_back({.path = "until", .type = PayloadType::kDatetime});
    schema.ttl = std::move(ttl);
    Create("expiring", schema);
  }
  uint64_t Expire() {
    const auto expired = collection_->Expire(clock_.now_us, CancelToken());
    EXPECT_TRUE(expired.ok()) << expired.status();
    return expired.value_or(0);
  }
  std::vector<uint64_t> There(const ReadAt& at = {}) {
    SearchRequest request = Request(All());
    request.at = at;
    return Ids(Search(request));
  }
};

TEST_F(TtlTest, PointsExpireSoLongAfterTheyWereWritten) {
  CreateWith({.after_us = 10 * kSecond});
  Upsert({Point(1, {0, 0}), Point(2, {0, 0})});
  clock_.now_us += 6 * kSecond;
  Upsert({Point(2, {0, 1}), Point(3, {0, 0})});  // written again: its time begins anew
  EXPECT_EQ(Expire(), 0u);
  clock_.now_us += 4 * kSecond;
  // It is there until the job has retired it.
  EXPECT_THAT(There(), ElementsAre(1, 2, 3));
  EXPECT_EQ(Expire(), 1u);
  EXPECT_THAT(There(), ElementsAre(2, 3));
  const auto commits = collection_->Versions(Version(3), Version(3), 1);
  ASSERT_EQ(commits->size(), 1u);
  EXPECT_EQ(commits->front().actor, principal_.tenant + "/ttl");
  // History stays exact.
  EXPECT_THAT(There(At(2)), ElementsAre(1, 2, 3));
  clock_.now_us += 60 * kSecond;
  EXPECT_EQ(Expire(), 2u);
  EXPECT_THAT(There(), IsEmpty());
  EXPECT_EQ(Expire(), 0u);
  EXPECT_EQ(collection_->Stats().version, Version(4));
}

TEST_F(TtlTest, PointsExpireAtAFieldsTime) {
  CreateWith({.field = "until"});
  clock_.now_us = 1'790'000'000 * kSecond;  // 2026-09-21T14:13:20Z
  PointInput hidden = Point(4, {0, 0}, R"({"until":"2026-09-21T14:13:21Z"})");
  hidden.access = {"group:others"};  // who sees a point has no say in its end
  Upsert({Point(1, {0, 0}, R"({"until":"2026-09-21T14:13:30Z"})"), Point(2, {0, 0}),
          Point(3, {0, 0}, R"({"until":["2027-01-01T00:00:00Z","2026-09-21T16:13:25+02:00"]})"), std::move(hidden)});
  EXPECT_EQ(Expire(), 0u);
  clock_.now_us += 5 * kSecond;
  EXPECT_EQ(Expire(), 2u);  // of several times the first counts
  EXPECT_THAT(There(), ElementsAre(1, 2));
  clock_.now_us += 5 * kSecond;
  EXPECT_EQ(Expire(), 1u);
  EXPECT_THAT(There(), ElementsAre(2));
  clock_.now_us += 1'000'000 * kSecond;
  EXPECT_EQ(Expire(), 0u);  // without a time it stays
}

TEST_F(TtlTest, FieldAndSpan) {
  CreateWith({.field = "until", .after_us = 3600 * kSecond});
  clock_.now_us = 1'790'000'000 * kSecond;
  Upsert({Point(1, {0, 0}, R"({"until":"2026-09-21T14:13:20Z"})")});
  clock_.now_us += 3599 * kSecond;
  EXPECT_EQ(Expire(), 0u);
  clock_.now_us += kSecond;
  EXPECT_EQ(Expire(), 1u);
}

TEST_F(TtlTest, WithoutATtlNothingExpires) {
  Upsert({Point(1, {0, 0})});
  clock_.now_us += 1'000'000'000 * kSecond;
  EXPECT_EQ(Expire(), 0u);
}

TEST_F(TtlTest, AFieldThatIsNoTimeIsRefused) {
  CollectionSchema schema = Schema();
  schema.ttl.field = "year";
  EXPECT_TRUE(absl::IsInvalidArgument(database_->CreateCollection(principal_, "bad", schema).status()));
}

}  // namespace
}  // namespace vouch
