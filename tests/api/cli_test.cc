#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CliTest : public testing::Test {
 protected:
  ProgramResult Run(std::vector<std::string> words) {
    return RunVouch(words, dir_.path(), environment_);
  }

  // Runs with --json; expects success and JSON.
  nlohmann::json Json(std::vector<std::string> words) {
    words.push_back("--json");
    const ProgramResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result.out;
    return json;
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }

  void WriteNotes() {
    Write("notes/storage.md",
          "# Storage\n\nEvery write is durable.\n\n## Backups\n\nA backup is incremental.\n");
    Write("notes/search.md", "# Search\n\nRankings are fused by reciprocal rank fusion.\n");
  }
  ProgramResult IngestNotes() {
    return Run({"ingest", "notes", dir_.File("notes"), "--embedder", "builtin/hash?dim=64"});
  }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
};

TEST_F(CliTest, EveryCommandHasHelpWithAnExample) {
  const std::vector<std::vector<std::string>> commands = {{"serve"},
                                                          {"ingest"},
                                                          {"query"},
                                                          {"ask"},
                                                          {"restore"},
                                                          {"verify"},
                                                          {"version"},
                                                          {"gpu"},
                                                          {"collection", "create"},
                                                          {"collection", "list"},
                                                          {"collection", "show"},
                                                          {"collection", "drop"},
                                                          {"collection", "versions"},
                                                          {"collection", "optimize"},
                                                          {"answer", "show"},
                                                          {"answer", "list"},
                                                          {"answer", "export"},
                                                          {"replay"},
                                                          {"eval", "retrieval"},
                                                          {"tune", "fusion"},
                                                          {"tag", "create"},
                                                          {"tag", "list"},
                                                          {"tag", "delete"},
                                                          {"backup", "create"},
                                                          {"backup", "list"},
                                                          {"backup", "verify"}};
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    const ProgramResult result = Run(command);
    EXPECT_EQ(result.exit_code, 0) << command[0];
    EXPECT_THAT(result.out,
                AllOf(HasSubstr("Example:"), HasSubstr("--json"), HasSubstr("--config")))
        << command[0];
  }
  EXPECT_THAT(Run({"--help"}).out,
              AllOf(HasSubstr("ingest"), HasSubstr("serve"), HasSubstr("restore")));
  EXPECT_THAT(Run({"serve", "--help"}).out,
              AllOf(HasSubstr("--seal-rows"), HasSubstr("--model-server-base-url")));
}

TEST_F(CliTest, UsageMistakesExitWith2) {
  const std::vector<std::vector<std::string>> mistakes = {
      {},
      {"qurey"},
      {"query"},
      {"query", "notes", "text", "--mode", "both"},
      {"query", "notes", "text", "--limit", "0"},
      {"query", "notes", "text", "--no-such-flag"},
      {"collection"},
      {"tag", "create", "notes"},
      {"query", "notes", "text", "--server", "127.0.0.1:1", "--data", "x"},
      {"query", "notes", "--vector", "[1,"},
      {"query", "notes", "text", "--vector", "[1]"},
      {"query", "notes", "text", "--file", "tree.yaml"},
      {"query", "notes", "text", "--sparse", R"({"indices":[1],"values":[1]})"},
      {"query", "notes", "--vector", "[1]", "--sparse", R"({"indices":[1],"values":[1]})"},
      {"query", "notes", "--sparse", "[1]"},
      {"query", "notes", "--sparse", R"({"indices":[1]})"},
      {"query", "notes", "--sparse", R"({"indices":[-1],"values":[1]})"},
      {"query", "notes", "--sparse", R"({"indices":[4294967296],"values":[1]})"},
      {"query", "notes", "--sparse", R"({"indices":[1],"values":["x"]})"},
      {"query", "notes", "text", "--multi-vector", "[[1]]"},
      {"query", "notes", "--sparse", R"({"indices":[1],"values":[1]})", "--multi-vector", "[[1]]"},
      {"query", "notes", "--multi-vector", "[1]"},
      {"query", "notes", "--multi-vector", "[[1, 2], [3]]"},
      {"query", "notes", "--multi-vector", R"([["x"]])"},
      {"collection", "create", "films", "--multi-vector", "m:8:l2"},
      {"collection", "create", "films", "--dense", "v"},
      {"collection", "create", "films"},
      {"collection", "drop", "films"},
      {"ingest", "notes"},
      {"ingest", "notes", ".", "--strict", "--keep-going"},
      {"verify", "--seal-rows", "none"}};
  for (const std::vector<std::string>& words : mistakes) {
    const ProgramResult result = Run(words);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(words) << result.err;
    EXPECT_NE(result.err, "") << testing::PrintToString(words);
    EXPECT_EQ(result.out, "") << testing::PrintToString(words);
  }
}

