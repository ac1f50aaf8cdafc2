// Compliance bundles: what they hold, that they are the same bytes again, and that no change of them goes unnamed.
#include "rag/export/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rag/export/bundle_check.h"
#include "rag/export/bundle_files.h"
#include "rag/export/bundle_format.h"
#include "rag/feedback.h"
#include "rag/forget/forget.h"
#include "storage/answer_records.h"
#include "storage/sha256.h"
#include "tests/rag/vouched_store.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Json = nlohmann::json;

class BundleTest : public ::testing::Test {
 protected:
  std::string Bundle(TimeRange range = {}, BundleSummary* summary = nullptr) {
    std::string archive;
    const auto written = WriteBundle(*world_.docs.database, {.range = range}, [&](std::string_view bytes) {
      archive.append(bytes);
      return absl::OkStatus();
    });
    EXPECT_TRUE(written.ok()) << written.status();
    if (summary != nullptr && written.ok()) *summary = *written;
    return archive;
  }
  static BundleReport Check(std::string_view archive, const BundleExpectations& expected = {}) {
    return CheckBundle(archive, expected);
  }
  static std::string Says(const BundleReport& report) {
    std::string text;
    for (const BundleProblem& problem : report.problems) text += problem.where + ": " + problem.what + "\n";
    return text;
  }
  static std::map<std::string, std::string> FilesOf(const std::string& archive) {
    std::map<std::string, std::string> files;
    for (const TarFile& file : ReadTar(archive).files) files[file.path] = std::string(file.bytes);
    return files;
  }
  // The files as a forger with the program would put them together again: sums and manifest fit.
  static std::string Forged(const std::string& archive, const std::string& path,
                            const std::function<void(std::string&)>& change) {
    std::string forged;
    const TarWriter::Sink sink = [&](std::string_view bytes) {
      forged.append(bytes);
      return absl::OkStatus();
    };
    BundleFiles files(sink);
    RecordJson manifest;
    for (const TarFile& file : ReadTar(archive).files) {
      std::string bytes(file.bytes);
      if (file.path == path) change(bytes);
      if (file.path == "manifest.json") {
        manifest = RecordJson::parse(bytes);
      } else if (file.path != "SHA256SUMS" && !bytes.empty()) {
        EXPECT_TRUE(files.Add(file.path, bytes).ok());
      }
    }
    std::string seal;
    EXPECT_TRUE(files.Finish(manifest, &seal).ok());
    return forged;
  }

  VouchedStore world_;
};

TEST_F(BundleTest, HoldsWhatTheRangeCanBeVouchedForWith) {
  world_.TellTheStory();
  BundleSummary summary;
  const std::string archive = Bundle({}, &summary);
  EXPECT_EQ(summary.answers, 5u) << "three of users, two of the evaluation";
  EXPECT_EQ(summary.evaluations, 1u);
  const auto files = FilesOf(archive);
  EXPECT_EQ(summary.files, files.size());
  EXPECT_EQ(summary.seal, HexOf(Sha256Of(files.at("SHA256SUMS"))));
  const BundleReport report = Check(archive, {.seal = summary.seal});
  EXPECT_EQ(Says(report), "");
  EXPECT_EQ(report.answers, 5u);
  EXPECT_EQ(report.links, 5u);
  EXPECT_EQ(report.entries, summary.entries);
  EXPECT_EQ(report.seal, summary.seal);
  EXPECT_EQ(report.tenant, "default");

  EXPECT_EQ(files.at("answers/0000000003.json"), world_.store().GetAnswer("default", world_.answers[0].id).value());
  EXPECT_THAT(files.at("pipelines.jsonl"), HasSubstr(R"("pipeline":"support@1")"));
  EXPECT_THAT(files.at("gates.jsonl"), HasSubstr(R"("gate":"quality@1")"));
  EXPECT_THAT(files.at("datasets.jsonl"), HasSubstr(R"("name":"parts")"));
  EXPECT_THAT(files.at("evaluations/" + world_.evaluation.id + ".json"), HasSubstr("recall_10"));
  EXPECT_THAT(files.at("evaluations/" + world_.evaluation.id + ".results.jsonl"), HasSubstr(R"("id":"backup")"));
  EXPECT_THAT(files.at("promotions.jsonl"), HasSubstr(R"("who":"default/eve","action":"promote.refused")"));
  EXPECT_THAT(files.at("promotions.jsonl"), HasSubstr(world_.evaluation.id)) << "the evidence";
  const Json ada = Json::parse(files.at("reviewers.jsonl").substr(0, files.at("reviewers.jsonl").find('\n')));
  EXPECT_EQ(ada["actor"], "default/ada");
  EXPECT_THAT(ada["entries"]["promote"], SizeIs(1));
  const Json manifest = Json::parse(files.at("manifest.json"));
  EXPECT_EQ(manifest["files"].size(), files.size() - 2);
  EXPECT_EQ(manifest["to"], nullptr);
}

