#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rag/parse/html_entity.h"
#include "rag/parse/parser.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Document MakeDocument(MediaType type, std::string bytes) {
  Document document;
  document.id = "doc";
  document.media_type = type;
  document.bytes = std::move(bytes);
  return document;
}

// Blocks as "h2:Title", "p:…", "li:…", "code:…", "row:…"; checks that spans are sound on the way.
std::vector<std::string> Blocks(MediaType type, const std::string& bytes) {
  const absl::StatusOr<ParsedDocument> parsed = ParseDocument(MakeDocument(type, bytes));
  if (!parsed.ok()) return {std::string(parsed.status().message())};
  EXPECT_TRUE(DocumentIsSound(bytes, *parsed));
  std::vector<std::string> blocks;
  for (const Block& block : parsed->blocks) {
    const char* names[] = {"h", "p", "li", "code", "row"};
    std::string name = names[static_cast<int>(block.kind)];
    if (block.kind == Block::Kind::kHeading) name += std::to_string(block.level);
    blocks.push_back(name + ":" + parsed->text.substr(block.begin, block.end - block.begin));
  }
  return blocks;
}

// The source bytes that a piece of the text is taken from.
std::string SourceOf(MediaType type, const std::string& bytes, const std::string& piece) {
  const ParsedDocument parsed = ParseDocument(MakeDocument(type, bytes)).value();
  const size_t at = parsed.text.find(piece);
  if (at == std::string::npos) return "(not in the text)";
  const ByteSpan span = parsed.spans.ToSource(at, at + piece.size());
  return bytes.substr(span.begin, span.end - span.begin);
}

TEST(ParserTest, KnowsKindsByName) {
  EXPECT_EQ(MediaTypeOf("a.TXT"), MediaType::kText);
  EXPECT_EQ(MediaTypeOf("a/b.markdown"), MediaType::kMarkdown);
  EXPECT_EQ(MediaTypeOf("index.html"), MediaType::kHtml);
  EXPECT_EQ(MediaTypeOf("corpus.jsonl"), MediaType::kJsonLines);
  EXPECT_EQ(MediaTypeOf("photo.png"), std::nullopt);
  EXPECT_EQ(MediaTypeOf("project/README"), MediaType::kText);
  EXPECT_EQ(MediaTypeOf("manual.rst"), MediaType::kText);
  EXPECT_EQ(MediaTypeOf("a.md/Makefile"), std::nullopt);
  EXPECT_EQ(MediaTypeOf("README/x"), std::nullopt);
  EXPECT_EQ(MediaTypeOf("readme"), std::nullopt);
}

TEST(ParserTest, BadBytesAreRefusedWithTheirOffset) {
  for (const MediaType type : {MediaType::kText, MediaType::kMarkdown, MediaType::kHtml, MediaType::kJsonLines}) {
    const auto bad = ParseDocument(MakeDocument(type, "abc\xC3("));
    EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(bad.status().message()), HasSubstr("byte 0xC3 at offset 3"));
    const auto nul = ParseDocument(MakeDocument(type, std::string("ab\0c", 4)));
    EXPECT_THAT(std::string(nul.status().message()), HasSubstr("byte 0x00 at offset 2"));
  }
  EXPECT_THAT(std::string(ParseDocument(MakeDocument(MediaType::kText, "\xFF\xFEh")).status().message()),
              HasSubstr("looks like UTF-16: iconv -f UTF-16 -t UTF-8"));
  EXPECT_THAT(std::string(ParseDocument(MakeDocument(MediaType::kText, std::string("\0h\0i\0 \0a\0b\0c", 12))).status().message()),
              HasSubstr("looks like UTF-16: iconv -f UTF-16BE -t UTF-8"));
  EXPECT_THAT(std::string(ParseDocument(MakeDocument(MediaType::kText, std::string("h\0i\0 \0a\0b\0c\0", 12))).status().message()),
              HasSubstr("UTF-16LE"));
  EXPECT_THAT(std::string(ParseDocument(MakeDocument(MediaType::kText, "Die B\xE4ume bl\xFChen.")).status().message()),
              HasSubstr("byte 0xE4 at offset 5; the file may be of an older encoding: iconv -f LATIN1"));
  EXPECT_THAT(std::string(ParseDocument(MakeDocument(MediaType::kText, std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16))).status().message()),
              HasSubstr("looks binary"));
  for (const char* overlong : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x80\x80\x80"}) {
    EXPECT_FALSE(ParseDocument(MakeDocument(MediaType::kText, overlong)).ok());
  }
}

