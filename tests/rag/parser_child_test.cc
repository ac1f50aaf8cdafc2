#include "rag/parse/parser_child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "rag/parse/sandbox.h"
#include "tests/support/pdf_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/support/zip_writer.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

// What this program does as a parser where the document asks for it: it stands for a parser in an attacker's hands.
void Misbehave() {
  char document[32] = {};
  if (::pread(STDIN_FILENO, document, sizeof(document) - 1, 0) <= 0) return;
  const std::string_view wish = document;
  if (wish == "crash") ::raise(SIGSEGV);
  while (wish == "hang") ::pause();
  if (wish == "garble" && ::write(STDOUT_FILENO, "ok 1 2 3", 8) == 8) ::_exit(0);
  while (wish == "flood" && ::write(STDOUT_FILENO, document, sizeof(document)) > 0) {
  }
  if (wish == "escape") {
    const bool limited = EnterSandbox({.memory_bytes = uint64_t{1} << 30, .cpu_seconds = 5, .file_bytes = 100}, {}).ok();
    const bool socket = ::socket(AF_INET, SOCK_STREAM, 0) >= 0;
    const bool killed = ::kill(::getppid(), 0) == 0;
    const bool written = std::ofstream("/tmp/vouch-escaped").put('x').flush().good();
    const std::string text = std::string(limited ? "" : "no limits ").append(socket ? "socket " : "")
                                 .append(killed ? "kill " : "").append(written ? "write" : "");
    const std::string outcome = EncodeOutcome(ParsedDocument{.text = text});
    if (::write(STDOUT_FILENO, outcome.data(), outcome.size()) > 0) ::_exit(0);
  }
}

absl::StatusOr<ParsedDocument> Parse(MediaType type, const std::string& bytes, ParserChildLimits limits = {}) {
  return ParseInChild(type, bytes, limits, CancelToken());
}

const std::string& GoodPdf() {
  static const std::string pdf = WritePdf({{{.text = "Words on a page."}}});
  return pdf;
}

// A `pdftotext` that is this shell script, first in PATH.
class FakeReader {
 public:
  explicit FakeReader(const std::string& script) : path_(::getenv("PATH")) {
    const std::string file = dir_.File("pdftotext");
    std::ofstream(file) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    ::setenv("PATH", (dir_.path() + ":" + path_).c_str(), 1);
  }
  ~FakeReader() { ::setenv("PATH", path_.c_str(), 1); }

 private:
  TempDir dir_;
  const std::string path_;
};

TEST(ParserChildTest, ParsesEachKind) {
  const auto pdf = Parse(MediaType::kPdf, GoodPdf());
  ASSERT_TRUE(pdf.ok()) << pdf.status();
  EXPECT_EQ(pdf->text, "Words on a page.");
  EXPECT_TRUE(pdf->rendered);
  EXPECT_EQ(PageAt(pdf->places, 0), 1u);
  const auto docx = Parse(MediaType::kDocx, WriteDocx("<w:p><w:r><w:t>In Word.</w:t></w:r></w:p>"));
  ASSERT_TRUE(docx.ok()) << docx.status();
  EXPECT_EQ(docx->text, "In Word.");
  const auto mail = Parse(MediaType::kEmail, "Subject: Hi\n\nThere.");
  ASSERT_TRUE(mail.ok()) << mail.status();
  EXPECT_EQ(mail->text, "Hi\n\nThere.");
}

TEST(ParserChildTest, PdfInAnEmailIsParsedToo) {
  std::string mail = "Subject: Hi\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: 8bit\n\n";
  const auto parsed = Parse(MediaType::kEmail, mail.append(GoodPdf()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->text, HasSubstr("Words on a page."));
}

TEST(ParserChildTest, ErrorsOfTheDocumentComeAsTheyAre) {
  const absl::Status status = Parse(MediaType::kDocx, "no archive").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("no ZIP archive"));
}

TEST(ParserChildTest, ACrashIsTheDocumentsError) {
  const absl::Status status = Parse(MediaType::kPdf, "crash").status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  if (SandboxLimitsMemory()) {
    EXPECT_THAT(status.message(), HasSubstr("SIGSEGV"));
  }
}

TEST(ParserChildTest, AHangEndsWithItsTime) {
  const absl::Status status = Parse(MediaType::kPdf, "hang", {.time = std::chrono::milliseconds(300)}).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("0.3 s"));
}

