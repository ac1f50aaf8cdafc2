#include "rag/parse/parser.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rag/parse/csv.h"
#include "rag/parse/html.h"
#include "rag/parse/json_lines.h"
#include "rag/parse/markdown.h"
#include "rag/parse/parser_child.h"
#include "rag/parse/plain_text.h"
#include "rag/parse/utf8.h"

namespace vouch {

std::optional<MediaType> MediaTypeOf(std::string_view file_name) {
  file_name.remove_prefix(file_name.rfind('/') + 1);  // npos + 1 is 0
  const size_t dot = file_name.rfind('.');
  if (dot == file_name.npos) {
    // Files that projects keep beside their folders, by custom without an ending.
    for (const std::string_view name : {"AUTHORS", "CHANGELOG", "CHANGES", "CONTRIBUTING", "COPYING", "INSTALL", "LICENSE",
                                        "NEWS", "NOTICE", "README", "TODO"}) {
      if (file_name == name) return MediaType::kText;
    }
    return std::nullopt;
  }
  const std::string ending = absl::AsciiStrToLower(std::string(file_name.substr(dot)));
  if (ending == ".txt" || ending == ".text" || ending == ".rst") return MediaType::kText;
  if (ending == ".md" || ending == ".markdown") return MediaType::kMarkdown;
  if (ending == ".html" || ending == ".htm" || ending == ".xhtml") return MediaType::kHtml;
  if (ending == ".jsonl" || ending == ".ndjson") return MediaType::kJsonLines;
  if (ending == ".pdf") return MediaType::kPdf;
  if (ending == ".docx") return MediaType::kDocx;
  if (ending == ".csv" || ending == ".tsv") return MediaType::kCsv;
  if (ending == ".eml") return MediaType::kEmail;
  return std::nullopt;
}

std::string_view ParserId(MediaType type) {
  switch (type) {
    case MediaType::kText:
      return "text/2";
    case MediaType::kMarkdown:
      return "markdown/2";
    case MediaType::kHtml:
      return "html/2";
    case MediaType::kJsonLines:
      return "jsonl/2";
    case MediaType::kPdf:
      return "pdf/1";
    case MediaType::kDocx:
      return "docx/1";
    case MediaType::kCsv:
      return "csv/1";
    case MediaType::kEmail:
      return "email/1";
  }
  return "";
}

absl::StatusOr<ParsedDocument> ParseDocument(const Document& document, const CancelToken& cancel) {
  if (document.bytes.size() > ParseLimits::kMaxDocumentBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the document has ", document.bytes.size(),
                                                   " bytes; the limit is ",
                                                   ParseLimits::kMaxDocumentBytes));
  }
  if (IsParsedInChild(document.media_type)) {
    return ParseInChild(document.media_type, document.bytes, ParserChildLimits(), cancel);
  }
  if (absl::Status status = CheckText(document.bytes); !status.ok()) return status;
  switch (document.media_type) {
    case MediaType::kText:
      return ParsePlainText(document.bytes);
    case MediaType::kMarkdown:
      return ParseMarkdown(document.bytes);
    case MediaType::kHtml:
      return ParseHtml(document.bytes);
    case MediaType::kJsonLines:
      return ParseJsonRecord(document.bytes);
    case MediaType::kCsv:
      return ParseCsv(document.bytes);
    case MediaType::kPdf:
    case MediaType::kDocx:
    case MediaType::kEmail:
      break;
  }
  return absl::InvalidArgumentError("unknown media type");
}

}  // namespace vouch