TEST(TextParserTest, EmptyLinesSetParagraphsApart) {
  EXPECT_THAT(Blocks(MediaType::kText, "\xEF\xBB\xBFone\n\n\n  two\nlines\n"), ElementsAre("p:one", "p:two\nlines"));
  EXPECT_THAT(Blocks(MediaType::kText, ""), ElementsAre());
  EXPECT_THAT(Blocks(MediaType::kText, " \n\t\n"), ElementsAre());
}

TEST(TextParserTest, WrappedLinesBecomeOne) {
  const std::string wrapped = "A line that is as long as lines in wrapped texts are\r\nand goes on. Short.\r\n- item\r\n";
  EXPECT_THAT(Blocks(MediaType::kText, wrapped),
              ElementsAre("p:A line that is as long as lines in wrapped texts are and goes on. Short.\n- item"));
  EXPECT_EQ(SourceOf(MediaType::kText, wrapped, "texts are and goes"), "texts are\r\nand goes");
}

TEST(TextParserTest, IndentedParagraphsAreWrappedToo) {
  EXPECT_THAT(
      Blocks(MediaType::kText,
             "NAME\n\n       The quick brown fox jumps over the lazy dog, and\n       goes on to "
             "the next line.\n"),
      ElementsAre("p:NAME",
                  "p:The quick brown fox jumps over the lazy dog, and goes on to the next line."));
  EXPECT_THAT(Blocks(MediaType::kText,
                     "The quick brown fox jumps over the lazy dog, and\n  starts anew where it is "
                     "indented.\n"),
              ElementsAre("p:The quick brown fox jumps over the lazy dog, and\n  starts anew where "
                          "it is indented."));
  EXPECT_THAT(
      Blocks(MediaType::kText,
             "  const int a_long_line_of_code = and_its_end(1);\n  return the_next_line();\n"),
      ElementsAre("p:const int a_long_line_of_code = and_its_end(1);\n  return the_next_line();"));
}

TEST(TextParserTest, LoneCarriageReturnsEndLines) {
  EXPECT_THAT(Blocks(MediaType::kText, "one\rtwo\r\rthree"), ElementsAre("p:one\ntwo", "p:three"));
}

TEST(HtmlParserTest, FindsBlocks) {
  EXPECT_THAT(Blocks(MediaType::kHtml,
                     "<html><head><title>T</title><style>p{}</style></head><body><h2>Head <b>line</b></h2>"
                     "<p>One\n  two<p>three<ul><li>a<li>b <i>c</i></ul><pre>\nx\n  y\n</pre>"
                     "<table><tr><th>k<th>v<tr><td>1<td><p>2</p><p>3</p></table>tail</body></html>"),
              ElementsAre("h2:Head line", "p:One two", "p:three", "li:a", "li:b c", "code:x\n  y", "row:k | v",
                          "row:1 | 2\n3", "p:tail"));
}

TEST(HtmlParserTest, TitleAndItsFallback) {
  EXPECT_EQ(ParseDocument(MakeDocument(MediaType::kHtml, "<title> A &amp;\n B</title><h1>C</h1>"))->title, "A & B");
  EXPECT_EQ(ParseDocument(MakeDocument(MediaType::kHtml, "<p>x<h1>C <i>d</i></h1>"))->title, "C d");
  EXPECT_EQ(ParseDocument(MakeDocument(MediaType::kHtml, "<svg><title>no</title></svg><p>x"))->title, "");
}

