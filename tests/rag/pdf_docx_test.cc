#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rag/chunk/chunker.h"
#include "rag/parse/docx.h"
#include "rag/parse/pdf.h"
#include "rag/parse/pdf_layout.h"
#include "tests/rag/span_checks.h"
#include "tests/support/pdf_writer.h"
#include "tests/support/zip_writer.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Block::Kind;

// "h1 Title", "p Some text": kind, level and text of each block.
std::vector<std::string> Outline(const ParsedDocument& document) {
  std::vector<std::string> outline;
  for (const Block& block : document.blocks) {
    std::string line(1, "hplct"[static_cast<size_t>(block.kind)]);
    if (block.level > 0) line.append(std::to_string(block.level));
    outline.push_back(line.append(" ").append(document.text.substr(block.begin, block.end - block.begin)));
  }
  return outline;
}

ParsedDocument Parse(const absl::StatusOr<ParsedDocument>& parsed) {
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (!parsed.ok()) return {};
  EXPECT_TRUE(parsed->rendered);
  EXPECT_TRUE(DocumentIsSound(parsed->text, *parsed));
  return *parsed;
}

TEST(PdfTest, HeadingsParagraphsListsAndPages) {
  const std::string pdf = WritePdf({{{.y = 720, .size = 20, .text = "Pump Manual"},
                                     {.y = 680, .text = "The pump is checked before each shift and"},
                                     {.y = 667, .text = "lubri-"},
                                     {.y = 654, .text = "cated once a week by the well-known method."},
                                     {.y = 620, .text = "- Close the valve."},
                                     {.y = 607, .text = "- Wait for ten seconds and"},
                                     {.y = 594, .text = "open it well-"},
                                     {.y = 581, .text = "known as before."},
                                     {.y = 500, .text = "The paragraph at the end of the page goes on"}},
                                    {{.y = 720, .text = "over to the next page."},
                                     {.y = 680, .size = 15, .text = "Spare parts"},
                                     {.y = 640, .text = "Seals are kept in stock."}}});
  const ParsedDocument document = Parse(ParsePdf(pdf));
  EXPECT_THAT(Outline(document),
              ElementsAre("h1 Pump Manual",
                          "p The pump is checked before each shift and lubricated once a week by the well-known method.",
                          "l Close the valve.", "l Wait for ten seconds and open it well-known as before.",
                          "p The paragraph at the end of the page goes on over to the next page.", "h2 Spare parts",
                          "p Seals are kept in stock."));
  EXPECT_EQ(document.title, "Pump Manual");
  EXPECT_EQ(document.parser, "pdf/1");
  const auto page_of = [&](const std::string& words) { return PageAt(document.places, document.text.find(words)); };
  EXPECT_EQ(page_of("Pump Manual"), 1u);
  EXPECT_EQ(page_of("goes on"), 1u);
  EXPECT_EQ(page_of("over to"), 2u);
  EXPECT_EQ(page_of("Seals"), 2u);
  // Baseline 640 from below: 152 from above, within a line's height.
  const Place& last = document.places.back();
  EXPECT_EQ(document.text.substr(last.begin, last.end - last.begin), "Seals are kept in stock.");
  EXPECT_GT(last.top, 135);
  EXPECT_LT(last.bottom, 160);
  EXPECT_NEAR(last.left, 72, 1);
}

TEST(PdfTest, RunningHeadsAreLeftOut) {
  std::vector<std::vector<PdfText>> pages;
  for (int i = 1; i <= 4; ++i) {
    pages.push_back({{.y = 760, .text = "Pump Manual, Edition 7"},
                     {.y = 600, .text = std::string("Step ").append(std::to_string(i)).append(" is short.")},
                     {.y = 400, .text = std::string("Text ").append(static_cast<size_t>(i), 'x').append(" ends.")},
                     {.y = 40, .text = std::string("Page ").append(std::to_string(i))}});
  }
  const ParsedDocument document = Parse(ParsePdf(WritePdf(pages)));
  EXPECT_EQ(document.text.find("Edition"), std::string::npos);
  EXPECT_EQ(document.text.find("Page"), std::string::npos);
  EXPECT_THAT(document.text, HasSubstr("Step 1 is short."));
  EXPECT_THAT(document.text, HasSubstr("Step 4 is short."));
}