TEST_F(CliTest, FailuresExitWith1AndSayWhatToDo) {
  ProgramResult result = Run({"query", "notes", "text"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("NOT_FOUND"), HasSubstr("vouch ingest"),
                                HasSubstr(".local/share/vouch")));
  EXPECT_FALSE(std::filesystem::exists(dir_.File(".local"))) << "a read made a store";

  result = Run({"query", "notes", "text", "--server", "127.0.0.1:1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("127.0.0.1:1"), HasSubstr("vouch serve")));

  result = Run({"ingest", "notes", dir_.File("nothing")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("nothing"));

  WriteNotes();
  ASSERT_EQ(IngestNotes().exit_code, 0);
  result = Run({"query", "ntoes", "text"});
  EXPECT_THAT(result.err, AllOf(HasSubstr("ntoes"), HasSubstr("notes")));
  result = Run({"query", "notes", "text", "--filter", "doc_id = "});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("column"));
  result = Run({"query", "notes", "text", "--at", "v77"});
  EXPECT_THAT(result.err, HasSubstr("OUT_OF_RANGE"));
}

TEST_F(CliTest, FromAFolderToAnAnswerWithSources) {
  WriteNotes();
  ProgramResult result = IngestNotes();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("2 documents added"));
  EXPECT_EQ(result.err, "") << "short work shows no progress where there is no terminal";
  result = IngestNotes();
  EXPECT_THAT(result.out, HasSubstr("nothing changed"));

  for (const char* mode : {"text", "dense", "hybrid"}) {
    const auto json =
        Json({"query", "notes", "incremental backup", "--mode", mode, "--limit", "1", "--explain"});
    ASSERT_EQ(json["hits"].size(), 1u) << mode;
    EXPECT_EQ(json["hits"][0]["point"]["payload"]["doc_id"], "notes/storage.md") << mode;
    EXPECT_FALSE(json["hits"][0]["explanation"].empty());
  }
  result = Run({"query", "notes", "incremental backup", "--limit", "1", "--explain"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("notes/storage.md"), HasSubstr("bytes "),
                                HasSubstr("Plan:"), HasSubstr("A backup is incremental.")));

  result = Run({"ask", "notes", "Are backups incremental?"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("A backup is incremental."), HasSubstr("Sources"),
                                HasSubstr("[1] notes/storage.md"), HasSubstr("verified")));
  const auto answers = Json({"answer", "list"});
  ASSERT_EQ(answers["answers"].size(), 1u);
  const auto answer = Json({"answer", "show", answers["answers"][0]["id"]});
  EXPECT_EQ(answer["question"], "Are backups incremental?");
  EXPECT_EQ(Run({"answer", "show", "no-such-answer"}).exit_code, 1);
  result = Run({"answer", "export"});
  EXPECT_EQ(nlohmann::json::parse(result.out), answer);
  result = Run({"replay", answers["answers"][0]["id"]});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("at version 1: R3"), HasSubstr("identical")));
}

TEST_F(CliTest, VersionsAndTagsTravelInTime) {
  WriteNotes();
  ASSERT_EQ(IngestNotes().exit_code, 0);
  EXPECT_THAT(Run({"tag", "create", "notes", "before"}).out,
              StartsWith("tag before names version "));
  Write("notes/verify.md", "# Verify\n\nChecksums are compared.\n");
  ASSERT_EQ(IngestNotes().exit_code, 0);
  EXPECT_EQ(Json({"query", "notes", "checksums", "--mode", "text"})["hits"].size(), 1u);
  EXPECT_EQ(
      Json({"query", "notes", "checksums", "--mode", "text", "--at", "before"})["hits"].size(), 0u);
  EXPECT_EQ(Json({"tag", "list", "notes"})["tags"][0]["name"], "before");
  EXPECT_GE(Json({"collection", "versions", "notes"})["versions"].size(), 2u);
  EXPECT_EQ(Run({"tag", "delete", "notes", "before"}).exit_code, 0);
  EXPECT_EQ(Run({"tag", "delete", "notes", "before"}).exit_code, 1);
}