TEST(HtmlParserTest, LeavesOutWhatIsNoText) {
  EXPECT_THAT(Blocks(MediaType::kHtml,
                     "a<script>if (1 < 2) \"</p>\"</script>b<!-- c --><!doctype x><?php d ?><nav>e<p>f</nav>g"
                     "<div class='x navheader'><div>h</div></div><footer>i</footer>j<textarea>k</textarea>l"
                     "<template><p>m</template>n<svg><text>o</text></svg>"),
              ElementsAre("p:ab", "p:g", "p:jln"));
}

TEST(HtmlParserTest, CharacterReferences) {
  const std::string html = "<p>Tom &amp; Jerry&nbsp;&#8212;&notit; &copy2 &unknown; &#0; &amp";
  EXPECT_THAT(Blocks(MediaType::kHtml, html), ElementsAre("p:Tom & Jerry —¬it; ©2 &unknown; \uFFFD &"));
  EXPECT_EQ(SourceOf(MediaType::kHtml, html, "Tom & Jerry"), "Tom &amp; Jerry");
  EXPECT_EQ(SourceOf(MediaType::kHtml, html, "—"), "&#8212;");
  EXPECT_EQ(SourceOf(MediaType::kHtml, html, "¬i"), "&noti");
}

TEST(HtmlParserTest, SpansGoThroughMarkup) {
  const std::string html = "<p>The <b>quick</b> <i>brown</i>\n fox</p>";
  EXPECT_EQ(SourceOf(MediaType::kHtml, html, "quick brown fox"), "quick</b> <i>brown</i>\n fox");
}

TEST(HtmlParserTest, MalformedPagesKeepTheirText) {
  EXPECT_THAT(Blocks(MediaType::kHtml, "a < b <p <i>c</i>"), ElementsAre("p:a < b", "p:c"));
  EXPECT_THAT(Blocks(MediaType::kHtml, "<div>x</section></p></td></div>y<"), ElementsAre("p:x", "p:y<"));
  EXPECT_THAT(Blocks(MediaType::kHtml, "<h2>a<h3>b</h2>c"), ElementsAre("h2:a", "h3:b", "p:c"));
  EXPECT_THAT(Blocks(MediaType::kHtml, "<script>never closed <p>x"), ElementsAre());
  EXPECT_THAT(Blocks(MediaType::kHtml, "x<!-- never closed <p>y"), ElementsAre("p:x"));
  EXPECT_THAT(Blocks(MediaType::kHtml, "<!-->a<!--->b<!-- --!>c<a title='>' href=\">\">d</a><b x=y>e"),
              ElementsAre("p:abcde"));
}

