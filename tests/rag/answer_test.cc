#include "rag/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/answer_id.h"
#include "rag/cite.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

constexpr char kBackupGuide[] =
    "# Backup & restore\n\n"
    "A backup is *incremental*: days share their files. Run `vouch backup DIR` to make one.\n"
    "It takes the latest durable state, and\nwriters are not stopped.\n\n"
    "## Restoring\n\n"
    "A backup is restored into an empty folder only. A running store is never overwritten.\n\n"
    "# Search\n\n"
    "Hybrid search fuses dense and text hits by reciprocal rank.\n";

constexpr char kPage[] =
    "<html><head><title>Snapshots &amp; tags</title></head><body><h1>Tags</h1>"
    "<p>A tag pins a <b>version</b> of the\n   collection &mdash; it never moves.</p>"
    "<p>Deleting a tag deletes no data.</p></body></html>";

class AnswerTest : public ::testing::Test {
 protected:
  AnswerTest() {
    docs_.AddDocument("guide.md", MediaType::kMarkdown, kBackupGuide);
    docs_.AddDocument("tags.html", MediaType::kHtml, kPage);
    docs_.AddDocument(
        "record", MediaType::kJsonLines,
        R"({"_id": "r1", "title": "Oil", "text": "Olive oil is pressed \u2014 \"cold\" \u2014 from olives."})");
    docs_.Commit();
  }

  absl::StatusOr<Answer> Try(const std::string& question, uint32_t max_sentences = 2) {
    AskRequest request;
    request.collection = "docs";
    request.question = question;
    request.max_sentences = max_sentences;
    request.principal = docs_.principal;
    return Ask(*docs_.database, docs_.embedders, request);
  }
  Answer AskFor(const std::string& question, uint32_t max_sentences = 2) {
    absl::StatusOr<Answer> answer = Try(question, max_sentences);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *std::move(answer) : Answer();
  }

  IngestedCollection docs_;
};

void ExpectCitationsHold(const Answer& answer) {
  for (const Citation& citation : answer.citations) {
    EXPECT_TRUE(citation.verified) << citation.quote;
    EXPECT_EQ(
        answer.text.substr(citation.answer.begin, citation.answer.end - citation.answer.begin),
        citation.quote);
    const std::string marker = " [" + std::to_string(citation.source_number) + "]";
    EXPECT_EQ(answer.text.substr(citation.answer.end, marker.size()), marker);
    ASSERT_LE(citation.source_number, answer.sources.size());
    const AnswerSource& source = answer.sources[citation.source_number - 1];
    EXPECT_EQ(source.number, citation.source_number);
    EXPECT_EQ(source.document, citation.document);
    EXPECT_LE(source.source.begin, citation.source.begin);
    EXPECT_GE(source.source.end, citation.source.end);
  }
}

TEST_F(AnswerTest, QuotesTheSentenceThatAnswersAndCitesItsBytes) {
  const Answer answer = AskFor("Into which folder is a backup restored?", 1);
  ASSERT_EQ(answer.citations.size(), 1u);
  EXPECT_EQ(answer.text, "A backup is restored into an empty folder only. [1]");
  const Citation& citation = answer.citations[0];
  EXPECT_EQ(std::string(kBackupGuide).substr(citation.source.begin,
                                       citation.source.end - citation.source.begin),
            "A backup is restored into an empty folder only.");
  EXPECT_EQ(citation.document, "guide.md");
  EXPECT_EQ(citation.source_hash, ContentHash(kBackupGuide));
  ExpectCitationsHold(answer);
  EXPECT_EQ(answer.generator, "builtin/extractive/2?max_sentences=1");
  EXPECT_THAT(answer.embedder, HasSubstr("builtin/lsa?dim=32#"));
  EXPECT_FALSE(answer.build_ids.empty());
}

