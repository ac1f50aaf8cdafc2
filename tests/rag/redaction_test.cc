#include "rag/redaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/replay.h"
#include "tests/rag/ingested_collection.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Covered(const std::vector<std::string>& patterns, std::string text) {
  Redaction::Create({.redact = patterns}).value().Cover(&text);
  return text;
}

TEST(Redaction, CoversByteByByte) {
  EXPECT_EQ(Covered({"email"}, "to max@example.org, now"), "to ***************, now");
  EXPECT_EQ(Covered({"email"}, "max@example"), "max@example");
  EXPECT_EQ(Covered({"card"}, "card 4111 1111 1111 1111."), "card *******************.");
  EXPECT_EQ(Covered({"iban"}, "DE89 3704 0044 0532 0130 00"), "***************************");
  EXPECT_EQ(Covered({"phone"}, "call +49 30 1234567 or 12345"), "call ************** or 12345");
  EXPECT_EQ(Covered({"re:(?i)acme-\\d+"}, "ACME-1 and acme-22"), "****** and *******");
  EXPECT_EQ(Covered({"re:ü"}, "müde"), "m**de") << "a character of two bytes leaves two";
}

TEST(Redaction, SaysWhatIsWrongWithAPattern) {
  const auto message = [](const std::string& pattern) {
    return std::string(Redaction::Create({.redact = {pattern}}).status().message());
  };
  EXPECT_THAT(message("mail"), HasSubstr("record.redact has 'mail'; it takes email, phone, iban, card, or re:REGEX"));
  EXPECT_THAT(message("re:("), HasSubstr("it is no regular expression"));
  EXPECT_THAT(message("re:a*"), HasSubstr("it matches where nothing is"));
  EXPECT_THAT(message("re:" + std::string(2'000, 'a')), HasSubstr("at most 1000 bytes"));
}

TEST(Redaction, TheRecordIsCoveredAndTheCallerGetsAll) {
  IngestedCollection docs;
  docs.AddDocument("guide.md", MediaType::kMarkdown, "# Post\n\nLetters to max@example.org are read on Mondays.\n");
  docs.Commit();
  auto version = std::make_shared<PipelineVersion>();
  version->spec.name = "post";
  version->spec.collection = "docs";
  version->spec.generate.generator = "builtin/extractive";
  version->spec.record.redact = {"email"};
  version->number = 1;
  AskRequest request;
  ASSERT_TRUE(UsePipeline(version, nullptr, &request).ok());
  request.question = "When are letters to max@example.org read?";
  const Answer answer = Ask(*docs.database, docs.embedders, request).value();
  ASSERT_THAT(answer.text, HasSubstr("max@example.org"));
  EXPECT_EQ(answer.redacted, 0u);
  const Answer kept = GetAnswer(*docs.database, {}, answer.id).value();
  EXPECT_EQ(kept.question, "When are letters to *************** read?");
  EXPECT_THAT(kept.text, Not(HasSubstr("max@")));
  EXPECT_EQ(kept.text.size(), answer.text.size()) << "spans go on to fit";
  EXPECT_GE(kept.redacted, 2u);
  for (const PointHit& hit : kept.hits) {
    for (const NodeScore& node : hit.explanation) EXPECT_TRUE(node.terms.empty());
  }
  ReplayRequest replay;
  replay.id = answer.id;
  const ReplayReport report = Replay(*docs.database, docs.embedders, replay).value();
  EXPECT_EQ(report.level, "R0");
  EXPECT_THAT(report.steps[1].first_difference, HasSubstr("places of the record with asterisks"));
}

TEST(Redaction, APipelineWithoutItKeepsItsHash) {
  PipelineSpec spec;
  spec.name = "p";
  spec.collection = "c";
  EXPECT_THAT(PipelineToJson(spec), Not(HasSubstr("record")));
  spec.record.redact = {"email"};
  EXPECT_THAT(PipelineToJson(spec), HasSubstr(R"("record":{"redact":["email"]})"));
  EXPECT_EQ(PipelineToJson(PipelineFromJson(PipelineToJson(spec)).value()), PipelineToJson(spec));
  spec.record.redact = {"nonsense"};
  EXPECT_EQ(CheckPipeline(spec).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace vouch