TEST_F(BundleTest, TheSameRangeIsTheSameBytes) {
  world_.TellTheStory();
  const TimeRange range{.from_us = 1, .to_us = world_.docs.clock.now_us + 1};
  const std::string archive = Bundle(range);
  world_.AskIt("What is incremental?");
  EXPECT_TRUE(Bundle(range) == archive);
  EXPECT_FALSE(Bundle({.from_us = 1}) == archive);
}

// Only the links of other answers between two of the range go with it, so that the chain has no gap.
TEST_F(BundleTest, ARangeHasNoAnswersOfOthersAndItsChainHolds) {
  world_.TellTheStory();
  const int64_t from_us = world_.answers[1].time_us;
  BundleSummary summary;
  const std::string archive = Bundle({.from_us = from_us, .to_us = from_us + 1}, &summary);
  EXPECT_EQ(summary.answers, 1u);
  EXPECT_EQ(Says(Check(archive)), "");
  EXPECT_THAT(archive, Not(HasSubstr(world_.answers[0].id)));
  EXPECT_THAT(archive, HasSubstr(R"("pipeline":"support@1")")) << "that gave it, though it was applied before";
  const std::string empty = Bundle({.from_us = 1, .to_us = 2}, &summary);
  EXPECT_EQ(summary.answers, 0u);
  EXPECT_EQ(Says(Check(empty)), "");
}

TEST_F(BundleTest, ErasedTextsStayErasedAndTheChainHolds) {
  world_.TellTheStory();
  ForgetRequest forget{.collection = "docs", .document = "sea.md", .reason = "request 4711"};
  ASSERT_TRUE(Forget(*world_.docs.database, forget).ok());
  const std::string archive = Bundle();
  const BundleReport report = Check(archive);
  EXPECT_EQ(Says(report), "");
  EXPECT_GE(report.erased, 1u);
  EXPECT_THAT(archive, Not(HasSubstr("The sea is quiet at night")));
  EXPECT_THAT(FilesOf(archive).at("forgotten.jsonl"), HasSubstr("request 4711"));
}

// One byte anywhere: in a header, in a file, in the padding, at the end. The file that it stands in is named.
TEST_F(BundleTest, OneChangedByteIsNamedWhereverItStands) {
  world_.TellTheStory();
  const std::string archive = Bundle();
  std::vector<std::pair<size_t, std::string>> ends;  // where a file ends with its padding, and its name
  for (const TarFile& file : ReadTar(archive).files) {
    const size_t end = static_cast<size_t>(file.bytes.data() - archive.data()) + file.bytes.size();
    ends.emplace_back((end + 511) / 512 * 512, file.path);
  }
  size_t tried = 0;
  for (size_t at = 0; at < archive.size(); at += 197) {
    std::string changed = archive;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const BundleReport report = Check(changed);
    const auto file = std::find_if(ends.begin(), ends.end(), [at](const auto& end) { return at < end.first; });
    ASSERT_THAT(report.problems, Not(IsEmpty())) << at;
    if (file != ends.end() && at % 512 > 99) {  // a changed name is another file
      EXPECT_THAT(Says(report), HasSubstr(file->second)) << at;
    }
    ++tried;
  }
  EXPECT_GT(tried, 200u);
  for (const size_t cut : {size_t{1}, size_t{512}, size_t{1024}, archive.size() / 2, archive.size()})
    EXPECT_THAT(Check(std::string_view(archive).substr(0, archive.size() - cut)).problems, Not(IsEmpty())) << cut;
  EXPECT_THAT(Says(Check(archive + std::string(512, '\0'))), HasSubstr("something was put after it"));
}

