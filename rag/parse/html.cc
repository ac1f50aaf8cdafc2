#include "rag/parse/html.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rag/parse/html_entity.h"
#include "rag/parse/html_tokenizer.h"
#include "rag/parse/parser.h"
#include "rag/parse/utf8.h"

namespace vouch {
namespace {

// What an element means for the text. Elements that are not listed (b, a, span …) do not change it.
enum class Element : uint8_t {
  kInline,   // not listed
  kBlock,    // div, section …: its border ends a block
  kParagraph,
  kHeading,
  kList,
  kItem,     // li
  kTerm,     // dt, dd
  kPre,
  kTable,
  kRowGroup,
  kRow,
  kCell,
  kBreak,    // br
  kRule,     // hr
  kTitle,
  kSkip,     // left out with all that is in it
};

using ElementMap = absl::flat_hash_map<std::string_view, Element>;

const ElementMap& Elements() {
  static const ElementMap* const map = [] {
    auto* elements = new ElementMap();
    for (std::string_view name :
         {"address", "article", "blockquote", "body", "caption", "center", "details", "dialog", "div",
          "fieldset", "figcaption", "figure", "form", "header", "hgroup", "html", "main", "search",
          "section", "summary", "option"}) {
      elements->emplace(name, Element::kBlock);
    }
    for (std::string_view name : {"h1", "h2", "h3", "h4", "h5", "h6"}) {
      elements->emplace(name, Element::kHeading);
    }
    for (std::string_view name : {"ul", "ol", "dl", "menu", "dir"}) elements->emplace(name, Element::kList);
    for (std::string_view name : {"pre", "listing", "xmp"}) elements->emplace(name, Element::kPre);
    for (std::string_view name : {"thead", "tbody", "tfoot"}) elements->emplace(name, Element::kRowGroup);
    for (std::string_view name : {"dt", "dd"}) elements->emplace(name, Element::kTerm);
    for (std::string_view name : {"td", "th"}) elements->emplace(name, Element::kCell);
    for (std::string_view name : {"script", "style", "template", "noscript", "svg", "textarea", "iframe",
                                  "noembed", "noframes", "nav", "footer", "aside", "object", "canvas"}) {
      elements->emplace(name, Element::kSkip);
    }
    elements->emplace("p", Element::kParagraph);
    elements->emplace("li", Element::kItem);
    elements->emplace("table", Element::kTable);
    elements->emplace("tr", Element::kRow);
    elements->emplace("br", Element::kBreak);
    elements->emplace("hr", Element::kRule);
    elements->emplace("title", Element::kTitle);
    return elements;
  }();
  return *map;
}

constexpr size_t kLongestTag = 16;

bool IsNavigation(std::string_view class_names) {
  constexpr std::string_view kSpace = " \t\n\r\f";
  while (!class_names.empty()) {
    const size_t end = std::min(class_names.find_first_of(kSpace), class_names.size());
    const std::string_view name = class_names.substr(0, end);
    if (name == "navheader" || name == "navfooter") return true;
    class_names.remove_prefix(std::min(end + 1, class_names.size()));
  }
  return false;
}

// Of what is left out, what ends a paragraph; the rest may stand inside one.
bool IsSkippedBlock(std::string_view name) {
  return name == "nav" || name == "footer" || name == "aside";
}

// Walks the tokens with the stack of open block elements.
class HtmlReader {
 public:
  HtmlReader(std::string_view bytes, TextBuilder* builder, std::string* title)
      : bytes_(bytes), builder_(builder), title_(title) {}

  absl::Status Read(uint64_t begin, uint64_t end);

 private:
  struct Open {
    Element element;
    char name[kLongestTag];
    uint8_t name_size;
    uint8_t level;
    bool breaks_text;  // of what is left out: the text before and after are two blocks
    std::string_view Name() const { return {name, name_size}; }
  };

  absl::Status Start(const HtmlToken& token);
  void End(const HtmlToken& token);
  void Text(const HtmlToken& token);
  void TitleText(const HtmlToken& token);
  void AppendText(uint64_t begin, uint64_t end, bool entities);
  void AppendPreformatted(uint64_t begin, uint64_t end);
  void CloseImplied(Element started, std::string_view name);
  void CloseOne(bool (*closes)(Element), bool (*barrier)(Element));
  void Pop();
  // Ends the block at a border; inside a table row that is only a line break.
  void Border();
  void EnsureBlock();
  // A row's block, with the borders of the empty cells at its beginning.
  void BeginRow();
  bool InRow() const { return row_depth_ > 0; }

