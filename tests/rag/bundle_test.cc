// Compliance bundles: what they hold, that they are the same bytes again, and that no change of them goes unnamed.
#include "rag/export/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rag/export/bundle_check.h"
#include "rag/export/bundle_files.h"
#include "rag/forget/forget.h"
#include "storage/sha256.h"
#include "tests/rag/vouched_store.h"

namespace vouch {
namespace {

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

TEST_F(BundleTest, AnErrorOfTheSinkEndsIt) {
  world_.TellTheStory();
  const auto written = WriteBundle(*world_.docs.database, {}, [](std::string_view) { return absl::UnavailableError("full"); });
  EXPECT_EQ(written.status().message(), "full");
}

}  // namespace
}  // namespace vouch