TEST_F(AnswerTest, EntitiesMarkupAndWrappedLinesStillVerify) {
  const Answer answer = AskFor("What does a tag pin?", 1);
  EXPECT_EQ(answer.text, "A tag pins a version of the collection — it never moves. [1]");
  ASSERT_EQ(answer.citations.size(), 1u);
  const Citation& citation = answer.citations[0];
  EXPECT_EQ(
      std::string(kPage).substr(citation.source.begin, citation.source.end - citation.source.begin),
      "A tag pins a <b>version</b> of the\n   collection &mdash; it never moves.");
  ExpectCitationsHold(answer);
  ExpectCitationsHold(AskFor("are writers stopped by the latest durable state?", 1));
  const Answer record = AskFor("how is olive oil pressed", 1);
  EXPECT_THAT(record.text, HasSubstr("Olive oil is pressed — \"cold\" — from olives."));
  ExpectCitationsHold(record);
}

TEST_F(AnswerTest, AbstainsWhereNothingSpeaksOfTheQuestion) {
  for (const std::string question : {"zebra crossing", "the of and", "?"}) {
    const Answer answer = AskFor(question);
    EXPECT_TRUE(answer.abstained);
    EXPECT_TRUE(answer.citations.empty());
    EXPECT_THAT(answer.text, HasSubstr("Nothing that was found"));
  }
}

TEST_F(AnswerTest, TheSameQuestionAtTheSameVersionGivesTheSameAnswer) {
  const Answer first = AskFor("How is a backup restored?", 4);
  const Version version = first.version;
  docs_.AddDocument("more.md", MediaType::kMarkdown,
                    "A backup is restored by a command, which checks every file of it first.\n");
  docs_.Commit();
  AskRequest request;
  request.collection = "docs";
  request.question = "How is a backup restored?";
  request.at = {version};
  const Answer again = *Ask(*docs_.database, docs_.embedders, request);
  EXPECT_NE(again.id, first.id);
  // All but the id, the times and which index files stood behind it.
  Answer expected = first;
  expected.id = again.id;
  expected.build_ids = again.build_ids;
  EXPECT_EQ(AnswerToJson(again), AnswerToJson(expected));
  EXPECT_NE(AskFor("How is a backup restored?", 4).text, first.text);
}

