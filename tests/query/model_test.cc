#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/query/query_fixture.h"
#include "tests/query/reference_executor.h"

namespace vouch {
namespace {

class CountingCrossEncoder final : public CrossEncoder {
 public:
  std::string id() const override { return "test/counting"; }
  std::string document_path() const override { return "text"; }
  size_t max_document_bytes() const override { return kMaxDocumentBytes; }
  absl::StatusOr<std::vector<double>> Score(const std::string& question,
                                            std::span<const std::string> documents,
                                            const CancelToken&) const override {
    std::vector<double> scores;
    for (const std::string& document : documents) {
      scores.push_back(CrossScoreOf(question, document));
    }
    return scores;
  }
};

// Random writes and random queries at random versions, against ReferenceExecutor. Vectors are such
// that all sums are exact and ties are many: small whole numbers, and for cosine vectors whose
// length is a power of two.
class ModelTest : public QueryTest {
 protected:
  ModelTest() {
    seal_rows_ = 90;
    cross_encoders_["counting"] = std::make_shared<const CountingCrossEncoder>();
  }

  void SetUp() override {
    Open();
    CollectionSchema schema;
    schema.dense.push_back(Vectors("l2", 3, Metric::kL2));
    schema.dense.push_back(Vectors("ip", 3, Metric::kInnerProduct, DenseIndexKind::kFlat));
    schema.dense.push_back(Vectors("cos", 4, Metric::kCosine, DenseIndexKind::kFlat));
    schema.text.push_back(TextOf("body", "text"));
    schema.text.push_back(TextOf("lead", "lead"));
    schema.text.back().k1 = 0.5;
    schema.text.back().b = 0.25;
    schema.sparse = {{.name = "few"}, {.name = "many"}};
    schema.multi_vector = {
        {.name = "turns", .dim = 4, .metric = Metric::kCosine, .type = VectorType::kF32},
        {.name = "steps", .dim = 3, .metric = Metric::kInnerProduct, .type = VectorType::kI8}};
    schema.payload.push_back({.path = "year", .type = PayloadType::kInteger});
    schema.payload.push_back({.path = "lang", .type = PayloadType::kKeyword});
    schema.payload.push_back({.path = "authors.name", .type = PayloadType::kKeyword});
    schema.payload.push_back({.path = "place", .type = PayloadType::kGeo});
    schema.payload.push_back({.path = "text", .type = PayloadType::kText});
    Create("model", schema);
    reference_ = std::make_unique<ReferenceExecutor>(schema, *Analyzer::Create("english"));
  }

