#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// What reads PDF files: poppler's, of Debian's package poppler-utils.
inline constexpr char kPdfProgram[] = "pdftotext";

// The text of a PDF by `pdftotext -bbox-layout`, as PdfLayout makes it, with the page and rectangle of every block. Runs
// the program in the process's own group and reads what it prints.
//
// FAILED_PRECONDITION: the program is missing. INVALID_ARGUMENT: damaged, encrypted, more than PdfLayout::kMaxPages pages,
// or no text on any page (scans). RESOURCE_EXHAUSTED, INTERNAL: the program took too much or crashed.
absl::StatusOr<ParsedDocument> ParsePdf(std::string_view bytes);

}  // namespace vouch
