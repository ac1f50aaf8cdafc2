// `vouch answer verify`, `vouch forget` and spans of `vouch serve`, as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RecordsCliTest : public testing::Test {
 protected:
  RecordsCliTest() {
    Write("notes/storage.md", "# Backups\n\nA backup is incremental. Nothing stops the writers.\n");
    Write("notes/staff.md", "# Staff\n\nThe night watch is kept by Jane Doe.\n");
    EXPECT_EQ(Run({"ingest", "notes", dir_.File("notes")}).exit_code, 0);
    EXPECT_EQ(Run({"ask", "notes", "Who keeps the night watch?"}).exit_code, 0);
  }
  ProgramResult Run(const std::vector<std::string>& words) { return RunVouch(words, dir_.path(), {}); }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }

  TempDir dir_;
};

TEST_F(RecordsCliTest, TheChainIsVerified) {
  const ProgramResult result = Run({"answer", "verify"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("checked 1 answer\nhead 1:"));
  EXPECT_THAT(result.out, HasSubstr("the chain holds"));
  const auto json = nlohmann::json::parse(Run({"answer", "verify", "--json"}).out);
  const std::string head = json["head"];
  EXPECT_EQ(Run({"answer", "verify", "--expect", "1:" + head}).exit_code, 0);
  const ProgramResult other = Run({"answer", "verify", "--expect", "1:" + std::string(64, '0')});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.out, HasSubstr("problem: number 1"));
  EXPECT_EQ(Run({"answer", "verify", "--expect", "one"}).exit_code, 2);
}

TEST_F(RecordsCliTest, ADocumentIsForgotten) {
  const ProgramResult dry = Run({"forget", "notes", "notes/staff.md", "--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("would forget notes/staff.md: 1 point and 1 row of all versions"));
  EXPECT_THAT(Run({"answer", "export"}).out, HasSubstr("Jane Doe"));
  const ProgramResult done = Run({"forget", "notes", "notes/staff.md", "--reason", "asked for", "--compact"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(Run({"answer", "export"}).out, Not(HasSubstr("Jane Doe")));
  EXPECT_THAT(Run({"answer", "verify"}).out, HasSubstr("1 of them with erased texts"));
  EXPECT_THAT(Run({"forget", "notes", "--list"}).out, HasSubstr("asked for"));
  EXPECT_EQ(Run({"verify"}).exit_code, 0) << "the store is sound";
  const ProgramResult unknown = Run({"forget", "notes", "notes/nobody.md"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("has no document 'notes/nobody.md'"));
  EXPECT_EQ(Run({"forget", "notes"}).exit_code, 2);
}

TEST_F(RecordsCliTest, LineageIsDrawn) {
  const auto list = nlohmann::json::parse(Run({"answer", "list", "--json"}).out);
  const std::string id = list["answers"][0]["id"];
  const ProgramResult result = Run({"lineage", id, "--format", "svg"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, testing::StartsWith("<svg xmlns="));
  EXPECT_THAT(result.out, HasSubstr("notes/staff.md"));
}

}  // namespace
}  // namespace vouch