TEST_F(CliTest, CollectionsAreMadeFromOptionsAndFromAShownSchema) {
  ASSERT_EQ(
      Run({"collection", "create", "films", "--dense", "v:3:l2:flat", "--text",
           "plot:title,plot:german", "--payload", "year:integer", "--payload", "released:datetime"})
          .exit_code,
      0);
  const ProgramResult schema = Run({"collection", "show", "films", "--schema"});
  EXPECT_EQ(schema.exit_code, 0);
  Write("schema.json", schema.out);
  ASSERT_EQ(Run({"collection", "create", "films2", "--schema", dir_.File("schema.json")}).exit_code,
            0);
  EXPECT_EQ(Json({"collection", "show", "films"})["schema"],
            Json({"collection", "show", "films2"})["schema"]);
  EXPECT_EQ(Json({"collection", "list"})["collections"].size(), 2u);
  EXPECT_EQ(Json({"query", "films", "--vector", "[1,2,3]"})["hits"].size(), 0u);
  EXPECT_EQ(Run({"query", "films", "--vector", "[1,2]"}).exit_code, 1);
  EXPECT_EQ(Run({"collection", "optimize", "films"}).exit_code, 0);
  EXPECT_EQ(Run({"collection", "drop", "films2", "--yes"}).exit_code, 0);
  EXPECT_THAT(Run({"collection", "list"}).out, testing::Not(HasSubstr("films2")));
}

TEST_F(CliTest, BadInputIsSkippedReportedAndStrictOnRequest) {
  WriteNotes();
  Write("notes/bad.md", "not UTF-8 \xff");
  Write("notes/records.jsonl",
        "{\"_id\": \"r1\", \"text\": \"a record about whales\"}\n{\"_id\": \"r2\", \"text\": "
        "\n{\"text\": \"no id\"}\n");
  const auto report =
      Json({"ingest", "notes", dir_.File("notes"), "--embedder", "builtin/hash?dim=64"});
  EXPECT_EQ(report["documents_added"], 3);
  EXPECT_EQ(report["skipped_count"], 3) << report;
  EXPECT_THAT(report["skipped"].dump(),
              AllOf(HasSubstr("bad.md"), HasSubstr("line 2"), HasSubstr("line 3")));
  const ProgramResult strict = Run(
      {"ingest", "strict", dir_.File("notes"), "--embedder", "builtin/hash?dim=64", "--strict"});
  EXPECT_EQ(strict.exit_code, 1);
  EXPECT_THAT(strict.err, HasSubstr("notes/"));
}

