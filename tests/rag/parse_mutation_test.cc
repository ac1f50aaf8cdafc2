// Random bytes and mutated documents of each kind: no parser crashes, and what one takes has spans
// in bounds and in order, text that is its source's, and sentences whose quotes are verified.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "rag/chunk/chunker.h"
#include "rag/cite.h"
#include "rag/parse/parser.h"
#include "rag/parse/utf8.h"
#include "rag/quotable.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261125;

const std::vector<std::string>& Originals(MediaType type) {
  static const std::vector<std::string> text = {
      "\xEF\xBB\xBFNotes on backups\n\nA backup is incremental: days share their files, and what "
      "has not\nchanged is kept once. "
      "Restore it\r\ninto an empty folder (see below).\n\n  - first item\n  - second item, e.g. "
      "Dr. Who\n\n"
      "    An indented paragraph that is wrapped at some column, and\n    goes on.\rA lone return. "
      "Ünïcödé 😀 “quoted.”\n"};
  static const std::vector<std::string> markdown = {
      "---\ntitle: \"Guide\"\n---\n# Backup & *restore*\n\nA backup is **incremental**: see [the "
      "guide](a.md \"t\") &mdash; it\n"
      "shares `files`.\\\nNext line. ![image](x.png)\n\n- item one\n  goes on\n  1. nested item. "
      "It ends.\n\n> quoted text\ngoes "
      "on. And ends.\n\n```cpp\nint x;\n\n  y();\n```\n\n| a | b |\n|---|:-:|\n| c \\| d | &amp; "
      "|\n\nTitle\n=====\n\n<div>\n<p>Raw "
      "HTML here.</p>\n</div>\n\n\tcode by tab\n\n[r]: /u 'x'\n"};
  static const std::vector<std::string> html = {
      "<!DOCTYPE html><html><head><title>Tags &amp; "
      "more</title><style>p{}</style></head><body><nav>Home</nav><h1>Tags</h1>\n"
      "<p>A tag pins a <b>version</b> of the\n   collection &mdash; it never&nbsp;moves.<p>Second "
      "&#x41; paragraph<br>goes on. It "
      "ends.</p><ul><li>one<li>two. Three four five.</ul><pre>\n code &lt;x&gt;\r\n  "
      "y\n</pre><table><tr><th>a<td>b<tr><td>c</table>"
      "<dl><dt>term<dd>It is defined here.</dl><script>if (a<b) x();</script><!-- c --><div "
      "class=navheader>x</div>Tail text."
      "</body></html>"};
  static const std::vector<std::string> csv = {
      "\xEF\xBB\xBFname,note,price\r\nSeal,\"thin, \"\"blue\"\"\nring\",7\r\n,empty first,\r\n\"quoted\" and more,x,é\n"};
  static const std::vector<std::string> records = {
      R"({"_id": "a", "title": "Wing flow", "text": "Wing flow. The flow past a \"wing\" \u2014 it is thin.\n\nSecond \ud83d\ude00 part.", "metadata": {"year": 1}})",
      R"({"text":"no title here . it is all text .","_id":7})"};
  switch (type) {
    case MediaType::kText:
      return text;
    case MediaType::kMarkdown:
      return markdown;
    case MediaType::kHtml:
      return html;
    case MediaType::kCsv:
      return csv;
    case MediaType::kJsonLines:
    case MediaType::kPdf:
    case MediaType::kDocx:
    case MediaType::kEmail:
      break;
  }
  return records;
}

// A few edits: bytes changed, inserted, taken out, parts moved, cut off, or doubled.
std::string Mutate(std::string bytes, std::mt19937_64& random) {
  static const std::vector<std::string> splices = {
      "\n",   "\r",       "\r\n",         "\n\n", " ", "\t", "<",  ">",  "&",
      "&amp", "\\",       "\"",           "`",    "*", "|",  "#",  "-",  "[",
      "](",   "\xC2\xA0", "\xE2\x80\xA8", "é",    "{", "}",  "</", "\\u"};
  for (uint64_t edits = 1 + random() % 6; edits > 0; --edits) {
    const size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const size_t length = std::min<size_t>(random() % 20, bytes.size() - at);
    switch (random() % 7) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random() % 128);
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(random() % (bytes.size() + 1), length));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5:
        bytes.insert(at, std::string(random() % 40, bytes.empty() ? 'x' : bytes[at]));
        break;
      default:
        bytes.insert(at, splices[random() % splices.size()]);
    }
  }
  return bytes;
}