TEST(HtmlParserTest, DeepNestingIsRefused) {
  std::string deep;
  for (int i = 0; i < ParseLimits::kMaxDepth; ++i) deep += "<div>";
  EXPECT_TRUE(ParseDocument(MakeDocument(MediaType::kHtml, deep + "x")).ok());
  const auto refused = ParseDocument(MakeDocument(MediaType::kHtml, deep + "<div>x"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("deeper than 256 block elements: <div> at offset 1280"));
  std::string flat;
  for (int i = 0; i < 100'000; ++i) flat += "<p>a<li>b<b><span>";
  EXPECT_TRUE(ParseDocument(MakeDocument(MediaType::kHtml, flat)).ok());
}

TEST(MarkdownParserTest, FindsBlocksWithoutMarkup) {
  EXPECT_THAT(Blocks(MediaType::kMarkdown,
                     "# A *b* `c`\n\nOne **two**\n  three \\* [four](http://x \"t\") ![five](u) &amp; <b>six</b>\n\n"
                     "- item one\n  goes on\n- item **two**\n\n> quote\nlazy\n\n```c\nint x;\n\n  y\n```\n\n"
                     "    indented\n\nSetext _h_\n---\n"),
              ElementsAre("h1:A b c", "p:One two three * four five & six", "li:item one goes on", "li:item two",
                          "p:quote lazy", "code:int x;\n\n  y", "code:indented", "h2:Setext h"));
}

TEST(MarkdownParserTest, SpansPointAtTheSource) {
  const std::string text = "> Some *emphasised*\n>   words and `a  b` here.\n> The [link text](<u v> 'a link text') ends.\n";
  EXPECT_EQ(SourceOf(MediaType::kMarkdown, text, "emphasised words"), "emphasised*\n>   words");
  EXPECT_EQ(SourceOf(MediaType::kMarkdown, text, "a  b"), "a  b");
  EXPECT_EQ(SourceOf(MediaType::kMarkdown, text, "link text ends"), "link text](<u v> 'a link text') ends");
}

TEST(MarkdownParserTest, LinksOfAllKinds) {
  EXPECT_THAT(Blocks(MediaType::kMarkdown,
                     "a [b][c] d [c] e [c][] f <http://g> [h\\]](i_(j)_k) ![l [m](n)](o) [p] [q](r s)\n\n[c]: /x\n"),
              ElementsAre("p:a b d c e c f http://g h] l m [p] [q](r s)"));
}

TEST(MarkdownParserTest, WhatCannotBeFollowedStaysAsItIs) {
  // The definition is no text, but stands in the lines of the paragraph.
  const std::string text = "[a]: /x\nSee *[a]* here.\n";
  const auto blocks = Blocks(MediaType::kMarkdown, text);
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_THAT(blocks[0], HasSubstr("See *[a]* here."));
}

TEST(MarkdownParserTest, TablesByRows) {
  EXPECT_THAT(Blocks(MediaType::kMarkdown, "| a | **b** |\n|---|:-:|\n| 1 | `2` |\n| 3 | 4 |\n\nend\n"),
              ElementsAre("row:| a | b |", "row:| 1 | 2 |", "row:| 3 | 4 |", "p:end"));
}

TEST(MarkdownParserTest, FrontMatterGivesTheTitle) {
  const auto parsed = ParseDocument(MakeDocument(MediaType::kMarkdown, "---\ntitle: \"My page\"\nx: 1\n---\n# H\ntext\n"));
  EXPECT_EQ(parsed->title, "My page");
  EXPECT_EQ(parsed->text, "H\n\ntext");
  EXPECT_EQ(ParseDocument(MakeDocument(MediaType::kMarkdown, "## B\n# A\n"))->title, "A");
}

TEST(MarkdownParserTest, HtmlBlocksAreReadAsHtml) {
  EXPECT_THAT(Blocks(MediaType::kMarkdown, "<div align=center>\n<h1>Logo &amp; co</h1>\n</div>\n\n<!-- no -->\n\nyes\n"),
              ElementsAre("h1:Logo & co", "p:yes"));
}

TEST(MarkdownParserTest, LineEndingsAndTabs) {
  EXPECT_THAT(Blocks(MediaType::kMarkdown, "a\r\nb\r\n\r\n- c\r\n\td\r\n\r\n```\r\nx\r\ny\r\n```\r\n"),
              ElementsAre("p:a b", "li:c d", "code:x\ny"));
  EXPECT_THAT(Blocks(MediaType::kMarkdown, "- a\n\n\t\tcode\n"), ElementsAre("li:a", "code:  code"));
  EXPECT_THAT(Blocks(MediaType::kMarkdown, "a\rb\r\rc"), ElementsAre("p:a b", "p:c"));
}

TEST(MarkdownParserTest, DeepNestingIsRefused) {
  const auto refused = ParseDocument(MakeDocument(MediaType::kMarkdown, std::string(300, '>') + " x\n"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("deeper than 256 containers"));
  std::string hostile = std::string(100'000, '>') + "x\n";
  for (int i = 0; i < 100'000; ++i) hostile += "\n";
  EXPECT_FALSE(ParseDocument(MakeDocument(MediaType::kMarkdown, hostile)).ok());
}

}  // namespace
}  // namespace vouch