TEST_F(AnswerTest, TheRecordIsKeptAndShownAgain) {
  const Answer answer = AskFor("How is a backup restored?");
  const absl::StatusOr<Answer> kept = GetAnswer(*docs_.database, docs_.principal, answer.id);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(AnswerToJson(*kept), AnswerToJson(answer));
  const Principal stranger{.tenant = "other", .subject = "x", .groups = {}};
  EXPECT_EQ(GetAnswer(*docs_.database, stranger, answer.id).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(GetAnswer(*docs_.database, docs_.principal, "nope").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(AnswerTest, RowsThatUsersWroteAreQuotedButNotVerified) {
  WriteRequest write;
  write.principal = docs_.principal;
  PointInput point{.id = PointId(7),
                   .vectors = {},
                   .payload = R"({"text": "A walrus eats clams."})",
                   .provenance = "",
                   .access = {}};
  write.upserts.push_back(point);
  ASSERT_TRUE(docs_.collection->Write(std::move(write)).ok());
  const Answer answer = AskFor("what does a walrus eat");
  ASSERT_EQ(answer.citations.size(), 1u);
  EXPECT_FALSE(answer.citations[0].verified);
  EXPECT_EQ(answer.citations[0].document, "7");
}

TEST_F(AnswerTest, BadRequestsNameValueAndLimit) {
  EXPECT_THAT(Try("").status().message(), HasSubstr("question is empty"));
  EXPECT_THAT(Try(std::string(65'537, 'x')).status().message(),
              HasSubstr("65537 bytes; the limit is 65536"));
  EXPECT_THAT(Try("x\xff").status().message(), HasSubstr("not UTF-8"));
  EXPECT_THAT(Try("x", 0).status().message(), HasSubstr("max_sentences is 0; it takes 1 to 20"));
  EXPECT_THAT(Try("x", 21).status().message(), HasSubstr("max_sentences is 21"));
}

TEST_F(AnswerTest, CancelledQuestionsAreNotKept) {
  AskRequest request;
  request.collection = "docs";
  request.question = "How is a backup restored?";
  request.cancel = CancelToken(absl::InfiniteFuture(), [] { return true; });
  EXPECT_EQ(Ask(*docs_.database, docs_.embedders, request).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(docs_.database->store().ListAnswers("default", 10)->empty());
}

TEST(AnswerJsonTest, DamagedRecordsNameTheField) {
  EXPECT_THAT(AnswerFromJson("[").status().message(), HasSubstr("no JSON object"));
  Answer answer;
  answer.citations.emplace_back();
  answer.hits.emplace_back().explanation.emplace_back().terms.push_back({.term = "t"});
  answer.sources.emplace_back();
  const std::string json = AnswerToJson(answer);
  EXPECT_EQ(AnswerToJson(*AnswerFromJson(json)), json);
  const auto without = [&](const std::string& part) {
    std::string cut = json;
    const size_t at = cut.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    cut.erase(at, part.size());
    return AnswerFromJson(cut).status();
  };
  EXPECT_THAT(without(R"("question":"",)").message(), HasSubstr("question is missing"));
  EXPECT_THAT(without(R"("quote":"",)").message(), HasSubstr("citations[0].quote is missing"));
  EXPECT_THAT(without(R"("idf":0.0,)").message(),
              HasSubstr("hits[0].explanation[0].terms[0].idf is missing"));
  EXPECT_EQ(AnswerFromJson(R"({"format": 4})").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// A record as the first version of the program wrote it.
constexpr char kFormat1[] =
    R"({"format":1,"id":"i","time_us":1,"tenant":"t","subject":"s","collection":"c","version":2,)"
    R"("question":"q","mode":"text","filter":"","embedder":"","generator":"builtin/extractive/1",)"
    R"("build_ids":["b"],"engine":"0.1.0","text":"A. [1]","abstained":false,"citations":[)"
    R"({"answer":[0,2],"source_number":1,"point":"p","row":3,"document":"d","uri":"u",)"
    R"("source_hash":"h","source":[4,6],"quote":"A.","verified":true}],"sources":[{"number":1,)"
    R"("point":7,"row":3,"document":"d","title":"","heading":"","score":0.5,"source":[4,6]}],)"
    R"("hits":[],"retrieve_us":5,"generate_us":6})";

TEST(AnswerJsonTest, RecordsOfTheFirstFormatStayReadable) {
  const absl::StatusOr<Answer> answer = AnswerFromJson(kFormat1);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "A. [1]");
  EXPECT_EQ(answer->citations[0].source, (ByteSpan{4, 6}));
  EXPECT_FALSE(answer->generation.has_value());
  std::string now = kFormat1;
  now.replace(now.find("\"format\":1"), 10, "\"format\":2");
  now.insert(now.find("\"hits\""), "\"generation\":null,");
  now.insert(now.find("\"embedder\""), "\"context_chunks\":0,");
  EXPECT_EQ(AnswerToJson(*answer), now);
}

TEST(AnswerJsonTest, CandidatesAreKeptAsSteps) {
  Answer answer;
  answer.candidates = {{RowId(3), RowId(4), RowId(90)}, {}, {RowId(0), RowId(1)}};
  const std::string json = AnswerToJson(answer);
  EXPECT_THAT(json, HasSubstr(R"("candidates":[[3,1,86],[],[0,1]])"));
  EXPECT_EQ(AnswerFromJson(json)->candidates, answer.candidates);
  for (const char* damaged : {"[3,0]", "[3,-1]", "[1,18446744073709551615]", "7"}) {
    std::string other = json;
    other.replace(other.find("[3,1,86]"), 8, damaged);
    EXPECT_THAT(AnswerFromJson(other).status().message(), HasSubstr("candidates[0] is no list of ascending rows"))
        << damaged;
  }
}

TEST(AnswerJsonTest, GoldenBytesOfAGeneration) {
  Answer answer = *AnswerFromJson(kFormat1);
  answer.generation = Generation{
      .route = "r",
      .tier = "small",
      .endpoint = "http://h/v1",
      .parameters = R"({"model":"m"})",
      .response_model = "m-1",
      .fingerprint = "fp",
      .max_prompt_tokens = 6000,
      .prompt_id = "answer/1",
      .prompt_hash = "ph",
      .prompt = {{.role = "user", .content = "q"}},
      .completion = "A. [1]",
      .finish_reason = "stop",
      .usage = {.prompt_tokens = 9, .completion_tokens = 2, .estimated = true},
      .price_table = "p1",
      .currency = "EUR",
      .cost_nano = 150,
      .attempts = {{.tier = "small",
                    .model = "m",
                    .endpoint = "http://h/v1",
                    .outcome = "ok",
                    .started_us = 10,
                    .ended_us = 12,
                    .usage = {.prompt_tokens = 9, .completion_tokens = 2, .estimated = true},
                    .cost_nano = 150}},
      .grounding = 0.5,
      .min_grounding = 0.25,
      .sentences = {{.answer = {0, 2}, .sources = {1}, .support = 0.75, .problems = {"p"}}}};
  const std::string json = AnswerToJson(answer);
  EXPECT_THAT(
      json,
      HasSubstr(
          R"("generation":{"route":"r","tier":"small","endpoint":"http://h/v1",)"
          R"("parameters":"{\"model\":\"m\"}","response_model":"m-1","fingerprint":"fp",)"
          R"("max_prompt_tokens":6000,"prompt_id":"answer/1","prompt_hash":"ph","prompt":[{"role":"user","content":"q"}],)"
          R"("completion":"A. [1]","finish_reason":"stop","usage":{"prompt_tokens":9,)"
          R"("completion_tokens":2,"estimated":true},"price_table":"p1","currency":"EUR",)"
          R"("cost_nano":150,"attempts":[{"tier":"small","model":"m","endpoint":"http://h/v1",)"
          R"("outcome":"ok","started_us":10,"ended_us":12,"usage":{"prompt_tokens":9,)"
          R"("completion_tokens":2,"estimated":true},"cost_nano":150}],"grounding":0.5,)"
          R"("min_grounding":0.25,"sentences":[{"answer":[0,2],"sources":[1],"support":0.75,)"
          R"("problems":["p"]}]},"hits":[])"));
  EXPECT_EQ(AnswerToJson(*AnswerFromJson(json)), json);
  std::string damaged = json;
  damaged.replace(damaged.find("\"sources\":[1]"), 13, "\"sources\":[-1]");
  EXPECT_THAT(AnswerFromJson(damaged).status().message(),
              HasSubstr("generation.sentences[0].sources[0] is no source's number"));
}

TEST(AnswerIdTest, UuidV7) {
  std::array<uint8_t, 16> random{};
  // RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
  EXPECT_EQ(MakeUuidV7(1645557742000'000, random), "017f22e2-79b0-7000-8000-000000000000");
  random.fill(0xFF);
  EXPECT_EQ(MakeUuidV7(1645557742000'999, random), "017f22e2-79b0-7ffb-bfff-ffffffffffff");
  EXPECT_LT(MakeUuidV7(1645557742000'001, random), MakeUuidV7(1645557742000'002, random));
  EXPECT_NE(RandomBytes(), RandomBytes());
}

TEST(CiteTest, VerifyQuoteIsStrictAboutWordsAndLenientAboutMarkup) {
  const std::string text = "one & two\nthree";
  const std::string source = "<p>one &amp; <b>two</b>\n three";
  const SpanMap spans({{0, 4, 3, 7, true},      // "one "
                       {4, 5, 7, 12, false},    // "&amp;"
                       {5, 6, 12, 13, true},    // " "
                       {6, 9, 16, 19, true},    // "two"
                       {9, 10, 23, 25, false},  // white space
                       {10, 15, 25, 30, true}});
  const ByteSpan all{0, text.size()};
  EXPECT_TRUE(VerifyQuote("one & two three", text, all, spans, source));
  EXPECT_FALSE(VerifyQuote("one & two four", text, all, spans, source));
  std::string other = source;
  other[16] = 'T';
  EXPECT_FALSE(VerifyQuote("one & two three", text, all, spans, other));
  other = source;
  other.replace(7, 5, "&lt; ");
  EXPECT_FALSE(VerifyQuote("one & two three", text, all, spans, other));
  EXPECT_FALSE(VerifyQuote("one & two three", text, all, spans, source.substr(0, 20)));
  EXPECT_FALSE(VerifyQuote("one & two three", text, all, SpanMap(), source));
  EXPECT_FALSE(VerifyQuote("one & two three", text, all, SpanMap({{0, 4, 3, 7, true}}), source));
  EXPECT_FALSE(VerifyQuote("", text, {3, 3}, spans, source));
  EXPECT_FALSE(VerifyQuote("x", text, {0, 99}, spans, source));
}

}  // namespace
}  // namespace vouch