TEST(PdfTest, ChunksKnowTheirPages) {
  std::vector<std::vector<PdfText>> pages;
  for (int i = 0; i < 3; ++i) {
    pages.push_back({{.y = 700, .size = 18, .text = std::string("Part ").append(1, static_cast<char>('A' + i))},
                     {.y = 660, .text = std::string(static_cast<size_t>(i + 1), 'x').append(" is in this part.")}});
  }
  const ParsedDocument document = Parse(ParsePdf(WritePdf(pages)));
  const std::vector<Chunk> chunks = Chunker({}).Split(document, MediaType::kPdf);
  ASSERT_EQ(chunks.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(PageAt(chunks[i].places, 0), i + 1);
    EXPECT_TRUE(ChunkIsSound(document.text, chunks[i]));
    EXPECT_LE(chunks[i].places.back().end, chunks[i].text.size());
  }
}

TEST(PdfTest, SaysWhatIsWrong) {
  EXPECT_THAT(ParsePdf("hello").status().message(), HasSubstr("no PDF file"));
  const std::string whole = WritePdf({{{.text = "Words."}}});
  EXPECT_THAT(ParsePdf(whole.substr(0, 60)).status().message(), HasSubstr("the PDF cannot be read"));
  const absl::Status empty = ParsePdf(WritePdf({{}, {}})).status();
  EXPECT_THAT(empty.message(), HasSubstr("no text on its 2 pages"));
  EXPECT_TRUE(absl::IsInvalidArgument(empty));
}