// Who makes sums and manifest anew is found by the chains.
TEST_F(BundleTest, AForgerWhoMakesTheSumsAnewIsFoundByTheChains) {
  world_.TellTheStory();
  const std::string archive = Bundle();
  EXPECT_EQ(Forged(archive, "", {}), archive) << "the forger's tool is a good one";
  const auto replace = [](const std::string& from, const std::string& to) {
    return [=](std::string& bytes) {
      ASSERT_NE(bytes.find(from), std::string::npos) << from;
      bytes.replace(bytes.find(from), from.size(), to);
    };
  };
  const auto forged = [&](const std::string& path, const std::string& from, const std::string& to) {
    return Says(Check(Forged(archive, path, replace(from, to))));
  };
  EXPECT_THAT(forged("answers/0000000003.json", "incremental", "accidental"),
              HasSubstr("answers/0000000003.json: answer " + world_.answers[0].id + " was changed"));
  EXPECT_THAT(forged("audit/0000000001.jsonl", "default/eve", "default/eva"), HasSubstr("was changed: its hash is another one"));
  EXPECT_THAT(forged("promotions.jsonl", "default/eve", "default/eva"),
              HasSubstr("promotions.jsonl: is not what the audit log says"));
  EXPECT_THAT(forged("reviewers.jsonl", "default/ada", "default/bob"), HasSubstr("reviewers.jsonl: is not"));
  EXPECT_THAT(forged("pipelines.jsonl", "\\\"chunks\\\":3", "\\\"chunks\\\":4"), HasSubstr("pipeline support@1 was changed"));
  EXPECT_THAT(forged("gates.jsonl", "0.9", "0.1"), HasSubstr("gate quality@1 was changed"));
  EXPECT_THAT(forged("evaluations/" + world_.evaluation.id + ".json", "\"mean\":1.0", "\"mean\":0.5"),
              HasSubstr("its figures are not those of entry"));
  EXPECT_THAT(forged("answers/chain-0000000001.jsonl", "\"number\":2", "\"number\":9"), HasSubstr("chain-0000000001.jsonl:2"));
  EXPECT_THAT(forged("manifest.json", "\"last\": 5", "\"last\": 6"), HasSubstr("does not end with the link"));

  // A record is taken out, with its sum; then its link as well.
  const auto nothing = [](std::string& bytes) { bytes.clear(); };
  EXPECT_THAT(Says(Check(Forged(archive, "answers/0000000004.json", nothing))),
              HasSubstr("the record of answer " + world_.answers[1].id + " is missing"));
  const auto without_fourth = [](std::string& bytes) {
    size_t begin = 0;
    for (int i = 0; i < 3; ++i) begin = bytes.find('\n', begin) + 1;
    bytes.erase(begin, bytes.find('\n', begin) + 1 - begin);
  };
  EXPECT_THAT(Says(Check(Forged(Forged(archive, "answers/0000000004.json", nothing), "answers/chain-0000000001.jsonl", without_fourth))),
              HasSubstr("link 5 follows link 3: what was between them was removed"));
}

TEST_F(BundleTest, SealsAndHeadsThatWereKeptElsewhereAreAsked) {
  world_.TellTheStory();
  const std::string archive = Bundle();
  std::string hash;
  ASSERT_TRUE(Journal::Of(world_.store()).ScanAudit("default", 2, [&](AuditEntry&& entry) {
    hash = entry.hash;
    return false;
  }).ok());
  EXPECT_EQ(Says(Check(archive, {.entry = 2, .entry_hash = hash})), "");
  EXPECT_THAT(Says(Check(archive, {.entry = 3, .entry_hash = hash})), HasSubstr("has not the expected hash"));
  EXPECT_THAT(Says(Check(archive, {.entry = 900, .entry_hash = hash})), HasSubstr("is none of the range"));
  EXPECT_THAT(Says(Check(archive, {.seal = std::string(64, '0')})), HasSubstr("not the expected seal"));
}

// Judging adds figures to a record after the entry that it finished, within the range or after it.
TEST_F(BundleTest, AnEvaluationThatWasJudgedHasTheFiguresOfItsLastEntry) {
  world_.TellTheStory();
  const int64_t before_us = world_.Tick();
  const auto judge = [&](double score) {
    world_.Tick();
    JudgedMeasures judged{.by = {{"judge_relevance", "relevance/1, tier big (m), 1 vote"}}, .values = {{0, {{"judge_relevance", score}}}}};
    const auto record =
        Evaluator(world_.store(), world_.docs.clock, "default").AddJudged(world_.evaluation.id, judged, "default/eve");
    ASSERT_TRUE(record.ok()) << record.status();
  };
  judge(0.25);
  judge(0.5);
  const std::string archive = Bundle();
  EXPECT_EQ(Says(Check(archive)), "");
  const std::string path = "evaluations/" + world_.evaluation.id + ".json";
  EXPECT_THAT(FilesOf(archive).at(path), HasSubstr("judge_relevance"));
  const auto better = [](std::string& bytes) {
    const size_t at = bytes.find("\"mean\":0.5", bytes.find("judge_relevance"));
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at, 10, "\"mean\":0.9");
  };
  EXPECT_THAT(Says(Check(Forged(archive, path, better))), HasSubstr("its figures are not those of entry"));
  const std::string earlier = Bundle({.from_us = 1, .to_us = before_us});
  EXPECT_EQ(Says(Check(earlier)), "") << "its audit log goes on to the judging";
  EXPECT_THAT(earlier, HasSubstr("evaluation.judge"));
}

