#include "rag/forget/forget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rag/answer_texts.h"
#include "rag/drift/drift_reference.h"
#include "rag/replay.h"
#include "storage/answer_records.h"
#include "storage/erasure.h"
#include "tests/rag/ingested_collection.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSecret[] =
    "# Salaries\n\nThe head gardener earns forty guineas a month.\n\nThe falconer Wolfhard earns twelve guineas.\n";
constexpr char kHarmless[] = "# Garden\n\nThe garden is open from dawn to dusk every day.\n";

class ForgetTest : public ::testing::Test {
 protected:
  ForgetTest() {
    docs_.AddDocument("secret.md", MediaType::kMarkdown, kSecret);
    docs_.AddDocument("garden.md", MediaType::kMarkdown, kHarmless);
    docs_.Commit();
  }
  Answer AskFor(const std::string& question, ModelRoute* route = nullptr, std::vector<ChatMessage> conversation = {}) {
    AskRequest request;
    request.collection = "docs";
    request.question = question;
    request.route = route;
    request.conversation = std::move(conversation);
    return Ask(*docs_.database, docs_.embedders, request).value();
  }
  std::unique_ptr<ModelRoute> RouteTo(const ModelServer& server) {
    RouteSpec spec;
    spec.tiers = {{.name = "small", .endpoint = {.base_url = server.base_url(), .model = "m"}, .parameters = {}}};
    return ModelRoute::Create(std::move(spec), {.ledger = ledger_}).value();
  }
  ForgetRequest Request() {
    ForgetRequest request;
    request.collection = "docs";
    request.document = "secret.md";
    request.reason = "request 4711";
    return request;
  }
  AnswerChainReport Chain() {
    return AnswerRecords::Of(docs_.database->store()).VerifyAnswerChain("default", nullptr).value();
  }
  std::string Record(const std::string& id) { return docs_.database->store().GetAnswer("default", id).value(); }
  size_t HitsOf(const std::string& text, ReadAt at = {}) {
    SearchRequest search;
    search.query.node = TextLeaf{.field = "text", .text = text};
    search.at = std::move(at);
    return docs_.collection->Search(search).value().hits.size();
  }

  IngestedCollection docs_;
  SpendLedger ledger_{docs_.database->store().catalog(), docs_.clock};
};

TEST_F(ForgetTest, ADocumentIsGoneInAllVersionsAndAnswers) {
  const Answer answer = AskFor("What does the falconer Wolfhard earn?");
  ASSERT_FALSE(answer.abstained);
  ASSERT_THAT(answer.text, HasSubstr("twelve guineas"));
  const Answer other = AskFor("When is the garden open?");
  const Answer later = AskFor("And the gardener?", nullptr, {{"assistant", "As I said: " + answer.text}});
  const Digest head = Chain().head;

  const ForgetReport report = Forget(*docs_.database, Request()).value();
  EXPECT_EQ(report.record.points, 1u);
  EXPECT_EQ(report.record.rows, 1u);
  EXPECT_EQ(report.record.sources.size(), 1u);
  EXPECT_GE(report.record.answers, 2u);
  EXPECT_NE(report.record.finished_us, 0);
  EXPECT_FALSE(report.remains.empty());

  EXPECT_EQ(HitsOf("falconer"), 0u);
  EXPECT_EQ(HitsOf("falconer", ReadAt{Version(1)}), 0u) << "also as it was before";
  EXPECT_EQ(HitsOf("garden", ReadAt{Version(1)}), 1u);
  EXPECT_EQ(docs_.database->store().GetArtifact(docs_.collection->id(), ContentHash(kSecret)).status().code(),
            absl::StatusCode::kNotFound);
  for (const Answer* kept : {&answer, &other, &later}) {
    EXPECT_THAT(Record(kept->id), Not(HasSubstr("guineas"))) << kept->question;
    EXPECT_THAT(Record(kept->id), Not(HasSubstr("Salaries")));
  }
  EXPECT_THAT(Record(answer.id), HasSubstr("What does the falconer Wolfhard earn?")) << "questions are the caller's";
  EXPECT_THAT(Record(other.id), HasSubstr("dawn to dusk"));

  const AnswerChainReport chain = Chain();
  EXPECT_THAT(chain.problems, IsEmpty());
  EXPECT_EQ(chain.head, head);
  EXPECT_GE(chain.erased, 2u);

  ReplayRequest replay;
  replay.id = answer.id;
  const ReplayReport replayed = Replay(*docs_.database, docs_.embedders, replay).value();
  EXPECT_EQ(replayed.level, "R0");
  EXPECT_THAT(replayed.steps[1].first_difference, HasSubstr("was erased, as its source was forgotten; its hash is "));
  EXPECT_THAT(replayed.text, StartsWith("{\"erased\":\""));
}