TEST(PdfLayoutTest, LimitsNameTheirNumbers) {
  PdfLayout layout;
  absl::Status status;
  for (uint32_t i = 0; i <= PdfLayout::kMaxPages && status.ok(); ++i) status = layout.Add("<page width=\"1\">\n");
  EXPECT_THAT(status.message(), HasSubstr("more than 5000 pages"));
  PdfLayout wide;
  status = wide.Add(std::string("<page >\n<block >\n<line >\n<word ").append(size_t{2} << 20, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST(PdfLayoutTest, PiecesMayEndAnywhere) {
  const std::string boxes =
      "<page width=\"9\">\n <block xMin=\"1\">\n  <line xMin=\"1\" yMin=\"2\" xMax=\"30\" yMax=\"12\">\n"
      "   <word xMin=\"1\" yMin=\"2\" xMax=\"3\" yMax=\"12\">a&amp;b</word>\n"
      "   <word xMin=\"4\" yMin=\"2\" xMax=\"5\" yMax=\"12\">&lt;c&gt;</word>\n  </line>\n </block>\n</page>\n";
  for (size_t step = 1; step < boxes.size(); step += 7) {
    PdfLayout layout;
    for (size_t at = 0; at < boxes.size(); at += step) ASSERT_TRUE(layout.Add(boxes.substr(at, step)).ok());
    const auto parsed = layout.Finish();
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->text, "a&b <c>");
    EXPECT_EQ(EncodePlaces(parsed->places), "0,7@1:1,2,30,12");
  }
}

TEST(PlacesTest, RoundTripAndRefusals) {
  const std::vector<Place> places = {{.page = 1, .begin = 0, .end = 5, .left = -3, .top = 2, .right = 9, .bottom = 4},
                                     {.page = 12, .begin = 7, .end = 8}};
  const std::string text = EncodePlaces(places);
  EXPECT_EQ(text, "0,5@1:-3,2,9,4;7,8@12:0,0,0,0");
  std::vector<Place> read;
  ASSERT_TRUE(DecodePlaces(text, &read));
  EXPECT_EQ(read, places);
  for (const char* bad : {"0,5@0:1,2,3,4", "5,5@1:1,2,3,4", "0,5@1:1,2,3", "0,5@1:1,2,3,4;", "0,5@1:1,2,3,4;4,6@1:1,2,3,4"}) {
    EXPECT_FALSE(DecodePlaces(bad, &read)) << bad;
  }
  EXPECT_EQ(PageAt(places, 6), 1u);
  EXPECT_EQ(PageAt(places, 7), 12u);
  EXPECT_EQ(PageAt({}, 7), 0u);
}

std::string Paragraph(const std::string& runs, const std::string& properties = "") {
  return std::string("<w:p><w:pPr>").append(properties).append("</w:pPr>").append(runs).append("</w:p>");
}
std::string Text(const std::string& text) {
  return std::string("<w:r><w:t xml:space=\"preserve\">").append(text).append("</w:t></w:r>");
}
std::string Styled(const std::string& style, const std::string& text) {
  return Paragraph(Text(text), std::string("<w:pStyle w:val=\"").append(style).append("\"/>"));
}
std::string Cell(const std::string& text) { return std::string("<w:tc>").append(Paragraph(Text(text))).append("</w:tc>"); }

TEST(DocxTest, StructureAndTables) {
  const std::string table = std::string("<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr>")
                                .append(Cell("Part")).append(Cell("Price")).append("</w:tr><w:tr>")
                                .append(Cell("Seal")).append(Cell("")).append("</w:tr><w:tr>")
                                .append("<w:tc>").append(Paragraph(Text("Two"))).append(Paragraph(Text("lines")))
                                .append("</w:tc>").append(Cell("7")).append("</w:tr></w:tbl>");
  const std::string body =
      Styled("H1", "Manual").append(Paragraph(Text("Hello ").append("<w:ins>").append(Text("new ")).append("</w:ins><w:del>")
                                        .append(Text("old ")).append("</w:del>").append(Text("world.")))
                            .append("<w:r><w:br/></w:r>"))
          .append(Styled("L", "An item")).append(table)
          .append(Paragraph(Text("By outline"), "<w:outlineLvl w:val=\"1\"/>")).append(Paragraph(""));
  const ParsedDocument document = Parse(ParseDocx(WriteDocx(body, "The title")));
  EXPECT_THAT(Outline(document), ElementsAre("h1 Manual", "p Hello new world.", "l An item", "t1 Part | Price", "t Seal |",
                                             "t Two lines | 7", "h2 By outline"));
  EXPECT_EQ(document.title, "The title");
  EXPECT_EQ(Parse(ParseDocx(WriteDocx(body))).title, "Manual");
}

TEST(DocxTest, SaysWhatIsWrong) {
  EXPECT_THAT(ParseDocx("no archive").status().message(), HasSubstr("no ZIP archive"));
  EXPECT_THAT(ParseDocx(WriteZip({{"a.txt", "x"}})).status().message(), HasSubstr("no word/document.xml"));
  EXPECT_THAT(ParseDocx(WriteZip({{"word/document.xml", "<a><b></a>"}})).status().message(), HasSubstr("is not XML"));
  EXPECT_THAT(ParseDocx("\xD0\xCF\x11\xE0 old").status().message(), HasSubstr("Word 97"));
  std::string cut = WriteDocx(Paragraph(Text("text")));
  EXPECT_FALSE(ParseDocx(cut.substr(0, cut.size() / 2)).ok());
}

TEST(DocxTest, EntityBombIsRefused) {
  const std::string bomb =
      "<?xml version=\"1.0\"?><!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>"
      "<d><p><t>&b;</t></p></d>";
  EXPECT_THAT(ParseDocx(WriteZip({{"word/document.xml", bomb}})).status().message(), HasSubstr("DOCTYPE"));
}

TEST(DocxTest, ZipBombIsRefused) {
  const std::string zip = WriteZip({{"word/document.xml", std::string(DocxLimits::kMaxPartBytes + 1, ' ')}});
  EXPECT_LT(zip.size(), size_t{1} << 20);
  const absl::Status status = ParseDocx(zip).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("67108864"));
}

TEST(DocxTest, DepthIsBounded) {
  std::string body;
  for (int i = 0; i < 10'000; ++i) body += "<w:sdt>";
  for (int i = 0; i < 10'000; ++i) body += "</w:sdt>";
  EXPECT_THAT(ParseDocx(WriteDocx(body)).status().message(), HasSubstr("nested deeper"));
  std::string tables;
  for (int i = 0; i < 2'000; ++i) tables += "<w:tbl><w:tr><w:tc>";
  for (int i = 0; i < 2'000; ++i) tables += "</w:tc></w:tr></w:tbl>";
  EXPECT_THAT(ParseDocx(WriteDocx(tables)).status().message(), HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace vouch