// Parses where that is possible; returns whether it was.
bool Check(MediaType type, const std::string& bytes) {
  Document document;
  document.id = "d";
  document.media_type = type;
  document.bytes = bytes;
  const absl::StatusOr<ParsedDocument> parsed = ParseDocument(document);
  if (!parsed.ok()) {
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << parsed.status();
    EXPECT_FALSE(parsed.status().message().empty());
    return false;
  }
  EXPECT_FALSE(FindInvalidUtf8(parsed->text));
  EXPECT_FALSE(FindInvalidUtf8(parsed->title));
  EXPECT_TRUE(DocumentIsSound(bytes, *parsed));
  for (const ChunkOptions& options :
       {ChunkOptions{},
        ChunkOptions{.target_bytes = 60, .max_bytes = 120, .record_max_bytes = 100}}) {
    uint32_t ordinal = 0;
    for (const Chunk& chunk : Chunker(options).Split(*parsed, type)) {
      EXPECT_EQ(chunk.ordinal, ordinal++);
      EXPECT_FALSE(FindInvalidUtf8(chunk.text));
      EXPECT_TRUE(ChunkIsSound(bytes, chunk));
      for (const auto& blocks :
           {std::optional<std::vector<Block>>(chunk.blocks), std::optional<std::vector<Block>>()}) {
        uint64_t last_end = 0;
        for (const ByteSpan& sentence : QuotableSentences(chunk.text, blocks)) {
          EXPECT_LE(last_end, sentence.begin);
          EXPECT_LT(sentence.begin, sentence.end);
          EXPECT_LE(sentence.end, chunk.text.size());
          last_end = sentence.end;
          if (!blocks) continue;
          const std::string quote =
              CollapseSpace(chunk.text.substr(sentence.begin, sentence.end - sentence.begin));
          EXPECT_TRUE(VerifyQuote(quote, chunk.text, sentence, chunk.spans, bytes)) << quote;
        }
      }
    }
  }
  return true;
}

class ParseMutationTest : public ::testing::TestWithParam<MediaType> {};

TEST_P(ParseMutationTest, MutatedDocumentsAreRefusedOrSound) {
  std::mt19937_64 random(kSeed);
  int taken = 0;
  for (int round = 0; round < 4'000 && !HasFailure(); ++round) {
    const std::vector<std::string>& originals = Originals(GetParam());
    const std::string bytes = Mutate(originals[random() % originals.size()], random);
    taken += Check(GetParam(), bytes) ? 1 : 0;
    if (HasFailure()) ADD_FAILURE() << "seed " << kSeed << " round " << round << "\n" << bytes;
  }
  EXPECT_GT(taken, 200);
}

TEST_P(ParseMutationTest, RandomBytesAreRefusedOrSound) {
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 4'000 && !HasFailure(); ++round) {
    std::string bytes;
    // All bytes, or ASCII only, which is text but for the zero.
    const uint64_t range = round % 2 == 0 ? 256 : 128;
    for (uint64_t size = random() % 200; size > 0; --size)
      bytes += static_cast<char>(random() % range);
    Check(GetParam(), bytes);
    if (HasFailure()) ADD_FAILURE() << "seed " << kSeed << " round " << round << "\n" << bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ParseMutationTest,
                         ::testing::Values(MediaType::kText, MediaType::kMarkdown, MediaType::kHtml, MediaType::kCsv,
                                           MediaType::kJsonLines));

TEST(JsonLinesMutationTest, EachLineIsADocumentThatParsesOrAnError) {
  std::mt19937_64 random(kSeed);
  const std::vector<std::string>& records = Originals(MediaType::kJsonLines);
  uint64_t documents = 0;
  for (int round = 0; round < 2'000 && !HasFailure(); ++round) {
    const std::string bytes =
        Mutate(records[0] + "\n" + records[1] + "\r\n\n" + records[0] + "\n", random);
    uint64_t last_line = 0;
    const absl::Status status = SplitJsonLines(
        "f", bytes,
        [&](Document&& document) {
          ++documents;
          EXPECT_NE(bytes.find(document.bytes), std::string::npos);
          EXPECT_TRUE(Check(MediaType::kJsonLines, document.bytes));
          return absl::OkStatus();
        },
        [&](uint64_t line, const absl::Status& error) {
          EXPECT_FALSE(error.ok());
          EXPECT_LT(last_line, line);
          last_line = line;
        });
    EXPECT_TRUE(status.ok()) << status;
    if (HasFailure()) ADD_FAILURE() << "seed " << kSeed << " round " << round << "\n" << bytes;
  }
  EXPECT_GT(documents, 500u);
}

}  // namespace
}  // namespace vouch