TEST_F(ForgetTest, AModelsAnswerGoesWithItsPrompt) {
  ModelServer server([](size_t, const ModelServer::Request&) {
    return ChatStream("The falconer earns twelve guineas [1].", 9, 9);
  });
  const auto route = RouteTo(server);
  const Answer answer = AskFor("What does the falconer earn?", route.get());
  ASSERT_TRUE(answer.generation.has_value());
  ASSERT_TRUE(Forget(*docs_.database, Request()).ok());
  EXPECT_THAT(Record(answer.id), Not(HasSubstr("guineas")));
  EXPECT_TRUE(AnswerFromJson(Record(answer.id)).ok());
  EXPECT_THAT(Chain().problems, IsEmpty());
}

// The model is slow, and the source is forgotten meanwhile.
TEST_F(ForgetTest, AnAskThatBeganBeforeKeepsNothingOfIt) {
  ModelServer server([this](size_t, const ModelServer::Request&) {
    EXPECT_TRUE(Forget(*docs_.database, Request()).ok());
    return ChatStream("The falconer earns twelve guineas [1].", 9, 9);
  });
  const auto route = RouteTo(server);
  const Answer answer = AskFor("What does the falconer earn?", route.get());
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_THAT(Record(answer.id), Not(HasSubstr("guineas")));
  EXPECT_THAT(Chain().problems, IsEmpty());
}

TEST_F(ForgetTest, TiersThatWereNotTakenAndRewritesGoToo) {
  Answer answer;
  answer.collection = "docs";
  answer.hits.push_back({.id = PointId(1), .provenance = EncodeProvenance({.document = "secret.md"})});
  answer.generation.emplace().completion = "taken";
  answer.generation->decisions = {{.tier = "small", .completion = "not taken"}, {.tier = "large"}};
  const std::set<std::string> paths = PathsOf(answer, "docs", "secret.md");
  EXPECT_TRUE(paths.contains("generation.decisions[0].completion"));
  EXPECT_TRUE(PathsOf(answer, "docs", "garden.md").empty());
}

// A turn that repeats a forgotten answer: whatever a model made of the conversation goes as well.
TEST_F(ForgetTest, WhatWasMadeOfARepeatedAnswerGoes) {
  const Answer answer = AskFor("What does the falconer Wolfhard earn?");
  Answer later = AskFor("And when does the garden open?", nullptr, {{"assistant", answer.text}});
  later.id.back() = later.id.back() == '0' ? '1' : '0';
  later.generation.emplace().prompt = {{"user", "Conversation: twelve  guineas, other white space"}};
  later.rewrites.push_back({.kind = "standalone", .texts = {"Of twelve guineas: when does the garden open?"}, .completion = "Of twelve guineas"});
  ASSERT_TRUE(AnswerRecords::Of(docs_.database->store())
                  .PutAnswerLinked("default", later.id, AnswerToJson(later), "0123456789abcdef").ok());
  ASSERT_TRUE(Forget(*docs_.database, Request()).ok());
  EXPECT_THAT(Record(later.id), Not(HasSubstr("guineas")));
  EXPECT_THAT(Record(later.id), HasSubstr("And when does the garden open?"));
}

TEST_F(ForgetTest, ADryRunChangesNothing) {
  const Answer answer = AskFor("What does the falconer Wolfhard earn?");
  const std::string before = Record(answer.id);
  ForgetRequest request = Request();
  request.dry_run = true;
  const ForgetReport report = Forget(*docs_.database, request).value();
  EXPECT_EQ(report.record.rows, 1u);
  EXPECT_EQ(report.record.answers, 1u);
  EXPECT_EQ(Record(answer.id), before);
  EXPECT_EQ(HitsOf("falconer"), 1u);
  EXPECT_THAT(ListForgotten(*docs_.database, {}, "docs").value(), IsEmpty());
}