TEST_F(CliTest, RetrievalIsMeasuredWithTrecNamesAndARunFile) {
  WriteNotes();
  ASSERT_EQ(IngestNotes().exit_code, 0);
  Write("queries.jsonl", "{\"_id\": \"q1\", \"text\": \"how are rankings fused\"}\n");
  Write("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\tnotes/search.md\t1\n");
  const std::vector<std::string> words = {"eval",
                                          "retrieval",
                                          "notes",
                                          "--queries",
                                          dir_.File("queries.jsonl"),
                                          "--qrels",
                                          dir_.File("qrels.tsv"),
                                          "--run-file",
                                          dir_.File("run.txt")};
  const auto json = Json(words);
  for (const char* name : {"map", "ndcg_cut_10", "recall_100", "recip_rank", "P_10"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(json["recip_rank"], 1.0);
  std::ifstream run(dir_.File("run.txt"));
  std::string line;
  std::getline(run, line);
  EXPECT_THAT(line, StartsWith("q1 Q0 notes/search.md 1 "));
  EXPECT_THAT(Run(words).out, HasSubstr("recip_rank            \tall\t1.0000"));
  Write("qrels.tsv", "q1 0 a 1\nq1 0\n");
  EXPECT_THAT(Run(words).err, AllOf(HasSubstr("qrels.tsv"), HasSubstr("line 2")));
}

TEST_F(CliTest, AFusionIsTunedUsedShownAndRemoved) {
  WriteNotes();
  ASSERT_EQ(IngestNotes().exit_code, 0);
  Write("queries.jsonl",
        "{\"_id\": \"q1\", \"text\": \"how are rankings fused\"}\n"
        "{\"_id\": \"q2\", \"text\": \"is a write durable\"}\n"
        "{\"_id\": \"q3\", \"text\": \"is a backup incremental\"}\n");
  Write("qrels.tsv",
        "query-id\tcorpus-id\tscore\nq1\tnotes/search.md\t1\nq2\tnotes/storage.md\t1\nq3\tnotes/"
        "storage.md\t1\n");
  std::vector<std::string> words = {"tune",
                                    "fusion",
                                    "notes",
                                    "--queries",
                                    dir_.File("queries.jsonl"),
                                    "--qrels",
                                    dir_.File("qrels.tsv"),
                                    "--folds",
                                    "2"};
  std::vector<std::string> dry = words;
  dry.push_back("--dry-run");
  EXPECT_THAT(Run(dry).out,
              AllOf(HasSubstr("fold 2"), HasSubstr("all"), HasSubstr("Nothing was stored.")));
  const auto tuned = Json(words);
  EXPECT_EQ(tuned["folds"].size(), 2u);
  EXPECT_THAT(tuned["id"].get<std::string>(), StartsWith("fusion#"));
  EXPECT_EQ(Json({"query", "notes", "backup"})["fusion"], tuned["id"]);
  EXPECT_THAT(Run({"query", "notes", "backup", "--explain"}).out, HasSubstr("Fusion: fusion#"));
  EXPECT_THAT(Run({"tune", "fusion", "notes", "--remove"}).out,
              HasSubstr("is fused by default from version"));
  EXPECT_EQ(Json({"query", "notes", "backup"})["fusion"], "");
  EXPECT_EQ(Run({"tune", "fusion", "notes", "--remove"}).exit_code, 1);
  EXPECT_EQ(Run({"tune", "fusion", "notes"}).exit_code, 2);
}

TEST_F(CliTest, BackupsRestoreAndVerify) {
  WriteNotes();
  ASSERT_EQ(IngestNotes().exit_code, 0);
  EXPECT_EQ(Json({"backup", "create", dir_.File("backups")})["backup"], 1);
  EXPECT_EQ(Json({"backup", "list", dir_.File("backups")})["backups"].size(), 1u);
  EXPECT_EQ(Run({"backup", "verify", dir_.File("backups")}).exit_code, 0);
  ASSERT_EQ(Run({"restore", dir_.File("backups"), "--to", dir_.File("restored")}).exit_code, 0);
  const ProgramResult again = Run({"restore", dir_.File("backups"), "--to", dir_.File("restored")});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("not an empty folder"));
  EXPECT_EQ(Json({"verify", "--data", dir_.File("restored")})["problems"].size(), 0u);
  EXPECT_EQ(
      Json({"query", "notes", "backup", "--mode", "text", "--data", dir_.File("restored")})["hits"]
          .size(),
      1u);
  EXPECT_EQ(Run({"verify", "--data", dir_.File("nowhere")}).exit_code, 1);
}

TEST_F(CliTest, SettingsComeFromFlagVariableAndFile) {
  WriteNotes();
  environment_["VOUCH_DATA"] = dir_.File("by-variable");
  ASSERT_EQ(IngestNotes().exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(dir_.File("by-variable/store")));
  Write("vouch.yaml", "data: " + dir_.File("by-file") + "\n");
  environment_ = {{"VOUCH_CONFIG", dir_.File("vouch.yaml")}};
  ASSERT_EQ(IngestNotes().exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(dir_.File("by-file/store")));
  Write("vouch.yaml", "\ndatta: x\n");
  const ProgramResult result = IngestNotes();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("line 2"), HasSubstr("datta"), HasSubstr("'data'")));
}

TEST_F(CliTest, VersionNamesProgramAndApi) {
  EXPECT_THAT(Run({"version"}).out, StartsWith("vouch " VOUCH_VERSION));
  EXPECT_EQ(Json({"version"})["api"], "vouch.v1");
}

// Whatever this build and machine have.
TEST_F(CliTest, GpuSaysWhatThereIs) {
  const ProgramResult result = Run({"gpu"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = Json({"gpu"});
  EXPECT_EQ(json["built_in"] == false, result.out.find("GPU is not built in") == 0) << result.out;
  EXPECT_TRUE(json["gpus"].is_array());
}

}  // namespace
}  // namespace vouch