  const std::string_view bytes_;
  TextBuilder* const builder_;
  std::string* const title_;
  std::vector<Open> stack_;
  int skipped_ = 0;    // open elements that are left out
  int pre_ = 0;        // open pre
  int row_depth_ = 0;  // open tr, less those outside of a pre or heading in them
  int cells_before_text_ = 0;  // of the row, begun so far
  bool header_cell_ = false;   // the cell that began last is a <th>
  bool header_row_ = false;    // and so are those before it in the row
  bool title_done_ = false;
  bool in_title_ = false;
  bool pre_start_ = false;  // just after <pre>: one line break is dropped
};

absl::Status HtmlReader::Read(uint64_t begin, uint64_t end) {
  HtmlTokenizer tokenizer(bytes_, begin, end);
  while (true) {
    const HtmlToken token = tokenizer.Next();
    switch (token.kind) {
      case HtmlToken::Kind::kText:
        Text(token);
        break;
      case HtmlToken::Kind::kStartTag:
        if (absl::Status status = Start(token); !status.ok()) return status;
        break;
      case HtmlToken::Kind::kEndTag:
        End(token);
        break;
      case HtmlToken::Kind::kEnd:
        builder_->EndBlock();
        return absl::OkStatus();
    }
    if (token.kind != HtmlToken::Kind::kStartTag) pre_start_ = false;
  }
}

// `name` in lower case, or empty where it is too long to be of interest.
std::string_view LowerName(std::string_view name, char (&buffer)[kLongestTag]) {
  if (name.size() > kLongestTag) return {};
  for (size_t i = 0; i < name.size(); ++i) buffer[i] = absl::ascii_tolower(name[i]);
  return {buffer, name.size()};
}

absl::Status HtmlReader::Start(const HtmlToken& token) {
  pre_start_ = false;
  char buffer[kLongestTag];
  const std::string_view name = LowerName(token.name, buffer);
  const auto found = Elements().find(name);
  if (found == Elements().end()) return absl::OkStatus();
  Element element = found->second;
  if (element == Element::kBreak) {
    if (skipped_ == 0) builder_->AppendLineBreak();
    return absl::OkStatus();
  }
  if (element == Element::kTitle) {
    in_title_ = true;
    return absl::OkStatus();
  }
  CloseImplied(element, name);
  if (element == Element::kRule) {
    if (skipped_ == 0) Border();
    return absl::OkStatus();
  }
  if (IsNavigation(token.class_name)) element = Element::kSkip;
  if (stack_.size() >= static_cast<size_t>(ParseLimits::kMaxDepth)) {
    return absl::InvalidArgumentError(absl::StrCat("HTML nested deeper than ", ParseLimits::kMaxDepth,
                                                   " block elements: <", std::string(name), "> at offset ",
                                                   token.begin));
  }
  Open open{.element = element,
            .name = {},
            .name_size = static_cast<uint8_t>(name.size()),
            .level = static_cast<uint8_t>(element == Element::kHeading ? name[1] - '0' : 0),
            .breaks_text = found->second != Element::kSkip || IsSkippedBlock(name)};
  name.copy(open.name, name.size());
  stack_.push_back(open);
  if (element == Element::kSkip) {
    if (skipped_++ == 0 && open.breaks_text) Border();
    return absl::OkStatus();
  }
  if (skipped_ > 0) return absl::OkStatus();
  if (element == Element::kCell) {
    // A row of <th> alone names the columns.
    header_cell_ = name == "th";
    if (builder_->block_has_text() && builder_->kind() == Block::Kind::kTable) {
      builder_->AppendCellBorder();
      if (!header_cell_) builder_->SetLevel(0);
    } else {
      ++cells_before_text_;
      header_row_ = header_cell_ && (cells_before_text_ == 1 || header_row_);
    }
  } else if (element == Element::kRow || element == Element::kHeading || element == Element::kPre ||
             element == Element::kTable) {
    builder_->EndBlock();
  } else {
    Border();
  }
  if (element == Element::kRow) {
    ++row_depth_;
    cells_before_text_ = 0;
  }
  if (element == Element::kPre) {
    ++pre_;
    pre_start_ = true;
  }
  return absl::OkStatus();
}

void HtmlReader::Pop() {
  const Open open = stack_.back();
  stack_.pop_back();
  if (open.element == Element::kSkip) {
    if (--skipped_ == 0 && open.breaks_text) Border();
    return;
  }
  if (skipped_ > 0) return;
  switch (open.element) {
    case Element::kRow:
      --row_depth_;
      builder_->EndBlock();
      break;
    case Element::kPre:
      --pre_;
      builder_->EndBlock();
      break;
    case Element::kHeading:
    case Element::kTable:
      builder_->EndBlock();
      break;
    case Element::kCell:
      break;
    case Element::kInline:
    case Element::kBlock:
    case Element::kParagraph:
    case Element::kList:
    case Element::kItem:
    case Element::kTerm:
    case Element::kRowGroup:
    case Element::kBreak:
    case Element::kRule:
    case Element::kTitle:
    case Element::kSkip:
      Border();
      break;
  }
}

void HtmlReader::CloseOne(bool (*closes)(Element), bool (*barrier)(Element)) {
  for (size_t i = stack_.size(); i > 0; --i) {
    const Element element = stack_[i - 1].element;
    if (closes(element)) {
      while (stack_.size() >= i) Pop();
      return;
    }
    if (barrier(element)) return;
  }
}

// HTML standard, section 13.1.2.4: the end tags that may be left out.
void HtmlReader::CloseImplied(Element started, std::string_view name) {
  const auto not_paragraph = [](Element e) { return e != Element::kParagraph; };
  if (started == Element::kHeading && !stack_.empty() && stack_.back().element == Element::kHeading) {
    Pop();
  }
  switch (started) {
    case Element::kItem:
      CloseOne([](Element e) { return e == Element::kItem; },
               [](Element e) { return e == Element::kList || e == Element::kCell; });
      break;
    case Element::kTerm:
      CloseOne([](Element e) { return e == Element::kTerm; },
               [](Element e) { return e == Element::kList || e == Element::kCell; });
      break;
    case Element::kCell:
      CloseOne([](Element e) { return e == Element::kCell; },
               [](Element e) { return e == Element::kRow || e == Element::kTable; });
      break;
    case Element::kRow:
      CloseOne([](Element e) { return e == Element::kRow; },
               [](Element e) { return e == Element::kTable; });
      break;
    case Element::kRowGroup:
      CloseOne([](Element e) { return e == Element::kRowGroup; },
               [](Element e) { return e == Element::kTable; });
      break;
    case Element::kSkip:
      if (!IsSkippedBlock(name)) return;
      break;
    case Element::kInline:
    case Element::kBlock:
    case Element::kParagraph:
    case Element::kHeading:
    case Element::kList:
    case Element::kPre:
    case Element::kTable:
    case Element::kBreak:
    case Element::kRule:
    case Element::kTitle:
      break;
  }
  CloseOne([](Element e) { return e == Element::kParagraph; }, not_paragraph);
}

void HtmlReader::End(const HtmlToken& token) {
  char buffer[kLongestTag];
  const std::string_view name = LowerName(token.name, buffer);
  const auto found = Elements().find(name);
  if (found == Elements().end()) return;
  if (found->second == Element::kTitle) {
    in_title_ = false;
    return;
  }
  const bool of_table = found->second == Element::kCell || found->second == Element::kRow ||
                        found->second == Element::kRowGroup || found->second == Element::kTable ||
                        name == "body" || name == "html";
  for (size_t i = stack_.size(); i > 0; --i) {
    const Open& open = stack_[i - 1];
    const bool both_headings = found->second == Element::kHeading && open.element == Element::kHeading;
    if (both_headings || open.Name() == name) {
      while (stack_.size() >= i) Pop();
      return;
    }
    // A stray end tag inside a table closes nothing outside of it.
    if (open.element == Element::kTable) return;
    if (!of_table && open.element == Element::kCell) return;
  }
}

void HtmlReader::Border() {
  if (InRow() && builder_->in_block() && builder_->kind() == Block::Kind::kTable) {
    builder_->AppendLineBreak();
  } else {
    builder_->EndBlock();
  }
}

void HtmlReader::BeginRow() {
  builder_->BeginBlock(Block::Kind::kTable, header_row_ && header_cell_ && cells_before_text_ > 0 ? 1 : 0);
  for (; cells_before_text_ > 1; --cells_before_text_) builder_->AppendCellBorder();
  cells_before_text_ = 0;
}

void HtmlReader::EnsureBlock() {
  if (builder_->in_block()) return;
  for (size_t i = stack_.size(); i > 0; --i) {
    const Open& open = stack_[i - 1];
    if (open.element == Element::kHeading) {
      return builder_->BeginBlock(Block::Kind::kHeading, open.level);
    }
    if (open.element == Element::kPre) return builder_->BeginBlock(Block::Kind::kCode);
    if (open.element == Element::kRow) return BeginRow();
    if (open.element == Element::kItem || open.element == Element::kTerm) {
      return builder_->BeginBlock(Block::Kind::kListItem);
    }
    if (open.element == Element::kTable) break;
  }
  builder_->BeginBlock(Block::Kind::kParagraph);
}

void HtmlReader::TitleText(const HtmlToken& token) {
  if (title_done_ || title_ == nullptr || skipped_ > 0) return;
  TextBuilder title(bytes_);
  HtmlReader reader(bytes_, &title, nullptr);
  reader.AppendText(token.begin, token.end, true);
  *title_ = title.Finish("", "").text;
  title_done_ = !title_->empty();
}

void HtmlReader::Text(const HtmlToken& token) {
  if (in_title_) {
    TitleText(token);
    return;
  }
  if (skipped_ > 0) return;
  AppendText(token.begin, token.end, token.entities);
}

void HtmlReader::AppendText(uint64_t begin, uint64_t end, bool entities) {
  const std::string_view text = bytes_.substr(0, end);
  // White space between blocks opens none.
  if (!builder_->in_block() && pre_ == 0 &&
      text.find_first_not_of(" \n\t\r\f", begin) == text.npos) {
    return;
  }
  EnsureBlock();
  if (pre_ > 0 && pre_start_) {
    if (begin < end && bytes_[begin] == '\r') ++begin;
    if (begin < end && bytes_[begin] == '\n') ++begin;
  }
  const auto append = [this](uint64_t from, uint64_t to) {
    if (pre_ > 0) {
      AppendPreformatted(from, to);
    } else {
      builder_->AppendCollapsed(from, to);
    }
  };
  uint64_t run = begin;
  for (uint64_t at = text.find('&', begin); entities && at < end; at = text.find('&', at)) {
    const HtmlEntity entity = DecodeHtmlEntity(text.substr(at));
    if (entity.length == 0) {
      ++at;
      continue;
    }
    append(run, at);
    // A no-break space is a space to a reader, and to what searches and quotes the text.
    const bool space = entity.text == "\u00A0" || entity.text == " " || entity.text == "\n" ||
                       entity.text == "\t" || entity.text == "\r";
    if (space && pre_ == 0) {
      builder_->AppendSpace();
    } else {
      builder_->AppendInexact(entity.text == "\u00A0" ? " " : entity.text, at, at + entity.length);
    }
    at += entity.length;
    run = at;
  }
  append(run, end);
}

void HtmlReader::AppendPreformatted(uint64_t begin, uint64_t end) {
  uint64_t at = begin;
  while (at < end) {
    const uint64_t line_end = std::min<uint64_t>(bytes_.find('\r', at), end);
    builder_->AppendExact(at, line_end);
    at = line_end;
    if (at >= end) break;
    // CR LF is the LF, exact; a CR alone is a line break of its own.
    if (at + 1 >= bytes_.size() || bytes_[at + 1] != '\n') builder_->AppendInexact("\n", at, at + 1);
    ++at;
  }
}

}  // namespace

absl::Status AppendHtml(std::string_view bytes, uint64_t begin, uint64_t end, TextBuilder* builder,
                        std::string* title) {
  return HtmlReader(bytes, builder, title).Read(begin, end);
}

absl::StatusOr<ParsedDocument> ParseHtml(std::string_view bytes) {
  TextBuilder builder(bytes);
  std::string title;
  if (absl::Status status = AppendHtml(bytes, ByteOrderMarkSize(bytes), bytes.size(), &builder, &title);
      !status.ok()) {
    return status;
  }
  ParsedDocument document = builder.Finish(std::move(title), std::string(ParserId(MediaType::kHtml)));
  for (const Block& block : document.blocks) {
    if (!document.title.empty()) break;
    if (block.kind == Block::Kind::kHeading) {
      document.title = document.text.substr(block.begin, block.end - block.begin);
    }
  }
  return document;
}

}  // namespace vouch
