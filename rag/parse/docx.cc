#include "rag/parse/docx.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <pugixml.hpp>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "rag/parse/parser.h"
#include "rag/parse/rendition_builder.h"
#include "rag/parse/zip_archive.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Without the prefix, which a document may choose as it likes.
std::string_view LocalName(const char* name) {
  const char* const colon = std::strchr(name, ':');
  return colon == nullptr ? name : colon + 1;
}

bool Is(const pugi::xml_node& node, std::string_view name) { return LocalName(node.name()) == name; }

pugi::xml_node Child(const pugi::xml_node& node, std::string_view name) {
  for (const pugi::xml_node& child : node.children()) {
    if (Is(child, name)) return child;
  }
  return {};
}

std::string_view Value(const pugi::xml_node& node) {
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    if (LocalName(attribute.name()) == "val") return attribute.value();
  }
  return "";
}

absl::Status LoadXml(const std::string& name, std::string_view bytes, pugi::xml_document* document) {
  // Entities could multiply, and Word writes none: they come with a DOCTYPE.
  if (bytes.find("<!DOCTYPE") != bytes.npos || bytes.find("<!ENTITY") != bytes.npos) {
    return absl::InvalidArgumentError(Concat("part ", name, " declares a DOCTYPE or entities, which is not taken"));
  }
  const pugi::xml_parse_result result =
      document->load_buffer(bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  if (result.status == pugi::status_out_of_memory) {
    return absl::ResourceExhaustedError(Concat("the XML of part ", name, " takes more memory than one document may"));
  }
  if (!result) {
    return absl::InvalidArgumentError(
        Concat("part ", name, " is not XML: ", result.description(), " at byte ", result.offset));
  }
  return absl::OkStatus();
}

// 1 … 6 by the name or id of a built-in style, "heading 2", "Title"; 0: none.
int LevelOfName(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(std::string(name));
  if (lower == "title") return 1;
  std::string_view rest = lower;
  if (!rest.starts_with("heading")) return 0;
  rest.remove_prefix(7);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  int level = 0;
  if (!absl::SimpleAtoi(ToAbsl(rest), &level) || level < 1 || level > 9) return 0;
  return std::min(level, 6);
}

// 1 … 6 from <w:outlineLvl w:val="0…8">; 0: none, or body text.
int LevelOfOutline(const pugi::xml_node& properties) {
  int level = 0;
  const pugi::xml_node outline = Child(properties, "outlineLvl");
  if (!outline || !absl::SimpleAtoi(ToAbsl(Value(outline)), &level) || level < 0 || level > 8) return 0;
  return std::min(level + 1, 6);
}

struct Style {
  int level = 0;
  bool list = false;
};

class BodyReader {
 public:
  BodyReader(absl::flat_hash_map<std::string, Style> styles, RenditionBuilder* builder)
      : styles_(std::move(styles)), builder_(*builder) {}

  absl::Status Read(const pugi::xml_node& node, int depth) {
    if (depth > DocxLimits::kMaxDepth) {
      return absl::InvalidArgumentError(
          Concat("the document is nested deeper than ", DocxLimits::kMaxDepth, " elements"));
    }
    for (const pugi::xml_node& child : node.children()) {
      if (absl::Status status = ReadOne(child, depth); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadOne(const pugi::xml_node& node, int depth) {
    const std::string_view name = LocalName(node.name());
    if (name == "p") return ReadParagraph(node, depth);
    if (name == "tbl") return ReadTable(node, depth);
    if (name == "t") return Text(node);
    if (name == "tab") return Space();
    if (name == "br" || name == "cr") return LineBreak();
    if (name == "noBreakHyphen") return Add("-");
    // Deleted and moved text, properties, fields' instructions, and what is drawn.
    for (const std::string_view skipped : {"del", "moveFrom", "delText", "instrText", "pPr", "rPr", "sectPr", "tblPr",
                                           "tblGrid", "trPr", "tcPr", "Fallback", "pict", "object"}) {
      if (name == skipped) return absl::OkStatus();
    }
    return Read(node, depth + 1);
  }

  absl::Status Text(const pugi::xml_node& node) {
    for (const pugi::xml_node& text : node.children()) builder_.AppendText(text.value());
    return absl::OkStatus();
  }
  absl::Status Space() { return Add(" "); }
  absl::Status Add(std::string_view text) {
    builder_.AppendText(text);
    return absl::OkStatus();
  }
  absl::Status LineBreak() {
    if (row_depth_ > 0) return Space();
    builder_.AppendLineBreak();
    return absl::OkStatus();
  }

  absl::Status ReadParagraph(const pugi::xml_node& node, int depth) {
    // In a table's cell paragraphs are words apart.
    if (row_depth_ > 0) {
      builder_.AppendText(" ");
      return Read(node, depth + 1);
    }
    const pugi::xml_node properties = Child(node, "pPr");
    const auto found = styles_.find(std::string(Value(Child(properties, "pStyle"))));
    const Style style = found == styles_.end() ? Style{} : found->second;
    const int own_level = LevelOfOutline(properties);
    const int level = own_level > 0 ? own_level : style.level;
    if (level > 0) {
      builder_.BeginBlock(Block::Kind::kHeading, level);
    } else if (style.list || Child(properties, "numPr")) {
      builder_.BeginBlock(Block::Kind::kListItem);
    } else {
      builder_.BeginBlock(Block::Kind::kParagraph);
    }
    absl::Status status = Read(node, depth + 1);
    // A text box inside a paragraph has blocks of its own.
    builder_.EndBlock();
    return status;
  }

  // A table inside a cell becomes words of that cell.
  absl::Status ReadTable(const pugi::xml_node& table, int depth) {
    if (depth > DocxLimits::kMaxDepth) return Read(table, depth);
    for (const pugi::xml_node& row : table.children()) {
      if (!Is(row, "tr")) continue;
      if (row_depth_ == 0) {
        const bool header = static_cast<bool>(Child(Child(row, "trPr"), "tblHeader"));
        builder_.BeginBlock(Block::Kind::kTable, header ? 1 : 0);
      }
      ++row_depth_;
      bool first = true;
      absl::Status status;
      for (const pugi::xml_node& cell : row.children()) {
        // A content control may stand around a cell.
        const pugi::xml_node& inner = Is(cell, "sdt") ? Child(Child(cell, "sdtContent"), "tc") : cell;
        if (!Is(inner, "tc")) continue;
        if (row_depth_ == 1) {
          builder_.BeginCell(first);
        } else {
          builder_.AppendText(" ");
        }
        first = false;
        status = Read(inner, depth + 2);
        if (!status.ok()) break;
      }
      --row_depth_;
      if (row_depth_ == 0) builder_.EndBlock();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const absl::flat_hash_map<std::string, Style> styles_;
  RenditionBuilder& builder_;
  int row_depth_ = 0;
};

absl::StatusOr<absl::flat_hash_map<std::string, Style>> ReadStyles(const ZipArchive& archive) {
  absl::flat_hash_map<std::string, Style> styles;
  const std::string name = "word/styles.xml";
  absl::StatusOr<std::string> bytes = archive.Read(name, DocxLimits::kMaxPartBytes);
  if (absl::IsNotFound(bytes.status())) return styles;
  if (!bytes.ok()) return bytes.status();
  pugi::xml_document document;
  if (absl::Status status = LoadXml(name, *bytes, &document); !status.ok()) return status;
  for (const pugi::xml_node& style : document.document_element().children()) {
    if (!Is(style, "style")) continue;
    std::string id;
    for (const pugi::xml_attribute& attribute : style.attributes()) {
      if (LocalName(attribute.name()) == "styleId") id = attribute.value();
    }
    const pugi::xml_node properties = Child(style, "pPr");
    Style known{.level = LevelOfName(Value(Child(style, "name"))),
                .list = static_cast<bool>(Child(properties, "numPr"))};
    if (known.level == 0) known.level = LevelOfOutline(properties);
    if (known.level > 0 || known.list) styles[id] = known;
  }
  return styles;
}

// <dc:title> of the core properties; empty where there is none.
std::string ReadTitle(const ZipArchive& archive) {
  const std::string name = "docProps/core.xml";
  constexpr size_t kMaxBytes = size_t{1} << 20;
  constexpr size_t kMaxTitleBytes = 500;
  absl::StatusOr<std::string> bytes = archive.Read(name, kMaxBytes);
  pugi::xml_document document;
  if (!bytes.ok() || !LoadXml(name, *bytes, &document).ok()) return "";
  RenditionBuilder title;
  title.AppendText(Child(document.document_element(), "title").child_value());
  std::string text = title.Finish("", "").text;
  return text.size() > kMaxTitleBytes ? "" : text;
}

}  // namespace

absl::StatusOr<ParsedDocument> ParseDocx(std::string_view bytes) {
  // An encrypted Word document is a compound file with the archive in it.
  if (bytes.starts_with("\xD0\xCF\x11\xE0")) {
    return absl::InvalidArgumentError("it is a document of Word 97, or one that opens by a password only; DOCX is read");
  }
  absl::StatusOr<std::unique_ptr<ZipArchive>> archive = ZipArchive::Open(bytes, DocxLimits::kMaxEntries);
  if (!archive.ok()) return archive.status();
  const std::string name = "word/document.xml";
  absl::StatusOr<std::string> main = (*archive)->Read(name, DocxLimits::kMaxPartBytes);
  if (absl::IsNotFound(main.status())) {
    return absl::InvalidArgumentError(Concat("it is an archive, but no Word document: it has no ", name));
  }
  if (!main.ok()) return main.status();
  auto styles = ReadStyles(**archive);
  if (!styles.ok()) return styles.status();
  pugi::xml_document document;
  if (absl::Status status = LoadXml(name, *main, &document); !status.ok()) return status;
  RenditionBuilder builder;
  BodyReader reader(*std::move(styles), &builder);
  if (absl::Status status = reader.Read(document.document_element(), 0); !status.ok()) return status;
  ParsedDocument parsed = builder.Finish(ReadTitle(**archive), ParserId(MediaType::kDocx));
  for (const Block& block : parsed.blocks) {
    if (!parsed.title.empty()) break;
    if (block.kind == Block::Kind::kHeading) parsed.title = parsed.text.substr(block.begin, block.end - block.begin);
  }
  return parsed;
}

}  // namespace vouch
