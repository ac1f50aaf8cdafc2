// Generated documents of each kind: whatever the markup, spans are exact and sentences lead back to their bytes.
#include <gtest/gtest.h>
#include <gumbo.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "rag/chunk/chunker.h"
#include "rag/parse/parser.h"
#include "tests/rag/span_checks.h"

namespace vouch {
namespace {

constexpr uint64_t kPropertySeed = 20261124;

const std::vector<std::string>& Atoms(MediaType type) {
  static const std::vector<std::string> text = {"word ", "another, ", "Sentence. ", "\n", "\n\n", "\r\n", "é ü ", "😀",
                                                "  ", "\t", "- ", "x", "a rather long stretch of words that fills its line\n"};
  static const std::vector<std::string> html = {
      "word ",  "A sentence. ", "&amp;", "&lt;b&gt; ", "&nbsp;", "&eacute;", "\n", "  ", "<p>",  "</p>", "<b>", "</b>",
      "<div>",  "</div>", "<ul>", "<li>", "</ul>", "<h1>", "</h1>", "<h3>", "<pre>", "</pre>", "<table>", "<tr>", "<td>",
      "</table>", "<br>", "<script>x<y</script>", "<!-- c -->", "é", "\r\n", "<nav>", "</nav>", "<a href='>'>", "< ", "&",
      "<img alt=x>", "</td>", "<hr>", "<dl><dt>", "<dd>", "</dl>"};
  static const std::vector<std::string> markdown = {
      "word ", "A sentence. ", "\n", "\n\n", "# ", "## ", "* ", "*", "**", "_", "`", "``", "[", "](u)", "](<a b> \"t\")",
      "![", "]", "> ", "- ", "1. ", "    ", "\t", "```\n", "~~~\n", "&amp;", "\\*", "\\", "<b>", "<div>\n", "é ", "|", "| - |\n",
      "===\n", "---\n", "  \n", "\\\n", "[r]: /u\n", "[r]", "<http://x>", "\r\n", "!"};
  switch (type) {
    case MediaType::kHtml:
      return html;
    case MediaType::kMarkdown:
      return markdown;
    case MediaType::kText:
    case MediaType::kJsonLines:
    case MediaType::kPdf:
    case MediaType::kDocx:
    case MediaType::kCsv:
    case MediaType::kEmail:
      break;
  }
  return text;
}

void CheckDocument(const Document& document, const std::string& hint) {
  const absl::StatusOr<ParsedDocument> parsed = ParseDocument(document);
  ASSERT_TRUE(parsed.ok()) << parsed.status() << hint;
  ASSERT_TRUE(DocumentIsSound(document.bytes, *parsed)) << hint << "\n" << document.bytes;
  const Chunker chunker({.target_bytes = 60, .max_bytes = 120, .record_max_bytes = 200});
  for (const Chunk& chunk : chunker.Split(*parsed, document.media_type)) {
    ASSERT_TRUE(ChunkIsSound(document.bytes, chunk)) << hint << "\n" << document.bytes;
    for (const ByteSpan& sentence : SplitSentences(chunk.text)) {
      const ByteSpan source = chunk.spans.ToSource(sentence.begin, sentence.end);
      if (source.begin == source.end) continue;  // text that the parser put in
      ASSERT_LE(chunk.source.begin, source.begin) << hint;
      ASSERT_GE(chunk.source.end, source.end) << hint;
      const SpanMap spans = chunk.spans.Slice(sentence.begin, sentence.end);
      for (const SpanPiece& piece : spans.pieces()) {
        if (piece.source_begin == piece.source_end) continue;
        ASSERT_LE(source.begin, piece.source_begin) << hint;
        ASSERT_GE(source.end, piece.source_end) << hint;
      }
    }
  }
}

class ParsePropertyTest : public ::testing::TestWithParam<MediaType> {};

TEST_P(ParsePropertyTest, SpansOfGeneratedDocumentsAreExact) {
  std::mt19937_64 random(kPropertySeed);
  const std::vector<std::string>& atoms = Atoms(GetParam());
  for (int round = 0; round < 3'000 && !HasFatalFailure(); ++round) {
    Document document;
    document.id = "d";
    document.media_type = GetParam();
    for (uint64_t i = random() % 60; i > 0; --i) document.bytes += atoms[random() % atoms.size()];
    CheckDocument(document, "seed " + std::to_string(kPropertySeed) + " round " + std::to_string(round));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ParsePropertyTest,
                         ::testing::Values(MediaType::kText, MediaType::kMarkdown, MediaType::kHtml));

// Text of a gumbo tree, as a second opinion.
void AppendGumboText(const GumboNode* node, std::string* text) {
  if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE) {
    *text += node->v.text.text;
    return;
  }
  if (node->type != GUMBO_NODE_ELEMENT) return;
  const GumboTag tag = node->v.element.tag;
  if (tag == GUMBO_TAG_SCRIPT || tag == GUMBO_TAG_TITLE || tag == GUMBO_TAG_STYLE) return;
  for (unsigned i = 0; i < node->v.element.children.length; ++i) {
    AppendGumboText(static_cast<const GumboNode*>(node->v.element.children.data[i]), text);
  }
}

std::string GumboText(const std::string& html) {
  GumboOutput* output = gumbo_parse_with_options(&kGumboDefaultOptions, html.data(), html.size());
  std::string text;
  AppendGumboText(output->root, &text);
  gumbo_destroy_output(&kGumboDefaultOptions, output);
  return text;
}

std::string WithoutSpace(const std::string& text) {
  std::string dense;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\u00A0") == 0) {
      ++i;
    } else if (static_cast<unsigned char>(text[i]) > ' ' && text[i] != '|') {
      dense += text[i];
    }
  }
  return dense;
}

