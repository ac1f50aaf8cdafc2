#include "query/text_clause.h"

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Points with a "title" and a "body"; ids are their order.
class TextClauseTest : public QueryTest {
 protected:
  void SetUp() override {
    Open();
    CollectionSchema schema;
    schema.text.push_back(TextOf("title", "title"));
    schema.text.push_back(TextOf("body", "text"));
    schema.text.push_back(TextOf("german", "text"));
    schema.text.back().language = "german";
    Create("films", schema);
    const std::pair<const char*, const char*> films[] = {
        {"Alien", "The crew of a cargo ship meets a monster in deep space."},
        {"Gravity", "Two astronauts drift in space after debris hits their ship."},
        {"Jaws", "A shark hunts swimmers until a ship goes out to hunt the shark."},
        {"The Ship", "Deep below the sea there is space for one more ship."},
        {"Moon", "A lone miner on the moon meets himself."},
    };
    std::vector<PointInput> points;
    for (const auto& [title, text] : films) {
      PointInput& point = points.emplace_back();
      point.id = Id(points.size() - 1);
      point.payload = std::string("{\"title\":\"") + title + "\",\"text\":\"" + text + "\"}";
    }
    Upsert(std::move(points));
  }

  static QueryNode Leaf(TextLeaf leaf) {
    return {.node = std::move(leaf), .filter = std::nullopt, .limit = 0};
  }
  static QueryNode Query(std::string query) {
    return Leaf({.field = "body", .query = std::move(query)});
  }
  std::vector<uint64_t> Find(std::string query) const {
    return Ids(Search(Request(Query(std::move(query)), 10)));
  }
  std::string Error(QueryNode node) const {
    const auto response = collection_->Search(Request(std::move(node), 10));
    return std::string(response.status().message());
  }
};

TEST_F(TextClauseTest, PhrasesGoByTheOrderOfTheText) {
  EXPECT_THAT(Find("\"deep space\""), ElementsAre(0));
  EXPECT_THAT(Find("\"space deep\""), IsEmpty());
  EXPECT_THAT(Find("\"shark ship monster\"~1000"), IsEmpty());
  EXPECT_THAT(Find("\"cargo ship meets\""), ElementsAre(0));
  // Stop words are in neither: "deep below the sea there is space".
  EXPECT_THAT(Find("\"deep space\"~1"), ElementsAre(0));
  EXPECT_THAT(Find("\"deep space\"~2"), UnorderedElementsAre(0, 3));
  EXPECT_THAT(Find("\"the ship\""), UnorderedElementsAre(0, 1, 2, 3));
}

TEST_F(TextClauseTest, PrefixesAndFuzzyWords) {
  EXPECT_THAT(Find("astro*"), ElementsAre(1));
  EXPECT_THAT(Find("astronauts*"), ElementsAre(1));  // by its stem
  EXPECT_THAT(Find("sha*"), ElementsAre(2));
  EXPECT_THAT(Find("zzz*"), IsEmpty());
  EXPECT_THAT(Find("shrak~"), IsEmpty());  // two edits away, and five letters allow one
  EXPECT_THAT(Find("shrak~2"), ElementsAre(2));
  EXPECT_THAT(Find("monstr~"), ElementsAre(0));
}

TEST_F(TextClauseTest, Conditions) {
  EXPECT_THAT(Find("+ship -shark"), UnorderedElementsAre(0, 1, 3));
  EXPECT_THAT(Find("+ship +space -deep"), ElementsAre(1));
  EXPECT_THAT(Find("moon shark"), UnorderedElementsAre(2, 4));
  EXPECT_THAT(Find("+(moon shark) +hunt*"), ElementsAre(2));
  EXPECT_THAT(Find("+the +ship -shark"),
              UnorderedElementsAre(0, 1, 3));  // a stop word asks nothing
  EXPECT_THAT(Find("the"), IsEmpty());
  TextBoolean two;
  two.minimum_should_match = 2;
  for (const char* word : {"ship", "space", "shark"}) {
    two.should.push_back({.kind = TextMatch{.text = word}});
  }
  TextLeaf leaf{.field = "body", .clause = TextClause{.kind = two}};
  EXPECT_THAT(Ids(Search(Request(Leaf(leaf), 10))), UnorderedElementsAre(0, 1, 2, 3));
  std::get<TextBoolean>(leaf.clause->kind).minimum_should_match = 3;
  EXPECT_THAT(Ids(Search(Request(Leaf(leaf), 10))), IsEmpty());
  TextLeaf all{.field = "body", .clause = TextClause{.kind = TextMatch{"deep ship", true}}};
  EXPECT_THAT(Ids(Search(Request(Leaf(all), 10))), UnorderedElementsAre(0, 3));
}

