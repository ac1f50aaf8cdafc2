#include <atomic>
#include <latch>
#include <map>
#include <nlohmann/json.hpp>

#include "rag/rerank/http_cross_encoder.h"
#include "tests/query/query_fixture.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Points 1 to 5 with the texts below, 6 without; a server that gives a text its score by its last
// word, as long as `good_`.
class CrossEncoderSearchTest : public QueryTest {
 protected:
  void SetUp() override {
    Add("near", RerankShape::kJina);
    QueryTest::SetUp();
    PointInput bare = Point(6, {6, 0}, R"({"text": " ", "note": "fox 9"})");
    Upsert({Point(1, {1, 0}, R"({"text": "fox 3", "note": "fox 1"})"),
            Point(2, {2, 0}, R"({"text": "fox 5", "note": "fox 2"})"),
            Point(3, {3, 0}, R"({"text": "fox 5", "note": "fox 3"})"),
            Point(4, {4, 0}, R"({"text": "fox -1", "note": "fox 4"})"),
            Point(5, {5, 0}, R"({"text": "fox 4", "note": "fox 5"})"), std::move(bare)});
  }
  void Add(const std::string& name, RerankShape shape, const std::string& path = "") {
    HttpCrossEncoderOptions options;
    options.shape = shape;
    options.endpoint = server_.base_url();
    options.model = name;
    options.document_path = path;
    options.retries = 0;
    auto encoder = CreateHttpCrossEncoder(options);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    cross_encoders_[name] = *std::move(encoder);
  }

  ModelServer::Reply Answer(const ModelServer::Request& request) {
    if (!good_) return {.status = 503, .body = "loading"};
    return {.body = RerankReply(request.body, [](const std::string&, const std::string& text) {
              return std::stod(text.substr(text.rfind(' ')));
            })};
  }

  static QueryNode By(CrossEncoderRerank cross, QueryNode child, uint32_t child_limit = 0) {
    child.limit = child_limit;
    RerankNode rerank{.method = std::move(cross), .children = {}};
    rerank.children.push_back(std::move(child));
    return {.node = std::move(rerank), .filter = std::nullopt, .limit = 0};
  }
  static CrossEncoderRerank Ask(CrossEncoderFailure on_failure = CrossEncoderFailure::kError) {
    return {.model = "", .text = "which fox?", .path = "", .on_failure = on_failure};
  }
  std::vector<std::string> DocumentsOf(size_t request) const {
    return nlohmann::json::parse(server_.requests()[request].body)["documents"];
  }

  std::atomic<bool> good_ = true;
  ModelServer server_{[this](size_t, const ModelServer::Request& request) {
    return Answer(request);
  }};
};

TEST_F(CrossEncoderSearchTest, TheModelsScoresAndNoOthers) {
  const SearchResponse response = Search(Request(By(Ask(), Dense({1, 0}))));
  EXPECT_THAT(Ids(response), ElementsAre(2, 3, 5, 1, 4)) << "ties by row; 6 has no text";
  EXPECT_EQ(response.hits[0].score, 5);
  EXPECT_EQ(response.hits[4].score, -1);
  EXPECT_THAT(response.warnings, IsEmpty());
  ASSERT_THAT(server_.requests(), SizeIs(1));
  EXPECT_THAT(DocumentsOf(0), ElementsAre("fox 3", "fox 5", "fox 5", "fox -1", "fox 4"));
  EXPECT_EQ(nlohmann::json::parse(server_.requests()[0].body)["query"], "which fox?");
}

TEST_F(CrossEncoderSearchTest, OnlyTheChildsHitsAreSent) {
  EXPECT_THAT(Ids(Search(Request(By(Ask(), Dense({1, 0}), 2)))), ElementsAre(2, 1));
  EXPECT_THAT(DocumentsOf(0), ElementsAre("fox 3", "fox 5"));
  EXPECT_THAT(Ids(Search(Request(By(Ask(), Text("wolf"))))), IsEmpty());
  EXPECT_THAT(server_.requests(), SizeIs(1)) << "nothing to ask for";
}

