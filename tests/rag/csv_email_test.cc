#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "rag/chunk/chunker.h"
#include "rag/parse/csv.h"
#include "rag/parse/email.h"
#include "rag/parse/html.h"
#include "rag/parse/mime.h"
#include "rag/parse/parser.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Rows(const ParsedDocument& document) {
  std::vector<std::string> rows;
  for (const Block& block : document.blocks) {
    if (block.kind != Block::Kind::kTable) continue;
    rows.push_back(std::string(block.level > 0 ? "* " : "").append(document.text.substr(block.begin, block.end - block.begin)));
  }
  return rows;
}

TEST(CsvTest, QuotesDelimitersAndSpans) {
  const std::string csv = "\xEF\xBB\xBFname,note,price\r\nSeal,\"thin, \"\"blue\"\"\nring\",7\r\n,empty first,\r\nlast";
  const auto document = ParseCsv(csv);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_THAT(Rows(*document), ElementsAre("* name | note | price", "Seal | thin, \"blue\" ring | 7", "| empty first |",
                                           "last"));
  EXPECT_TRUE(DocumentIsSound(csv, *document));
  const size_t seal = document->text.find("Seal");
  const ByteSpan source = document->spans.ToSource(seal, seal + 4);
  EXPECT_EQ(csv.substr(source.begin, source.end - source.begin), "Seal");
  EXPECT_THAT(Rows(*ParseCsv("a;b,c;d\n1;2,5;3\n")), ElementsAre("* a | b,c | d", "1 | 2,5 | 3"));
  EXPECT_THAT(Rows(*ParseCsv("a\tb\n1\t2\n")), ElementsAre("* a | b", "1 | 2"));
  EXPECT_TRUE(ParseCsv("")->blocks.empty());
  EXPECT_TRUE(ParseCsv("\n,,\n")->blocks.empty());
}

TEST(CsvTest, SaysWhatIsWrong) {
  EXPECT_THAT(ParseCsv("a,b\n\"x\ny\",2\n1,\"never\n").status().message(), HasSubstr("begins in line 4"));
  Document document;
  document.media_type = MediaType::kCsv;
  document.bytes = "name\nM\xFCller\n";
  EXPECT_THAT(ParseDocument(document).status().message(), HasSubstr("UTF-8"));
}

TEST(CsvTest, LaterChunksNameTheColumns) {
  std::string csv = "part,price\n";
  for (int i = 0; i < 200; ++i) csv.append("seal ").append(std::to_string(i)).append(",7\n");
  const auto document = ParseCsv(csv);
  const std::vector<Chunk> chunks = Chunker({}).Split(*document, MediaType::kCsv);
  ASSERT_GT(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].heading, "");
  for (size_t i = 1; i < chunks.size(); ++i) EXPECT_EQ(chunks[i].heading, "part | price");
}

TEST(HtmlTableTest, EmptyCellsKeepColumnsAndHeadersAreMarked) {
  const std::string html =
      "<table><tr><th></th><th>Q1<th>Q2</tr><tr><th>North</th><td></td><td>7</td></tr><tr><td></td><td></td></tr>"
      "<tr><td>a<td>b</table>";
  const auto document = ParseHtml(html);
  ASSERT_TRUE(document.ok());
  EXPECT_THAT(Rows(*document), ElementsAre("* | Q1 | Q2", "North | | 7", "a | b"));
  EXPECT_TRUE(DocumentIsSound(html, *document));
}

TEST(MimeTest, DecodesWordsAndBodies) {
  EXPECT_EQ(DecodeEncodedWords("=?iso-8859-1?Q?Caf=E9_au?= =?utf-8?B?IGxhaXQ=?= now"), "Caf\u00E9 au lait now");
  EXPECT_EQ(DecodeEncodedWords("=?broken and =?utf-8?X?a?= plain"), "=?broken and =?utf-8?X?a?= plain");
  EXPECT_EQ(DecodeQuotedPrintable("a=3Db=\r\nc  \r\nd=ZZ"), "a=bc\nd=ZZ");
  EXPECT_EQ(DecodeBase64("SGVs\r\nbG8="), "Hello");
  const MimeValue value = ParseMimeValue("Text/Plain; CHARSET=\"utf-8\"; name*0*=iso-8859-1''caf%E9; name*1=\".txt\"");
  EXPECT_EQ(value.value, "text/plain");
  EXPECT_EQ(value.Find("charset"), "utf-8");
  EXPECT_EQ(value.Find("name"), "caf\u00E9.txt");
  EXPECT_EQ(CharsetToUtf8("koi8-r", "\xCD\xC9\xD2"), "мир");
  EXPECT_EQ(CharsetToUtf8("no-such-charset", "\xE9"), "\u00E9");
}