TEST_F(TextClauseTest, SeveralFieldsByTheirBoosts) {
  TextLeaf leaf{.text = "ship", .fields = {{"title", 5}, {"body", 1}}};
  EXPECT_EQ(Ids(Search(Request(Leaf(leaf), 10)))[0], 3u);
  EXPECT_THAT(Find("title:ship"), ElementsAre(3));
  EXPECT_THAT(Find("+title:jaws +shark"), ElementsAre(2));
  EXPECT_THAT(Find("title:moon body:shark"), UnorderedElementsAre(2, 4));
}

TEST_F(TextClauseTest, WordsAloneRankAsATextDoes) {
  const SearchResponse words = Search(Request(Query("deep ship"), 10));
  const SearchResponse text = Search(Request(Leaf({.field = "body", .text = "deep ship"}), 10));
  ASSERT_EQ(Ids(words), Ids(text));
  for (size_t i = 0; i < text.hits.size(); ++i) EXPECT_EQ(words.hits[i].score, text.hits[i].score);
  // The general way agrees with it, but for rounding.
  const SearchResponse general =
      Search(Request(Leaf({.field = "body", .query = "deep ship -nowhere"}), 10));
  ASSERT_EQ(Ids(general), Ids(text));
  for (size_t i = 0; i < text.hits.size(); ++i)
    EXPECT_NEAR(general.hits[i].score, text.hits[i].score, 1e-6);
}

TEST_F(TextClauseTest, ExplainNamesFieldsAndExpansions) {
  TextLeaf leaf{.fields = {{"title", 2}, {"body", 1}}, .query = "+shi* \"deep space\"~2 mnster~"};
  SearchRequest request = Request(Leaf(leaf), 10);
  request.explain = true;
  const SearchResponse response = Search(request);
  ASSERT_FALSE(response.hits.empty());
  for (const PointHit& hit : response.hits) {
    double sum = 0;
    for (const TermContribution& term : hit.explanation[0].terms) sum += term.score;
    EXPECT_NEAR(sum, hit.score, 1e-6 * hit.score);
  }
  std::vector<std::string> seen;
  for (const PointHit& hit : response.hits) {
    if (hit.id != Id(0)) continue;
    for (const TermContribution& term : hit.explanation[0].terms)
      seen.push_back(term.field + ":" + term.term + " for " + term.asked);
  }
  EXPECT_THAT(seen, ElementsAre("body:ship for shi*", "body:deep space for \"deep space\"~2",
                                "body:monster for mnster~"));
  EXPECT_THAT(response.plan.back().plan, HasSubstr("bm25f of 3 parts"));
  request.plan_only = true;
  EXPECT_THAT(Search(request).plan.back().plan,
              HasSubstr("bm25f of (+shi* \"deep space\"~2 mnster~)"));
  EXPECT_EQ(Search(request).plan.back().node, "text(title,body)");
}

TEST_F(TextClauseTest, HighlightsOfEveryKind) {
  SearchRequest request = Request(Query("\"deep space\" astro* mnster~ -shark"), 10);
  request.highlight = true;
  const SearchResponse response = Search(request);
  std::map<uint64_t, std::vector<std::string>> marked;
  for (const PointHit& hit : response.hits) {
    for (const Highlight& mark : hit.highlights) marked[hit.id.number()].push_back(mark.term);
  }
  EXPECT_THAT(marked[0], ElementsAre("monster", "deep", "space"));
  EXPECT_THAT(marked[1], ElementsAre("astronaut"));  // its "space" is part of no phrase
  EXPECT_FALSE(marked.contains(2));
}

TEST_F(TextClauseTest, WhyNotSaysWhatIsLacking) {
  SearchRequest request = Request(Query("+ship +deep -monster"), 10);
  const auto lacks = collection_->WhyNot(request, Id(1));
  ASSERT_TRUE(lacks.ok()) << lacks.status();
  EXPECT_THAT(lacks->verdict, HasSubstr("it lacks deep"));
  const auto has = collection_->WhyNot(request, Id(0));
  ASSERT_TRUE(has.ok()) << has.status();
  EXPECT_THAT(has->verdict, HasSubstr("it has monster"));
}

TEST_F(TextClauseTest, RetiredRowsLeaveNoExpansions) {
  collection_->Write({.deletes = {Id(2)}}).status().IgnoreError();
  SearchRequest now = Request(Query("sha*"), 10);
  now.explain = true;
  EXPECT_THAT(Ids(Search(now)), IsEmpty());
  EXPECT_THAT(Search(now).plan.back().plan, HasSubstr("of 1 parts with 0 terms"));
  now.at = At(1);
  EXPECT_THAT(Ids(Search(now)), ElementsAre(2));
}