  uint64_t Below(uint64_t n) { return random_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  std::vector<float> Whole(size_t dim) {
    std::vector<float> vector(dim);
    for (float& value : vector) value = static_cast<float>(Below(5)) - 2;
    return vector;
  }
  // (±s, 0, 0, 0) turned about, or (±s, ±s, ±s, ±s).
  std::vector<float> Direction(float size) {
    std::vector<float> vector(4, 0);
    if (OneIn(2)) {
      vector[Below(4)] = OneIn(2) ? size : -size;
    } else {
      for (float& value : vector) value = OneIn(2) ? size : -size;
    }
    return vector;
  }
  // Of field "turns" or "steps".
  MultiVector RandomTokens(const std::string& field, uint64_t most) {
    MultiVector tokens = {.dim = field == "turns" ? 4u : 3u, .values = {}};
    for (uint64_t n = 1 + Below(most); n > 0; --n) {
      const std::vector<float> token = tokens.dim == 4 ? Direction(1) : Whole(3);
      tokens.values.insert(tokens.values.end(), token.begin(), token.end());
    }
    return tokens;
  }
  // Up to `most` of 40 indices in random order; zeros and equal weights among them.
  SparseVector RandomSparse(uint64_t most) {
    std::vector<uint32_t> indices(40);
    for (uint32_t i = 0; i < 40; ++i) indices[i] = i * 100'000'000;
    std::shuffle(indices.begin(), indices.end(), random_);
    SparseVector vector;
    for (uint64_t n = Below(most + 1); n > 0; --n) {
      vector.indices.push_back(indices[n]);
      vector.values.push_back(OneIn(2) ? static_cast<float>(Below(3))
                                       : static_cast<float>(Below(1'000)) / 7);
    }
    return vector;
  }
  std::string Words(size_t most) {
    static const char* const kWords[] = {"fox",  "foxes", "deer", "running", "run",
                                         "wolf", "grey",  "the",  "of",      "zebra"};
    std::string text;
    for (uint64_t n = Below(most + 1); n > 0; --n) text += std::string(kWords[Below(10)]) + " ";
    return text;
  }

  // An object, or an array of objects and of what has no name, nested now and then.
  std::string RandomAuthors(ReferenceExecutor::Row& row) {
    static const char* const kNames[] = {"Ada", "Kim", "Lee"};
    const auto one = [&]() -> std::string {
      switch (Below(5)) {
        case 0:
          return "{\"born\":1970}";
        case 1:
          return OneIn(2) ? "null" : "\"Kim\"";
        case 2:
          row.authors.push_back(kNames[Below(3)]);
          return "[[{\"name\":[null,\"" + row.authors.back() + "\"]}]]";
        default:
          row.authors.push_back(kNames[Below(3)]);
          return "{\"name\":\"" + row.authors.back() + "\",\"born\":3}";
      }
    };
    if (OneIn(3)) return one();
    std::string list = "[" + one();
    for (uint64_t n = Below(3); n > 0; --n) list += "," + one();
    return list + "]";
  }

  PointInput RandomPoint(PointId id, ReferenceExecutor::Row& row) {
    PointInput point;
    row.id = point.id = std::move(id);
    if (!OneIn(6)) row.vectors["l2"] = Whole(3);
    if (!OneIn(6)) row.vectors["ip"] = Whole(3);
    for (const auto& [field, vector] : row.vectors) point.vectors.emplace_back(field, vector);
    if (!OneIn(6)) {
      const std::vector<float> direction = Direction(1);
      point.vectors.emplace_back("cos", direction);
      const float length = std::count(direction.begin(), direction.end(), 0.0f) == 0 ? 2 : 1;
      for (float value : direction) row.vectors["cos"].push_back(value / length);
    }
    for (const auto& [field, most] : {std::pair{"few", 3}, std::pair{"many", 25}}) {
      if (OneIn(6)) continue;
      const SparseVector vector = RandomSparse(most);
      point.sparse_vectors.emplace_back(field, vector);
      for (size_t i = 0; i < vector.indices.size(); ++i)
        row.sparse[field][vector.indices[i]] = vector.values[i];
    }
    for (const std::string field : {"turns", "steps"}) {
      if (OneIn(5)) continue;
      const MultiVector tokens = RandomTokens(field, 6);
      point.multi_vectors.emplace_back(field, tokens);
      for (size_t i = 0; i < tokens.tokens(); ++i) {
        std::vector<float>& token = row.tokens[field].emplace_back(tokens.token(i).begin(), tokens.token(i).end());
        const bool diagonal = field == "turns" && std::count(token.begin(), token.end(), 0.0f) == 0;
        for (float& value : token) value /= diagonal ? 2.0f : 1.0f;
      }
    }
    row.texts = {{"body", Words(8)}, {"lead", Words(3)}};
    point.payload =
        "{\"text\":\"" + row.texts["body"] + "\",\"lead\":\"" + row.texts["lead"] + "\"";
    if (!OneIn(4)) {
      row.year = static_cast<int64_t>(Below(10));
      point.payload += ",\"year\":" + std::to_string(*row.year);
    }
    static const char* const kLangs[] = {"de", "en", "fr"};
    for (uint64_t n = Below(3); n > 0; --n) row.lang.push_back(kLangs[Below(3)]);
    if (!row.lang.empty()) {
      point.payload += ",\"lang\":[\"" + row.lang[0] + "\"" +
                       (row.lang.size() > 1 ? ",\"" + row.lang[1] + "\"" : "") + "]";
    }
    for (uint64_t n = Below(3); n > 0; --n) {
      row.place.push_back(CanonicalPoint(Degree(90), Degree(180)));
      point.payload += absl::StrCat(row.place.size() == 1 ? ",\"place\":[" : ",", "{\"lat\":", row.place.back().lat,
                                    ",\"lon\":", row.place.back().lon, "}");
    }
    if (!row.place.empty()) point.payload += "]";
    if (!OneIn(3)) point.payload += ",\"authors\":" + RandomAuthors(row);
    point.payload += "}";
    if (OneIn(5)) row.access = point.access = {OneIn(2) ? "alice" : "team"};
    return point;
  }

  void Write() {
    WriteRequest request;
    std::set<uint64_t> ids;
    for (uint64_t n = 1 + Below(25); n > 0; --n) ids.insert(Below(150));
    std::vector<ReferenceExecutor::Row> rows;
    for (uint64_t id : ids) {
      if (OneIn(4)) {
        request.deletes.push_back(Id(id));
        continue;
      }
      rows.emplace_back();
      request.upserts.push_back(RandomPoint(Id(id), rows.back()));
    }
    const std::vector<PointId> deletes = request.deletes;
    const absl::StatusOr<WriteResult> result = collection_->Write(std::move(request));
    ASSERT_TRUE(result.ok()) << result.status();
    latest_ = result->version.value;
    for (const PointId& id : deletes) reference_->Delete(id, latest_);
    for (ReferenceExecutor::Row& row : rows) reference_->Upsert(std::move(row), latest_);
  }

  double Degree(uint64_t most) { return static_cast<double>(Below(2 * most + 1)) - static_cast<double>(most); }
  Filter RandomArea() {
    Filter area{.op = FilterOp::kWithinBox, .path = "place"};
    if (OneIn(3)) {
      area.op = FilterOp::kWithinRadius;
      area.values = {Degree(90), Degree(180), static_cast<double>(Below(15'000'000)) + 0.5};
    } else if (OneIn(2)) {
      const double south = Degree(90);
      area.values = {south, Degree(180), south + static_cast<double>(Below(static_cast<uint64_t>(91 - south))), Degree(180)};
    } else {
      // About the antimeridian or Greenwich.
      const double lon = OneIn(2) ? 180 : 0;
      area.op = FilterOp::kWithinPolygon;
      for (uint64_t n = 3 + Below(3); n > 0; --n) {
        const double x = lon + Degree(80);
        area.values.emplace_back(Degree(80));
        area.values.emplace_back(x > 180 ? x - 360 : x);
      }
    }
    return area;
  }

  Filter RandomFilter(int depth) {
    static constexpr FilterOp kCompare[] = {FilterOp::kEq, FilterOp::kNe, FilterOp::kLt,
                                            FilterOp::kLe, FilterOp::kGt, FilterOp::kGe};
    if (depth > 0 && OneIn(2)) {
      const uint64_t kind = Below(3);
      Filter filter{.op = kind == 0   ? FilterOp::kAnd
                          : kind == 1 ? FilterOp::kOr
                                      : FilterOp::kNot,
                    .path = "",
                    .values = {},
                    .children = {}};
      for (uint64_t n = kind == 2 ? 1 : Below(3); n > 0; --n)
        filter.children.push_back(RandomFilter(depth - 1));
      return filter;
    }
    if (OneIn(4)) return RandomArea();
    if (OneIn(5)) {
      const FilterOp op = OneIn(2) ? FilterOp::kMatchPhrase : OneIn(2) ? FilterOp::kMatch : FilterOp::kMatchAny;
      const std::string words = Words(3);
      return Compare("text", op, words.empty() ? "fox " : words);
    }
    switch (Below(5)) {
      case 0:
        return {.op = FilterOp::kExists,
                .path = OneIn(2)   ? "year"
                        : OneIn(2) ? "lang"
                        : OneIn(2) ? "place"
                                   : "authors.name",
                .values = {},
                .children = {}};
      case 1:
        if (OneIn(2)) {
          return {
              .op = FilterOp::kIn, .path = "authors.name", .values = {"Lee", "x"}, .children = {}};
        }
        return {.op = FilterOp::kIn, .path = "lang", .values = {"de", "it"}, .children = {}};
      case 2: {
        Filter filter{.op = FilterOp::kHasId, .path = "", .values = {}, .children = {}};
        for (int i = 0; i < 20; ++i) filter.values.emplace_back(std::to_string(Below(160)));
        return filter;
      }
      case 3:
        if (OneIn(2))
          return Compare("authors.name", OneIn(2) ? FilterOp::kEq : FilterOp::kNe, "Kim");
        return Compare("lang", OneIn(2) ? FilterOp::kEq : FilterOp::kNe, "en");
      default:
        return Compare("year", kCompare[Below(6)], static_cast<int64_t>(Below(10)));
    }
  }

  Rm3 RandomRm3() {
    return {.documents = static_cast<uint32_t>(1 + Below(6)),
            .terms = static_cast<uint32_t>(1 + Below(6)),
            .original_weight = static_cast<double>(Below(5)) / 4};
  }
  // Of one or two documents, so that their mean is exact.
  Rocchio RandomRocchio() {
    return {.documents = static_cast<uint32_t>(1 + Below(2)),
            .alpha = static_cast<double>(1 + Below(4)) / 4,
            .beta = static_cast<double>(Below(5)) / 4};
  }
  // Cosines of what Rocchio makes are not exact, so it is left out where a child compares by them.
  FusionFeedback RandomFeedback(const std::vector<QueryNode>& children) {
    FusionFeedback feedback;
    const bool exact = std::none_of(children.begin(), children.end(), [](const QueryNode& child) {
      const auto* dense = std::get_if<DenseLeaf>(&child.node);
      return dense != nullptr && dense->field == "cos";
    });
    if (exact && OneIn(2)) feedback.dense = RandomRocchio();
    if (!feedback.dense || OneIn(2)) feedback.text = RandomRm3();
    if (OneIn(2)) feedback.text_weight = feedback.dense_weight = static_cast<double>(Below(5)) / 4;
    return feedback;
  }

  // One or two examples of a kind, so that means are exact.
  std::vector<Example> RandomExamples(uint64_t least) {
    std::vector<Example> examples;
    for (uint64_t n = least + Below(3 - least); n > 0; --n) {
      if (OneIn(2)) {
        examples.emplace_back(Id(Below(150)));
      } else {
        examples.emplace_back(Whole(3));
      }
    }
    return examples;
  }
  RecommendLeaf RandomRecommend() {
    RecommendLeaf leaf{.field = OneIn(2) ? "l2" : "ip", .exact = true};
    leaf.positive = RandomExamples(1);
    leaf.negative = RandomExamples(0);
    if (OneIn(2)) leaf.strategy = RecommendStrategy::kBestScore;
    return leaf;
  }

  std::string Word() {
    static const char* const kWords[] = {"fox", "foxen", "deer", "running", "wolf", "grey", "of"};
    return kWords[Below(7)];
  }
  TextClause RandomClause(int depth) {
    TextClause clause;
    if (OneIn(4)) clause.field = OneIn(2) ? "body" : "lead";
    if (OneIn(3)) clause.boost = static_cast<double>(1 + Below(8)) / 4;
    switch (Below(depth > 0 ? 6 : 4)) {
      case 0:
        clause.kind = TextMatch{.text = Words(3), .all = OneIn(2)};
        break;
      case 1:
        clause.kind = TextPhrase{.text = Words(3), .slop = static_cast<uint32_t>(Below(4))};
        break;
      case 2: {
        static const char* const kPrefixes[] = {"f", "fo", "running", "z", "wol", "x", "of"};
        clause.kind = TextPrefix{.text = kPrefixes[Below(7)]};
        break;
      }
      case 3: {
        TextFuzzy fuzzy{.text = Word(), .prefix_length = static_cast<uint32_t>(Below(3))};
        if (OneIn(2)) fuzzy.edits = static_cast<uint32_t>(Below(3));
        clause.kind = fuzzy;
        break;
      }
      default: {
        TextBoolean boolean;
        for (uint64_t n = Below(3); n > 0; --n) boolean.must.push_back(RandomClause(depth - 1));
        for (uint64_t n = Below(4); n > 0; --n) boolean.should.push_back(RandomClause(depth - 1));
        for (uint64_t n = Below(2); n > 0; --n) boolean.must_not.push_back(RandomClause(depth - 1));
        if (boolean.must.empty() && boolean.should.empty())
          boolean.should.push_back(RandomClause(depth - 1));
        if (OneIn(3))
          boolean.minimum_should_match = static_cast<uint32_t>(Below(boolean.should.size() + 1));
        clause.kind = std::move(boolean);
      }
    }
    return clause;
  }
  TextLeaf RandomText() {
    TextLeaf leaf{.field = OneIn(2) ? "body" : "lead", .text = Words(4)};
    if (OneIn(2)) {
      if (OneIn(3)) leaf.feedback = RandomRm3();
      return leaf;
    }
    if (OneIn(2)) {
      leaf.fields = {{"lead", static_cast<double>(1 + Below(8)) / 4}, {"body", 1}};
      if (OneIn(2)) std::swap(leaf.fields[0], leaf.fields[1]);
      leaf.field = "";
    }
    if (!OneIn(4)) {
      leaf.clause = RandomClause(2);
      leaf.text = "";
    }
    return leaf;
  }

  RerankNode RandomRerank(int depth) {
    static const char* const kFormulas[] = {"score * 2 + 1", "default(year, 3) - score / 4",
                                            "-year", "max(score, year)", "score / year"};
    RerankNode rerank;
    const std::string field = OneIn(2) ? "l2" : "ip";
    switch (Below(5)) {
      case 3: {
        const std::string tokens = OneIn(2) ? "turns" : "steps";
        rerank.method = MaxSimRerank{.field = tokens, .tokens = RandomTokens(tokens, 6)};
        break;
      }
      case 0:
        rerank.method = ExactRerank{.field = field, .vector = Whole(3)};
        break;
      case 1:
        rerank.method = MmrRerank{
            .field = field, .vector = Whole(3), .lambda = static_cast<double>(Below(5)) / 4};
        break;
      case 2:
        rerank.method = CrossEncoderRerank{.model = OneIn(2) ? "counting" : "",
                                           .text = OneIn(2) ? "e" : "o",
                                           .path = OneIn(2) ? "lead" : "",
                                           .on_failure = OneIn(2) ? CrossEncoderFailure::kError
                                                                  : CrossEncoderFailure::kKeepOrder};
        break;
      default:
        rerank.method = FormulaRerank{.formula = kFormulas[Below(5)],
                                      .missing = static_cast<double>(Below(3)) - 1};
    }
    rerank.children.push_back(RandomNode(depth - 1));
    return rerank;
  }

  QueryNode RandomNode(int depth) {
    QueryNode node;
    if (OneIn(4)) node.filter = RandomFilter(2);
    if (OneIn(3)) node.limit = static_cast<uint32_t>(1 + Below(60));
    if (depth > 0 && OneIn(4)) {
      node.node = RandomRerank(depth);
      return node;
    }
    if (depth > 0 && OneIn(2)) {
      FuseNode fuse;
      static constexpr FusionMethod kMethods[] = {FusionMethod::kRrf, FusionMethod::kMinMax,
                                                  FusionMethod::kZScore, FusionMethod::kBounds,
                                                  FusionMethod::kDbsf};
      fuse.method = kMethods[Below(5)];
      if (OneIn(2)) fuse.k = static_cast<double>(Below(80));
      for (uint64_t n = 1 + Below(3); n > 0; --n) fuse.children.push_back(RandomNode(depth - 1));
      if (OneIn(3)) fuse.feedback = RandomFeedback(fuse.children);
      if (OneIn(2)) {
        for (size_t i = 0; i < fuse.children.size(); ++i)
          fuse.weights.push_back(static_cast<double>(Below(5)) / 4);
      }
      node.node = std::move(fuse);
      return node;
    }
    switch (Below(8)) {
      case 6:
        node.node = RandomRecommend();
        break;
      case 7: {
        const std::string field = OneIn(2) ? "turns" : "steps";
        node.node = MultiVectorLeaf{.field = field, .tokens = RandomTokens(field, 6)};
        break;
      }
      case 0:
        if (OneIn(2)) {
          node.node = AllLeaf{};
        } else {
          node.node = AllLeaf{.order_by = OneIn(2) ? "year" : "lang", .descending = OneIn(2)};
        }
        break;
      case 5:
        node.node = SparseLeaf{.field = OneIn(3) ? "few" : "many", .vector = RandomSparse(9)};
        break;
      case 1:
        node.node = RandomText();
        break;
      case 2:
        node.node = DenseLeaf{.field = "l2", .vector = Whole(3), .ef_search = 0, .exact = true};
        if (OneIn(3)) std::get<DenseLeaf>(node.node).feedback = RandomRocchio();
        break;
      case 3:
        node.node = DenseLeaf{.field = "ip", .vector = Whole(3), .ef_search = 0, .exact = OneIn(2)};
        break;
      default:
        node.node =
            DenseLeaf{.field = "cos", .vector = Direction(4), .ef_search = 0, .exact = OneIn(2)};
    }
    return node;
  }

  // The same question once more, in groups and with facets.
  void AskForGroupsAndFacets(SearchRequest request, uint64_t at) {
    if (!OneIn(6)) return;
    request.offset = 0;
    request.limit = static_cast<uint32_t>(1 + Below(8));
    request.group_by =
        GroupBy{.path = OneIn(2) ? "year" : "lang", .hits = static_cast<uint32_t>(1 + Below(4))};
    request.facets = {{.path = request.group_by->path, .limit = 100, .by_value = true}};
    const absl::StatusOr<SearchResponse> response = collection_->Search(request);
    ASSERT_TRUE(response.ok()) << response.status();
    const auto wanted = reference_->Group(request, at);
    ASSERT_EQ(response->groups.size(), wanted.size());
    size_t next = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(response->groups[i].value, wanted[i].first);
      ASSERT_EQ(response->groups[i].hits, wanted[i].second.size());
      for (const RankedRow& hit : wanted[i].second) {
        ASSERT_EQ(response->hits[next].row, hit.row);
        ASSERT_EQ(response->hits[next++].score, hit.score);
      }
    }
    const auto counts = reference_->CountValues(request.group_by->path, request, at);
    ASSERT_EQ(response->facets[0].values.size(), counts.size());
    size_t place = 0;
    for (const auto& [value, rows] : counts) {
      ASSERT_EQ(response->facets[0].values[place].value, value);
      ASSERT_EQ(response->facets[0].values[place++].rows, rows);
    }
  }

  void AskOnce() {
    SearchRequest request = Request(RandomNode(2), static_cast<uint32_t>(1 + Below(40)));
    if (OneIn(3)) request.filter = RandomFilter(2);
    if (OneIn(3)) request.offset = static_cast<uint32_t>(Below(30));
    request.explain = OneIn(8);
    if (OneIn(3)) request.principal.subject = "alice";
    if (OneIn(3)) request.principal.groups = {"team"};
    uint64_t at = latest_;
    if (OneIn(2)) {
      at = Below(latest_ + 1);
      request.at = At(at);
    }
    const absl::StatusOr<SearchResponse> response = collection_->Search(request);
    if (!reference_->HasExamples(request.query, request.principal, at)) {
      ASSERT_THAT(response.status().ToString(), testing::HasSubstr("point"));
      return;
    }
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_EQ(response->version, Version(at));
    ASSERT_NO_FATAL_FAILURE(AskForGroupsAndFacets(request, at));
    const std::vector<RankedRow> wanted = reference_->Search(request, at);
    ASSERT_EQ(response->hits.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(response->hits[i].row, wanted[i].row) << "hit " << i;
      ASSERT_EQ(response->hits[i].score, wanted[i].score) << "hit " << i;
      ASSERT_EQ(response->hits[i].id, reference_->row(wanted[i].row).id) << "hit " << i;
    }
    const absl::StatusOr<uint64_t> count =
        collection_->Count(request.filter, At(at), request.principal);
    ASSERT_TRUE(count.ok()) << count.status();
    ASSERT_EQ(*count, reference_->Count(request.filter, request.principal, at));
  }

  std::mt19937_64 random_;
  std::unique_ptr<ReferenceExecutor> reference_;
  uint64_t latest_ = 0;
};

TEST_F(ModelTest, RandomTreesOverRandomHistory) {
  const char* given = std::getenv("VOUCH_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20261124;
  std::cout << "seed " << seed << "\n";
  random_.seed(seed);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", round " << round);
    ASSERT_NO_FATAL_FAILURE(Write());
    for (int i = 0; i < 50; ++i) {
      SCOPED_TRACE(testing::Message() << "query " << i);
      ASSERT_NO_FATAL_FAILURE(AskOnce());
    }
    if (round == 25) {
      ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
    }
    if (round == 45) Reopen("model");
  }
}

}  // namespace
}  // namespace vouch
