#include "rag/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/store.h"
#include "tests/rag/ingested_collection.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kReplayGuide[] =
    "# Backup\n\nA backup is incremental: days share their files.\n\n"
    "A backup is restored into an empty folder only. A running store is never overwritten.\n";

class ReplayTest : public ::testing::Test {
 protected:
  ReplayTest() {
    docs_.AddDocument("guide.md", MediaType::kMarkdown, kReplayGuide);
    docs_.Commit();
  }

  Answer AskFor(const std::string& question, ModelRoute* route = nullptr) {
    AskRequest request;
    request.collection = "docs";
    request.question = question;
    request.max_sentences = 2;
    request.filter = std::nullopt;
    request.route = route;
    return Ask(*docs_.database, docs_.embedders, request).value();
  }
  ReplayReport Again(const std::string& id, std::optional<ReadAt> at = std::nullopt) {
    ReplayRequest request;
    request.id = id;
    request.at = std::move(at);
    return Replay(*docs_.database, docs_.embedders, request).value();
  }
  void ChangeDocuments() {
    docs_.AddDocument(
        "more.md", MediaType::kMarkdown,
        "# Restore\n\nA backup is restored by a restore of the backup into a folder.\n");
    docs_.Commit();
  }

  IngestedCollection docs_;
};

void ExpectLevel(const ReplayReport& report, const std::string& level) {
  EXPECT_EQ(report.level, level);
  for (const ReplayStep& step : report.steps) {
    if (step.level <= level) {
      EXPECT_TRUE(step.identical) << step.level << ": " << step.first_difference;
    }
  }
}

TEST_F(ReplayTest, QuotedAnswersAreTheSameAfterLaterWrites) {
  const Answer answer = AskFor("Into which folder is a backup restored?");
  const Answer nothing = AskFor("zebra");
  ExpectLevel(Again(answer.id), "R3");
  ChangeDocuments();
  const ReplayReport report = Again(answer.id);
  ExpectLevel(report, "R3");
  EXPECT_EQ(report.text, answer.text);
  EXPECT_EQ(report.version, answer.version);
  ExpectLevel(Again(nothing.id), "R3");
  EXPECT_EQ(docs_.database->store().ListAnswers("default", 10)->size(), 2u)
      << "a replay is not kept";
}

TEST_F(ReplayTest, AtAnotherVersionItSaysWhatWouldDiffer) {
  const Answer answer = AskFor("Into which folder is a backup restored?");
  ChangeDocuments();
  const ReplayReport report = Again(answer.id, ReadAt{docs_.collection->Stats().version});
  EXPECT_EQ(report.level, "R4");
  ASSERT_EQ(report.steps.size(), 4u);
  EXPECT_TRUE(report.steps[0].identical);
  EXPECT_FALSE(report.steps[1].identical);
  EXPECT_THAT(report.steps[1].first_difference, HasSubstr(" became "));
}

TEST_F(ReplayTest, AModelsAnswerIsTakenFromItsCompletion) {
  auto server = std::make_unique<ModelServer>([](size_t, const ModelServer::Request&) {
    return ChatStream("A backup goes into an empty folder when it is restored [1].", 9, 9);
  });
  SpendLedger ledger(docs_.database->store().catalog(), docs_.clock);
  RouteSpec spec;
  spec.tiers = {{.name = "small",
                 .endpoint = {.base_url = server->base_url(), .model = "m"},
                 .parameters = {}}};
  const auto route = ModelRoute::Create(std::move(spec), {.ledger = ledger}).value();
  const Answer answer = AskFor("Into which folder is a backup restored?", route.get());
  ASSERT_TRUE(answer.generation.has_value());
  server.reset();
  ChangeDocuments();
  const ReplayReport report = Again(answer.id);
  ExpectLevel(report, "R3");
  EXPECT_EQ(report.text, answer.text);
}

// A record that was changed in its place is told apart, with the field.
TEST_F(ReplayTest, TheFirstFieldThatDiffersIsNamed) {
  const Answer answer = AskFor("Into which folder is a backup restored?");
  const auto replay_of = [&](const std::function<void(Answer&)>& change) {
    Answer changed = answer;
    change(changed);
    EXPECT_TRUE(
        docs_.database->store().PutAnswer("default", answer.id, AnswerToJson(changed)).ok());
    return Again(answer.id);
  };
  ReplayReport report = replay_of([](Answer& a) { a.hits[0].score += 1; });
  EXPECT_EQ(report.level, "R0");
  EXPECT_THAT(report.steps[1].first_difference, StartsWith("hits[0].score: "));
  EXPECT_TRUE(report.steps[3].identical);
  report = replay_of([](Answer& a) { a.text.replace(a.text.find("empty"), 5, "EMPTY"); });
  EXPECT_EQ(report.level, "R2");
  EXPECT_THAT(report.steps[3].first_difference, StartsWith("text: from byte "));
  report = replay_of([](Answer& a) { a.citations[0].source_number = 99; });
  EXPECT_EQ(report.level, "");
  EXPECT_THAT(report.steps[0].first_difference, StartsWith("citations[0].source_number"));
  report = replay_of([](Answer& a) { a.citations[0].verified = false; });
  EXPECT_EQ(report.steps[3].first_difference, "citations[0].verified: false became true");
  report = replay_of([](Answer& a) { a.collection = "gone"; });
  EXPECT_EQ(report.level, "R0");
  EXPECT_THAT(report.steps[1].first_difference, StartsWith("it cannot be taken again: "));
}

TEST_F(ReplayTest, UnknownAnswersAreNotFound) {
  ReplayRequest request;
  request.id = "nope";
  EXPECT_EQ(Replay(*docs_.database, docs_.embedders, request).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace vouch