TEST_F(TextClauseTest, MistakesNameTheClauseAndTheLimit) {
  const auto clause = [](TextClause clause) {
    return Leaf({.field = "body", .clause = std::move(clause)});
  };
  EXPECT_THAT(Error(Leaf({.field = "body", .text = "a", .query = "b"})),
              HasSubstr("text: text, clause and query: take one of them"));
  EXPECT_THAT(Error(Leaf({.text = "a", .fields = {{"body", 1}, {"german", 1}}})),
              HasSubstr("'body' (english) and 'german' (german) have other terms"));
  EXPECT_THAT(Error(Leaf({.text = "a", .fields = {{"body", 0}}})),
              HasSubstr("boost 0 is not over 0"));
  EXPECT_THAT(Error(Leaf({.text = "a", .fields = {{"body", 1}, {"body", 1}}})),
              HasSubstr("'body' is named twice"));
  EXPECT_THAT(Error(Leaf({.field = "body", .feedback = Rm3(), .query = "b*"})),
              HasSubstr("feedback goes with a text in one field"));
  EXPECT_THAT(Error(clause({.kind = TextBoolean()})),
              HasSubstr("boolean: it needs a must or should"));
  EXPECT_THAT(Error(clause({.kind = TextPhrase{"a b", 1001}})),
              HasSubstr("clause.phrase: slop 1001 is over 1000"));
  EXPECT_THAT(Error(clause({.kind = TextFuzzy{.text = "ab", .edits = 3}})),
              HasSubstr("clause.fuzzy: edits 3 is not in 0 … 2"));
  EXPECT_THAT(Error(clause({.kind = TextPrefix{"a b"}})),
              HasSubstr("it takes one word, not 'a b'"));
  EXPECT_THAT(Error(clause({.kind = TextPrefix{"deep-sea"}})),
              HasSubstr("'deep-sea' is 2 words to the field's analyzer"));
  EXPECT_THAT(Error(clause({.kind = TextMatch{"a"}, .boost = -1})), HasSubstr("boost -1"));
  EXPECT_THAT(Error(clause({.kind = TextMatch{"a"}, .field = "x"})),
              HasSubstr("unknown text field 'x'"));
  TextBoolean boolean;
  boolean.minimum_should_match = 2;
  boolean.should.push_back({.kind = TextMatch{"a"}});
  EXPECT_THAT(Error(clause({.kind = boolean})), HasSubstr("minimum_should_match 2 of 1"));
  TextClause deep{.kind = TextMatch{"a"}};
  for (int i = 0; i < 8; ++i) {
    TextBoolean around;
    around.must.push_back(std::move(deep));
    deep = {.kind = std::move(around)};
  }
  EXPECT_THAT(Error(clause(deep)), HasSubstr("over 8 levels deep"));
  TextBoolean wide;
  wide.should.resize(256);
  EXPECT_THAT(Error(clause({.kind = wide})), HasSubstr("over 256 clauses"));
  std::string words;
  for (int i = 0; i < 65; ++i) words += "word ";
  EXPECT_THAT(Error(clause({.kind = TextPhrase{words}})), HasSubstr("phrase: 65 words, over 64"));
  EXPECT_THAT(Error(Query("(deep")), HasSubstr("'(' without ')' at column 1"));
}

TEST_F(TextClauseTest, DeadlinesReachTheScan) {
  SearchRequest request = Request(Query("+ship shi*"), 10);
  request.cancel = CancelToken(absl::UnixEpoch(), nullptr);
  EXPECT_EQ(collection_->Search(request).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(TextClauseTest, PagesAndFusionsTakeClauses) {
  SearchRequest request = Request(Query("+ship space*"), 2);
  const SearchResponse first = Search(request);
  ASSERT_EQ(first.hits.size(), 2u);
  request.cursor = first.next_cursor;
  const SearchResponse second = Search(request);
  std::vector<uint64_t> pages = Ids(first);
  for (uint64_t id : Ids(second)) pages.push_back(id);
  EXPECT_EQ(pages, Find("+ship space*"));
  request.query = Query("+ship spac*");
  EXPECT_EQ(collection_->Search(request).status().code(), absl::StatusCode::kInvalidArgument);
  QueryNode fused = Fuse({Query("moon*"), Query("\"deep space\"")});
  std::get<FuseNode>(fused.node).feedback = FusionFeedback{.text = Rm3()};
  EXPECT_THAT(Ids(Search(Request(fused, 10))), UnorderedElementsAre(0, 4));
}

}  // namespace
}  // namespace vouch