TEST_F(ForgetTest, WhatIsNotThereIsNotFound) {
  ForgetRequest request = Request();
  request.document = "nobody.md";
  EXPECT_EQ(Forget(*docs_.database, request).status().code(), absl::StatusCode::kNotFound);
  request.document = "";
  EXPECT_EQ(Forget(*docs_.database, request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ForgetTest, TheSameBytesOfAnotherDocumentStay) {
  docs_.AddDocument("copy.md", MediaType::kMarkdown, kSecret);
  docs_.Commit();
  const ForgetReport report = Forget(*docs_.database, Request()).value();
  EXPECT_THAT(report.record.sources, IsEmpty());
  EXPECT_EQ(report.record.kept_sources, std::vector<std::string>{ContentHash(kSecret)});
  EXPECT_EQ(HitsOf("falconer"), 1u);
}

// Rows by their numbers, and older ones, which the store has no more, by the document's mark.
TEST_F(ForgetTest, ItsVectorsInDriftReferencesGo) {
  DriftReference reference{.monitor = "desk", .number = 1, .collection = "docs", .dim = 2};
  reference.questions.dim = reference.row_points.dim = 2;
  reference.rows = {0, 1, 99};
  reference.documents = {DocumentMark("secret.md"), DocumentMark("garden.md"), DocumentMark("secret.md")};
  for (const std::vector<float>& vector : {std::vector<float>{1, 0}, {0, 1}, {-1, 0}}) reference.row_points.Add(vector);
  EvaluationRecords& records = EvaluationRecords::Of(docs_.database->store());
  const NamedRecord kept[] = {{.name = DriftReferenceName("desk", 1), .bytes = EncodeDriftReference(reference)}};
  ASSERT_TRUE(records.PutEvaluationRecords("default", kept, /*only_new=*/true).ok());
  ForgetRequest request = Request();
  request.dry_run = true;
  EXPECT_EQ(Forget(*docs_.database, request)->record.reference_rows, 2u);
  EXPECT_EQ(ReadDriftReference(records, "default", "desk", 1)->rows.size(), 3u);
  request.dry_run = false;
  EXPECT_EQ(Forget(*docs_.database, request)->record.reference_rows, 2u);
  const DriftReference left = ReadDriftReference(records, "default", "desk", 1).value();
  EXPECT_EQ(left.rows, std::vector<uint64_t>{1});
  EXPECT_EQ(left.row_points.values, (std::vector<float>{0, 1}));
  EXPECT_EQ(ListForgotten(*docs_.database, {}, "docs")->at(0).reference_rows, 2u);
}

// Stopped before any step, it is gone on with by the next start.
TEST_F(ForgetTest, AnInterruptedOneIsResumed) {
  const Answer answer = AskFor("What does the falconer Wolfhard earn?");
  for (const std::string stop : {"rows", "sources", "index", "answers", "references", "finish"}) {
    SCOPED_TRACE(stop);
    ForgetRequest request = Request();
    request.at_step = [&](std::string_view step) {
      return step == stop ? absl::AbortedError("stopped") : absl::OkStatus();
    };
    EXPECT_EQ(Forget(*docs_.database, request).status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(ListForgotten(*docs_.database, {}, "docs").value().at(0).finished_us, 0);
  }
  ASSERT_TRUE(ResumeForgetting(*docs_.database).ok());
  const std::vector<ForgetRecord> records = ListForgotten(*docs_.database, {}, "docs").value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_NE(records[0].finished_us, 0);
  EXPECT_EQ(records[0].reason, "request 4711");
  EXPECT_EQ(records[0].rows, 1u);
  EXPECT_EQ(HitsOf("falconer", ReadAt{Version(1)}), 0u);
  EXPECT_THAT(Record(answer.id), Not(HasSubstr("guineas")));
}

// After compaction no file of the store holds a word of it.
TEST_F(ForgetTest, CompactionTakesItOutOfTheFiles) {
  AskFor("What does the falconer Wolfhard earn?");
  ASSERT_TRUE(docs_.collection->Optimize(CancelToken(), [](double) {}).ok());
  ForgetRequest request = Request();
  request.compact = true;
  const ForgetReport report = Forget(*docs_.database, request).value();
  EXPECT_TRUE(report.record.compacted);
  const std::string path = docs_.database->store().path();
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(path).parent_path())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(bytes.find("guineas"), std::string::npos) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 3u);
  EXPECT_EQ(HitsOf("garden"), 1u);
}

TEST_F(ForgetTest, AFurtherCallKeepsTheEntry) {
  ASSERT_TRUE(Forget(*docs_.database, Request()).ok());
  ForgetRequest again = Request();
  again.reason = "";
  again.compact = true;
  ASSERT_TRUE(Forget(*docs_.database, again).ok());
  const ForgetRecord record = ListForgotten(*docs_.database, {}, "docs").value().at(0);
  EXPECT_EQ(record.reason, "request 4711");
  EXPECT_EQ(record.rows, 1u);
  EXPECT_TRUE(record.compacted);
}

}  // namespace
}  // namespace vouch