std::string HtmlText(const std::string& html) {
  Document document;
  document.media_type = MediaType::kHtml;
  document.bytes = html;
  return ParseDocument(document).value().text;
}

TEST(HtmlOracleTest, WellFormedPagesHaveTheTextThatGumboFinds) {
  const std::vector<std::string> names = {"p", "div", "b", "span", "h2", "section", "em", "blockquote", "li", "a"};
  std::mt19937_64 random(kPropertySeed);
  for (int round = 0; round < 500; ++round) {
    std::string html = "<body>";
    std::vector<std::string> open;
    for (uint64_t i = random() % 80; i > 0; --i) {
      switch (random() % 5) {
        case 0:
          open.push_back(names[random() % names.size()]);
          html += "<" + open.back() + " class=\"x\" title='&lt;>'>";
          break;
        case 1:
          if (open.empty()) break;
          html += "</" + open.back() + ">";
          open.pop_back();
          break;
        case 2:
          html += "&amp;&eacute;&copy x&#x41;";
          break;
        default:
          html += " word" + std::to_string(random() % 100) + "\n";
      }
    }
    EXPECT_EQ(WithoutSpace(HtmlText(html)), WithoutSpace(GumboText(html))) << "seed " << kPropertySeed << "\n" << html;
  }
}

TEST(HtmlOracleTest, CharacterReferencesAreThoseOfGumbo) {
  // All names of two and three letters with and without semicolon, and all numbers up to 0x2FF, are in the table or not.
  std::string html;
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const char a : letters) {
    for (const char b : letters) {
      html += std::string("&") + a + b + "; &" + a + b + " ";
      for (const char c : {'r', 't', 'p', 'o', 'm', 'e', 'a', 'f', 'l', 'v', 'u', 'g', 'h', 'n', 'i', 'y', 'd', 'c'}) {
        html += std::string("&") + a + b + c + ";&" + a + b + c + "x ";
      }
    }
  }
  for (int number = 1; number < 0x300; ++number) html += "&#" + std::to_string(number) + ";.";
  html += "&CounterClockwiseContourIntegral;&NotNestedGreaterGreater;&acE;&notin;&notit;&#xD800;&#x110000;&#99999999999;";
  const std::string ours = WithoutSpace(HtmlText(html));
  const std::string theirs = WithoutSpace(GumboText(html));
  const auto differ = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  EXPECT_TRUE(ours == theirs) << "ours: " << std::string(differ.first, std::min(differ.first + 40, ours.end()));
}

}  // namespace
}  // namespace vouch