TEST_F(CrossEncoderSearchTest, AnotherPathAndLongTextsAreCutAtACharacter) {
  CrossEncoderRerank cross = Ask();
  cross.path = "note";
  EXPECT_THAT(Ids(Search(Request(By(cross, Dense({1, 0}))))), ElementsAre(6, 5, 4, 3, 2, 1));
  std::string text = "é 1";  // 2 bytes a character, and one to begin with: a cut falls into one
  for (int i = 0; i < 8'192; ++i) text.insert(0, "é");
  Upsert({Point(7, {1, 0}, nlohmann::json{{"note", "x" + text}}.dump())});
  const absl::StatusOr<SearchResponse> cut = [&] {
    good_ = false;
    return collection_->Search(Request(By(cross, Dense({1, 0}))));
  }();
  EXPECT_FALSE(cut.ok());
  for (const std::string& sent : DocumentsOf(1)) {
    EXPECT_TRUE(sent.size() < 10 || sent.size() == 8'191) << sent.size();
  }
}

TEST_F(CrossEncoderSearchTest, AFailureIsAnErrorOrKeepsTheChildsOrder) {
  good_ = false;
  EXPECT_THAT(SearchError(Request(By(Ask(), Dense({1, 0})))),
              testing::AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("HTTP 503: loading")));
  SearchRequest request = Request(By(Ask(CrossEncoderFailure::kKeepOrder), Dense({1, 0})));
  request.explain = true;
  const SearchResponse kept = Search(request);
  EXPECT_THAT(Ids(kept), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(kept.hits[1].score, -1);
  ASSERT_THAT(kept.warnings, SizeIs(1));
  EXPECT_THAT(kept.warnings[0], HasSubstr("HTTP 503: loading"));
  EXPECT_THAT(kept.hits[0].explanation[0].note, HasSubstr("HTTP 503: loading"));
  EXPECT_THAT(kept.plan[1].plan, HasSubstr("which stay as they are"));
  good_ = true;
  EXPECT_THAT(Ids(Search(request)), ElementsAre(2, 3, 5, 1, 4));
}

TEST_F(CrossEncoderSearchTest, KeptOrdersHavePagesToo) {
  good_ = false;
  QueryNode child = All();
  std::get<AllLeaf>(child.node).order_by = "year";  // none has one: by row, all with score 0
  SearchRequest request =
      Request(By(Ask(CrossEncoderFailure::kKeepOrder), std::move(child)), 2);
  std::vector<uint64_t> ids;
  for (int page = 0; page < 5; ++page) {
    const SearchResponse response = Search(request);
    for (uint64_t id : Ids(response)) ids.push_back(id);
    if (response.next_cursor.empty()) break;
    request.cursor = response.next_cursor;
  }
  EXPECT_THAT(ids, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(CrossEncoderSearchTest, TheRequestsOwnEndIsAnErrorInAnyCase) {
  SearchRequest request = Request(By(Ask(CrossEncoderFailure::kKeepOrder), Dense({1, 0})));
  request.cancel = CancelToken(absl::InfiniteFuture(), [this] {
    return !server_.requests().empty();
  });
  good_ = false;
  EXPECT_THAT(SearchError(request), HasSubstr("CANCELLED"));
}

TEST_F(CrossEncoderSearchTest, ExplainTellsWhoScoredAndAsksOnce) {
  SearchRequest request = Request(By(Ask(), Dense({1, 0})), 2);
  request.explain = true;
  const SearchResponse response = Search(request);
  ASSERT_THAT(response.hits, SizeIs(2));
  const std::vector<NodeScore>& first = response.hits[0].explanation;
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_EQ(first[0].node, "rerank(cross_encoder)");
  EXPECT_EQ(first[0].score, 5);
  EXPECT_EQ(first[0].note, "by " + cross_encoders_["near"]->id());
  EXPECT_EQ(first[1].rank, 2u) << "the second of the dense leaf";
  EXPECT_THAT(response.plan[1].plan, HasSubstr("over 6 hits, 5 with a text, by jina/near?url="));
  EXPECT_THAT(server_.requests(), SizeIs(1));
  request.plan_only = true;
  EXPECT_THAT(Search(request).plan[1].plan, HasSubstr("cross-encoder of the texts"));
  EXPECT_THAT(server_.requests(), SizeIs(1)) << "a plan asks nothing";
}

TEST_F(CrossEncoderSearchTest, WhyNot) {
  SearchRequest request = Request(By(Ask(), Dense({1, 0})), 2);
  const auto verdict = [&](uint64_t id) {
    const absl::StatusOr<WhyNotResponse> response = collection_->WhyNot(request, Id(id));
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->verdict : "";
  };
  EXPECT_THAT(verdict(4), HasSubstr("the point is hit 5 and the limit is 2: its score is -1, 6 "));
  EXPECT_THAT(server_.requests(), SizeIs(1)) << "its list without the limit has the same scores";
  EXPECT_THAT(verdict(6), HasSubstr("no text for the cross-encoder to read"));
}

TEST_F(CrossEncoderSearchTest, ADeeperListAsksOnlyForWhatIsNew) {
  SearchRequest request = Request(By(Ask(), Dense({1, 0})), 2);
  request.group_by.emplace().path = "lang";
  EXPECT_THAT(Search(request).groups, IsEmpty()) << "no point has one, so all depths are tried";
  size_t sent = 0;
  for (size_t i = 0; i < server_.requests().size(); ++i) sent += DocumentsOf(i).size();
  EXPECT_EQ(sent, 5u);
}

TEST_F(CrossEncoderSearchTest, MistakesNameTheNode) {
  const auto error = [&](auto change, uint32_t child_limit = 0) {
    CrossEncoderRerank cross = Ask();
    change(cross);
    return SearchError(Request(By(cross, Dense({1, 0}), child_limit)));
  };
  EXPECT_THAT(error([](auto& c) { c.text = ""; }),
              HasSubstr("rerank: cross_encoder: the text, its question, is empty"));
  EXPECT_THAT(error([](auto& c) { c.text = std::string(8'193, 'x'); }),
              HasSubstr("the text has 8193 bytes, over 8192"));
  EXPECT_THAT(error([](auto& c) { c.text = "\xff"; }), HasSubstr("not UTF-8"));
  EXPECT_THAT(error([](auto& c) { c.model = "far"; }),
              HasSubstr("unknown cross-encoder 'far'; there are 'near'"));
  EXPECT_THAT(error([](auto& c) { c.path = std::string(257, 'p'); }), HasSubstr("over 256"));
  EXPECT_THAT(error([](auto&) {}, 1'001), HasSubstr("limit 1001 is over 1000"));
  EXPECT_THAT(server_.requests(), IsEmpty());
  Add("far", RerankShape::kCohere, "note");
  Reopen();
  EXPECT_THAT(error([](auto&) {}), HasSubstr("name a cross-encoder (model); there are 'far', 'near'"));
  CrossEncoderRerank far = Ask();
  far.model = "far";
  EXPECT_THAT(Ids(Search(Request(By(far, Dense({1, 0}))))), ElementsAre(6, 5, 4, 3, 2, 1))
      << "by the path of its settings";
  cross_encoders_.clear();
  Reopen();
  EXPECT_THAT(error([](auto&) {}), HasSubstr("there is no cross-encoder; the setting `rerankers`"));
}


TEST_F(CrossEncoderSearchTest, TooSlowIsAFailureLikeAnyOther) {
  std::latch done(1);
  ModelServer slow([&](size_t, const ModelServer::Request& request) {
    done.wait();
    return Answer(request);
  });
  HttpCrossEncoderOptions options;
  options.endpoint = slow.base_url();
  options.model = "slow";
  options.retries = 0;
  options.timeout_ms = 30;
  cross_encoders_["slow"] = *CreateHttpCrossEncoder(options);
  Reopen();
  CrossEncoderRerank cross = Ask(CrossEncoderFailure::kKeepOrder);
  cross.model = "slow";
  const SearchResponse kept = Search(Request(By(cross, Dense({1, 0}))));
  done.count_down();
  EXPECT_THAT(Ids(kept), ElementsAre(1, 2, 3, 4, 5, 6));
  ASSERT_THAT(kept.warnings, SizeIs(1));
  EXPECT_THAT(kept.warnings[0], HasSubstr("no reply within 30 ms"));
}

}  // namespace
}  // namespace vouch
