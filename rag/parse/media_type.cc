#include "rag/document.h"

namespace vouch {

std::string_view MediaTypeName(MediaType type) {
  switch (type) {
    case MediaType::kText:
      return "text/plain";
    case MediaType::kMarkdown:
      return "text/markdown";
    case MediaType::kHtml:
      return "text/html";
    case MediaType::kJsonLines:
      return "application/jsonl";
    case MediaType::kPdf:
      return "application/pdf";
    case MediaType::kDocx:
      return "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    case MediaType::kCsv:
      return "text/csv";
    case MediaType::kEmail:
      return "message/rfc822";
  }
  return "";
}

bool FindMediaType(std::string_view name, MediaType* type) {
  for (const MediaType each : {MediaType::kText, MediaType::kMarkdown, MediaType::kHtml, MediaType::kJsonLines,
                               MediaType::kPdf, MediaType::kDocx, MediaType::kCsv, MediaType::kEmail}) {
    if (MediaTypeName(each) != name) continue;
    *type = each;
    return true;
  }
  return false;
}

}  // namespace vouch