TEST(ParserChildTest, AFloodEndsWithItsBytes) {
  const absl::Status status = Parse(MediaType::kPdf, "flood", {.output_bytes = 1'000'000}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("1000000 bytes of output"));
}

TEST(ParserChildTest, GarbledOutcomesAreRefused) {
  EXPECT_THAT(Parse(MediaType::kPdf, "garble").status().message(), HasSubstr("garbled"));
}

TEST(ParserChildTest, MemoryIsBounded) {
  // Some 12 million elements of 4 bytes take far more as a tree.
  std::string xml = "<a>";
  for (int i = 0; i < 12'000'000; ++i) xml += "<b/>";
  const std::string bomb = WriteZip({{"word/document.xml", xml.append("</a>")}});
  const absl::Status status = Parse(MediaType::kDocx, bomb, {.memory_bytes = uint64_t{600} << 20}).status();
  if (!SandboxLimitsMemory()) return;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("memory"));
}

TEST(ParserChildTest, TheSandboxHasNoNetworkAndWritesNothing) {
  std::filesystem::remove("/tmp/vouch-escaped");
  const auto escaped = Parse(MediaType::kPdf, "escape");
  ASSERT_TRUE(escaped.ok()) << escaped.status();
  // Writing is held back by Landlock, which not every kernel has; the rest holds everywhere.
  EXPECT_THAT(escaped->text, ::testing::AnyOf("", "write"));
  std::filesystem::remove("/tmp/vouch-escaped");
}

TEST(ParserChildTest, CancellingEndsIt) {
  const CancelToken cancel(absl::InfiniteFuture(), [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(ParseInChild(MediaType::kPdf, "hang", {}, cancel).status()));
}

TEST(ParserChildTest, ReaderThatHangsCrashesOrIsMissing) {
  {
    FakeReader reader("sleep 100");
    EXPECT_TRUE(absl::IsDeadlineExceeded(
        Parse(MediaType::kPdf, GoodPdf(), {.time = std::chrono::milliseconds(600)}).status()));
  }
  {
    FakeReader reader("echo 'Syntax Error: bad stream' >&2; exit 1");
    EXPECT_THAT(Parse(MediaType::kPdf, GoodPdf()).status().message(), HasSubstr("Syntax Error: bad stream"));
  }
  {
    FakeReader reader("yes '<page >'");
    EXPECT_THAT(Parse(MediaType::kPdf, GoodPdf()).status().message(), HasSubstr("more than 5000 pages"));
  }
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  const absl::Status missing = Parse(MediaType::kPdf, GoodPdf()).status();
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(missing)) << missing;
  EXPECT_THAT(missing.message(), HasSubstr("poppler-utils"));
}

TEST(ParserChildTest, ManyAtATime) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&good] {
      for (int j = 0; j < 3; ++j) good += Parse(MediaType::kEmail, "Subject: a\n\nb").ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 12);
}

TEST(OutcomeTest, RoundTripAndDamage) {
  ParsedDocument document{.title = "T", .text = "Head\n\n\u00FCber", .rendered = true, .metadata = "{\"a\":1}", .parser = "pdf/1"};
  document.blocks = {{.kind = Block::Kind::kHeading, .level = 2, .begin = 0, .end = 4},
                     {.kind = Block::Kind::kParagraph, .level = 0, .begin = 6, .end = 11}};
  document.places = {{.page = 3, .begin = 6, .end = 11, .left = 1, .top = 2, .right = 3, .bottom = 4}};
  const std::string bytes = EncodeOutcome(document);
  const auto read = DecodeOutcome(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text, document.text);
  EXPECT_EQ(read->blocks, document.blocks);
  EXPECT_EQ(read->places, document.places);
  EXPECT_EQ(read->metadata, document.metadata);
  EXPECT_EQ(EncodeOutcome(read), bytes);
  const absl::Status error = absl::InvalidArgumentError("why");
  EXPECT_EQ(DecodeOutcome(EncodeOutcome(error)).status(), error);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DecodeOutcome(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(DecodeOutcome(bytes + "x").ok());
  document.blocks[1].begin = 7;  // inside the ü
  EXPECT_FALSE(DecodeOutcome(EncodeOutcome(document)).ok());
  document.blocks[1] = {.kind = Block::Kind::kParagraph, .level = 0, .begin = 6, .end = 12};
  EXPECT_FALSE(DecodeOutcome(EncodeOutcome(document)).ok());
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "parse-in-child") == 0) vouch::Misbehave();
  if (const auto exit_code = vouch::RunParserChild(argc, argv)) return *exit_code;
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