constexpr char kMail[] =
    "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\r\n"
    "To: ann@example.org,\r\n bob@example.org\r\n"
    "Subject: The pump\r\n fails\r\n"
    "Date: Mon, 2 Mar 2026 10:00:00 +0100\r\n"
    "Content-Type: multipart/mixed; boundary=\"b1\"\r\n"
    "\r\npreamble\r\n"
    "--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"
    "--b2\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "It stopped after=20\r\n=FCberheating twice.\r\n"
    "--b2\r\nContent-Type: text/html\r\n\r\n<p>Not this one</p>\r\n--b2--\r\n"
    "--b1\r\nContent-Type: text/csv; name=parts.csv\r\nContent-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=parts.csv\r\n\r\ncGFydCxwcmljZQpzZWFsLDcK\r\n"
    "--b1\r\nContent-Type: application/zip; name=\"../../x.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
    "--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\n\r\nInner text.\r\n"
    "--b1--\r\n";

TEST(EmailTest, TextAlternativesAndAttachments) {
  const auto mail = ParseEmail(kMail);
  ASSERT_TRUE(mail.ok()) << mail.status();
  EXPECT_EQ(mail->title, "The pump fails");
  EXPECT_EQ(mail->text,
            "The pump fails\n\nFrom: J\u00FCrgen <j@example.org>\nTo: ann@example.org, bob@example.org\nDate: Mon, 2 Mar "
            "2026 10:00:00 +0100\n\nIt stopped after\n\u00FCberheating twice.\n\nAttachment: parts.csv (text/csv, 18 "
            "bytes)\n\npart | price\nseal | 7\n\nAttachment: x.zip (application/zip, 3 bytes)\n\nAttachment: without a name "
            "(message/rfc822, 29 bytes)\n\nInner\n\nInner text.");
  EXPECT_TRUE(DocumentIsSound(mail->text, *mail));
  const auto metadata = nlohmann::json::parse(mail->metadata);
  EXPECT_EQ(metadata["from"], "J\u00FCrgen <j@example.org>");
  EXPECT_EQ(metadata["date"], "Mon, 2 Mar 2026 10:00:00 +0100");
}

TEST(EmailTest, HtmlAloneAndBrokenParts) {
  const auto html = ParseEmail("Subject: a\nContent-Type: text/html\n\n<h1>Head</h1><p>Body &amp; soul.<script>x</script>");
  ASSERT_TRUE(html.ok());
  EXPECT_THAT(html->text, HasSubstr("Head\n\nBody & soul."));
  EXPECT_THAT(html->text, Not(HasSubstr("script")));
  // No end of the last part, no boundary at all, and a part that claims to be a PDF.
  EXPECT_THAT(ParseEmail("A: b\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nCut off")->text, HasSubstr("Cut off"));
  EXPECT_THAT(ParseEmail("A: b\nContent-Type: multipart/mixed\n\nPlain")->text, HasSubstr("Plain"));
  const auto pdf = ParseEmail("A: b\nContent-Type: application/pdf; name=a.pdf\n\nno pdf");
  ASSERT_TRUE(pdf.ok());
  EXPECT_THAT(pdf->text, HasSubstr("could not be read: it is no PDF file"));
  EXPECT_THAT(ParseEmail("\n\nno header").status().message(), HasSubstr("no e-mail"));
}

TEST(EmailTest, DepthAndPartsAreBounded) {
  std::string deep = "Subject: x\n";
  for (int i = 0; i < 40; ++i) deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\n\n--b" + std::to_string(i) + "\n";
  EXPECT_THAT(ParseEmail(deep).status().message(), HasSubstr("nested deeper than 16"));
  std::string messages;
  for (int i = 0; i < 40; ++i) messages += "Content-Type: message/rfc822\n\n";
  EXPECT_THAT(ParseEmail(messages).status().message(), HasSubstr("nested deeper than 16"));
  std::string many = "A: b\nContent-Type: multipart/mixed; boundary=x\n\n";
  for (int i = 0; i < 2'000; ++i) many += "--x\n\na\n";
  EXPECT_THAT(ParseEmail(many).status().message(), HasSubstr("more than 1000 parts"));
}

}  // namespace
}  // namespace vouch