TEST_F(BundleTest, WhatAPipelineCoversInRecordsIsCoveredInResults) {
  world_.ApplyPipeline(3);
  PipelineSpec spec = PipelineStore(world_.store(), world_.docs.clock).Get("default", "support@1").value()->spec;
  spec.record.redact = {"re:incremental"};
  ASSERT_TRUE(PipelineStore(world_.store(), world_.docs.clock).Apply("default", spec, false).ok());
  world_.ImportQuestions();
  world_.evaluation = world_.Evaluate("support@2");
  const auto files = FilesOf(Bundle());
  EXPECT_THAT(files.at("evaluations/" + world_.evaluation.id + ".results.jsonl"),
              AllOf(HasSubstr("A backup is ***********"), Not(HasSubstr("incremental"))));
}

TEST_F(BundleTest, CommitsAndFeedbackGoWithTheAnswers) {
  world_.TellTheStory();
  world_.docs.AddDocument("moon.md", MediaType::kMarkdown, "# Moon\n\nThe moon is bright.\n");
  world_.Tick();
  world_.docs.Commit();
  FeedbackStore feedback(world_.store(), world_.docs.clock);
  world_.Tick();
  ASSERT_TRUE(feedback.Add("default", world_.answers[1].id, {.thumbs_up = false, .correction = "Never."}, "default/max").ok());
  world_.Tick();
  ASSERT_TRUE(feedback.Add("default", world_.answers[1].id, {.thumbs_up = true}, "default/ada").ok());
  BundleSummary summary;
  const std::string archive = Bundle({}, &summary);
  EXPECT_EQ(summary.commits, 2u);
  EXPECT_EQ(summary.feedback, 2u);
  const BundleReport report = Check(archive);
  EXPECT_EQ(Says(report), "");
  EXPECT_EQ(report.commits, 2u);
  EXPECT_EQ(report.feedback, 2u);
  const auto files = FilesOf(archive);
  const std::string commits = files.at("commits/0000000001.jsonl");
  const Json second = Json::parse(commits.substr(commits.find('\n') + 1));
  EXPECT_EQ(second["collection"], "docs");
  EXPECT_EQ(second["version"], 2);
  EXPECT_EQ(second["rows_added"], 1);
  EXPECT_EQ(second["rows_retired"], 0);
  EXPECT_EQ(second["rows_live"], 3);
  EXPECT_THAT(second["actor"].get<std::string>(), HasSubstr("default/"));
  EXPECT_THAT(files.at("feedback/0000000001.jsonl"), HasSubstr("Never."));

  const auto forged = [&](const std::string& path, const std::string& from, const std::string& to) {
    return Says(Check(Forged(archive, path, [&](std::string& bytes) {
      ASSERT_NE(bytes.find(from), std::string::npos) << from;
      bytes.replace(bytes.find(from), from.size(), to);
    })));
  };
  EXPECT_THAT(forged("commits/0000000001.jsonl", "\"rows_live\":3", "\"rows_live\":4"), HasSubstr("has other live rows than"));
  EXPECT_THAT(forged("commits/0000000001.jsonl", "\"rows_live\":2", "\"rows_live\":7"), HasSubstr("has other live rows than"));
  EXPECT_THAT(forged("commits/0000000001.jsonl", "\"version\":2", "\"version\":3"), HasSubstr("what was between them was removed"));
  EXPECT_THAT(forged("commits/0000000001.jsonl", commits.substr(commits.find('\n') + 1), ""), HasSubstr("and the manifest names 2"));
  EXPECT_THAT(forged("feedback/0000000001.jsonl", world_.answers[1].id, world_.evaluation.id), HasSubstr("which is not in the bundle"));
  EXPECT_THAT(forged("feedback/0000000001.jsonl", "\"time_us\":1", "\"time_us\":2"), HasSubstr("another time than its id"));
  // Of a range the commits are there from the version on that its answers were asked at.
  Bundle({.from_us = world_.answers[0].time_us, .to_us = world_.answers[0].time_us + 1}, &summary);
  EXPECT_EQ(summary.commits, 1u);
  EXPECT_EQ(summary.feedback, 0u);
}

