#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "rag/file_walker.h"
#include "rag/parse/parser.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class FileWalkerTest : public ::testing::Test {
 protected:
  FileWalkerTest() { fs::create_directory(root_); }

  void Write(const std::string& name, const std::string& bytes = "x") {
    fs::create_directories(fs::path(Path(name)).parent_path());
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  void Link(const std::string& target, const std::string& name) { fs::create_symlink(target, Path(name)); }
  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  void Walk() { Walk(root_); }
  void Walk(const std::string& path) {
    std::vector<SourceFile> files;
    std::vector<SkippedSource> skipped;
    const absl::Status status = WalkFiles(path, &files, &skipped);
    ASSERT_TRUE(status.ok()) << status;
    for (const SourceFile& file : files) ids_.push_back(file.id);
    for (const SkippedSource& source : skipped) {
      skipped_.emplace_back(source.id, std::string(source.reason.message()));
    }
  }

  TempDir dir_;
  const std::string root_ = dir_.File("docs");
  std::vector<std::string> ids_;
  std::vector<std::pair<std::string, std::string>> skipped_;
};

TEST_F(FileWalkerTest, FindsKnownKindsInOrder) {
  Write("b.md");
  Write("a/z.txt");
  Write("a/c.html");
  Write("photo.png");
  Write(".git/x.md");
  Write(".hidden.md");
  Walk();
  EXPECT_THAT(ids_, ElementsAre("docs/a/c.html", "docs/a/z.txt", "docs/b.md"));
  EXPECT_THAT(skipped_, ElementsAre(Pair("docs/photo.png", HasSubstr("known are .txt"))));
}

TEST_F(FileWalkerTest, AFileAlone) {
  Write("a/z.txt");
  Walk(Path("a/z.txt"));
  EXPECT_THAT(ids_, ElementsAre("z.txt"));
}

TEST_F(FileWalkerTest, LinksAreFollowedOnce) {
  Write("a/x.md");
  Write("z.md");
  Link("..", "a/loop");
  Link("self", "self");
  Link("z.md", "again.md");
  Link("nowhere", "dangling.md");
  fs::create_directory(dir_.File("other"));
  std::ofstream(dir_.File("other/y.md")) << "x";
  Link("../other", "linked");
  Link("../other", "linked2");
  Walk();
  EXPECT_THAT(ids_, ElementsAre("docs/a/x.md", "docs/linked/y.md", "docs/z.md"));
  EXPECT_THAT(skipped_, UnorderedElementsAre(Pair("docs/a/loop", HasSubstr("link to docs, which is read already")),
                                             Pair("docs/self", HasSubstr("leads to itself")),
                                             Pair("docs/again.md", HasSubstr("link to docs/z.md")),
                                             Pair("docs/dangling.md", HasSubstr("No such file")),
                                             Pair("docs/linked2", HasSubstr("link to docs/linked"))));
}

TEST_F(FileWalkerTest, OtherThanFilesAreSkipped) {
  ASSERT_EQ(::mkfifo(Path("pipe.md").c_str(), 0600), 0);
  Write("bad\xFFname.md");
  Walk();
  EXPECT_THAT(skipped_, UnorderedElementsAre(Pair("docs/pipe.md", HasSubstr("neither a file")),
                                             Pair("docs/bad\uFFFDname.md", HasSubstr("not UTF-8"))));
  EXPECT_TRUE(ids_.empty());
}

TEST_F(FileWalkerTest, UnreadableFoldersAreSkipped) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  Write("closed/x.md");
  fs::permissions(Path("closed"), fs::perms::none);
  Walk();
  fs::permissions(Path("closed"), fs::perms::owner_all);
  EXPECT_THAT(skipped_, ElementsAre(Pair("docs/closed", HasSubstr("Permission denied"))));
}

TEST_F(FileWalkerTest, AMissingPathIsAnError) {
  std::vector<SourceFile> files;
  std::vector<SkippedSource> skipped;
  EXPECT_EQ(WalkFiles(Path("none"), &files, &skipped).code(), absl::StatusCode::kNotFound);
}

TEST_F(FileWalkerTest, ScopesAreLastComponents) {
  EXPECT_EQ(ScopeOf("docs"), "docs");
  EXPECT_EQ(ScopeOf("/a/docs/"), "docs");
  EXPECT_EQ(ScopeOf("/a/./docs/."), "docs");
  EXPECT_EQ(ScopeOf("."), fs::current_path().filename().string());
  EXPECT_EQ(ScopeOf("/"), "root");
}

TEST_F(FileWalkerTest, ReadsFilesWhole) {
  Write("a.txt", std::string("x\0y", 3));
  EXPECT_EQ(ReadSource(Path("a.txt")).value(), std::string("x\0y", 3));
  Write("empty.txt", "");
  EXPECT_EQ(ReadSource(Path("empty.txt")).value(), "");
  EXPECT_EQ(ReadSource(Path("none.txt")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadSource(root_).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(::mkfifo(Path("pipe.md").c_str(), 0600), 0);
  EXPECT_EQ(ReadSource(Path("pipe.md")).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileWalkerTest, AFileThatChangesWhileItIsReadIsAborted) {
  Write("a.txt", "before");
  const auto append = [&] { std::ofstream(Path("a.txt"), std::ios::app) << "more"; };
  EXPECT_EQ(ReadSource(Path("a.txt"), append).status().code(), absl::StatusCode::kAborted);
  const auto touch = [&] { fs::last_write_time(Path("a.txt"), fs::file_time_type::clock::now() - std::chrono::hours(1)); };
  EXPECT_EQ(ReadSource(Path("a.txt"), touch).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReadSource(Path("a.txt")).value(), "beforemore");
}

TEST_F(FileWalkerTest, TooLargeIsRefusedBeforeItIsRead) {
  Write("big.txt", "");
  fs::resize_file(Path("big.txt"), ParseLimits::kMaxDocumentBytes + 1);
  EXPECT_EQ(ReadSource(Path("big.txt")).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace vouch