// The records are written before their links, whose salts go with an erased text.
TEST_F(BundleTest, AnErasureMeanwhileEndsIt) {
  world_.TellTheStory();
  bool forgotten = false;
  const auto written = WriteBundle(*world_.docs.database, {}, [&](std::string_view bytes) {
    if (!forgotten && bytes.find(world_.answers[2].id) != std::string_view::npos) {
      forgotten = true;
      EXPECT_TRUE(Forget(*world_.docs.database, {.collection = "docs", .document = "sea.md", .reason = "asked"}).ok());
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(forgotten);
  EXPECT_EQ(written.status().code(), absl::StatusCode::kAborted) << written.status();
  EXPECT_THAT(std::string(written.status().message()), HasSubstr("was erased while the bundle was written; export again"));
  EXPECT_EQ(Says(Check(Bundle())), "");
}

// Values nested as deep as a megabyte allows: the library parses them, and copies and writes them by recursion.
TEST_F(BundleTest, DeepNestingIsAProblemAndNoMore) {
  world_.TellTheStory();
  const std::string archive = Bundle();
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  const std::string object = "{\"format\":1,\"id\":{\"erased\":" + deep + "}}";
  AuditEntry promotion{.number = 1, .tenant = "default"};
  promotion.change = {.time_us = 1, .actor = "default/eve", .action = "promote", .subject = "pipeline/support@champion", .after = deep};
  promotion.previous = promotion.hash = std::string(64, '0');
  const std::map<std::string, std::string> hostile = {
      {"answers/0000000003.json", object},
      {"answers/chain-0000000001.jsonl", object},
      {"audit/0000000001.jsonl", EncodeBundleEntry(promotion)},
      {"evaluations/" + world_.evaluation.id + ".json", object},
      {"datasets.jsonl", object},
      {"pipelines.jsonl", object},
      {"commits/0000000001.jsonl", object}};
  for (const auto& [path, bytes] : hostile) {
    const std::string& text = bytes;
    EXPECT_THAT(Check(Forged(archive, path, [&](std::string& file) { file = text; })).problems, Not(IsEmpty())) << path;
  }
  const std::string manifest = "{\"format\":\"vouch.bundle/1\",\"answers\":{\"x\":" + deep + "}}";
  std::string forged;
  TarWriter tar([&](std::string_view piece) {
    forged.append(piece);
    return absl::OkStatus();
  });
  ASSERT_TRUE(tar.Add("manifest.json", manifest).ok());
  ASSERT_TRUE(tar.Finish().ok());
  EXPECT_THAT(Says(Check(forged)), HasSubstr("is no manifest of the format"));
}

TEST_F(BundleTest, WhatWasTakenFromTheFrontIsMissed) {
  world_.TellTheStory();
  const std::string archive = Bundle();
  const auto nothing = [](std::string& bytes) { bytes.clear(); };
  const auto without_first = [](std::string& bytes) { bytes.erase(0, bytes.find('\n') + 1); };
  EXPECT_THAT(Says(Check(Forged(Forged(archive, "answers/0000000001.json", nothing), "answers/chain-0000000001.jsonl", without_first))),
              HasSubstr("the chain does not begin with the link that the manifest names"));
  EXPECT_THAT(Says(Check(Forged(archive, "audit/0000000001.jsonl", without_first))),
              HasSubstr("the audit log does not begin with the entry that the manifest names"));
}

TEST_F(BundleTest, AHeadOfTheAnswersIsAsked) {
  world_.TellTheStory();
  const std::string archive = Bundle();
  const std::string hash = DigestText(AnswerRecords::Of(world_.store()).GetAnswerLinkHash("default", 4).value());
  EXPECT_EQ(Says(Check(archive, {.answer = 4, .answer_hash = hash})), "");
  EXPECT_THAT(Says(Check(archive, {.answer = 3, .answer_hash = hash})), HasSubstr("link 3 has not the expected hash"));
  EXPECT_THAT(Says(Check(archive, {.answer = 900, .answer_hash = hash})), HasSubstr("link 900 is none of the range"));
}

TEST_F(BundleTest, AnErrorOfTheSinkEndsIt) {
  world_.TellTheStory();
  const auto written = WriteBundle(*world_.docs.database, {}, [](std::string_view) { return absl::UnavailableError("full"); });
  EXPECT_EQ(written.status().message(), "full");
}

}  // namespace
}  // namespace vouch
