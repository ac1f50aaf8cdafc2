#include "rag/parse/pdf.h"

#include <signal.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "rag/parse/child_process.h"
#include "rag/parse/pdf_layout.h"
#include "rag/parse/rendition_builder.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Boxes make some ten bytes of output of one of text.
constexpr uint64_t kMaxLayoutBytes = uint64_t{1} << 30;

// The program's own words, as far as they fit into a message.
std::string FirstWords(std::string_view errors) {
  constexpr size_t kMaxBytes = 200;
  return CleanText(errors.substr(0, std::min(errors.find('\n'), kMaxBytes)));
}

absl::Status Explain(const ChildEnd& end) {
  if (absl::StrContains(end.errors, "Out of memory") || absl::StrContains(end.errors, "bad_alloc") ||
      end.signal == SIGKILL) {
    return absl::ResourceExhaustedError("the PDF takes more memory than one document may");
  }
  if (end.signal == SIGXCPU) return absl::DeadlineExceededError("the PDF takes more processor time than one document may");
  if (end.signal != 0) {
    return absl::InternalError(Concat(kPdfProgram, " crashed on the PDF with signal ", end.signal));
  }
  if (absl::StrContains(end.errors, "Incorrect password") || absl::StrContains(end.errors, "encrypt")) {
    return absl::InvalidArgumentError("the PDF is encrypted, and opens by a password only");
  }
  const std::string why = end.errors.empty() ? "" : Concat(": ", FirstWords(end.errors));
  return absl::InvalidArgumentError(Concat("the PDF cannot be read", why));
}

}  // namespace

absl::StatusOr<ParsedDocument> ParsePdf(std::string_view bytes) {
  if (bytes.substr(0, 1024).find("%PDF-") == bytes.npos) {
    return absl::InvalidArgumentError("it is no PDF file: \"%PDF-\" does not stand at its beginning");
  }
  ChildOptions options;
  options.program = FindProgram(kPdfProgram);
  const absl::Status missing = absl::FailedPreconditionError(
      Concat("PDF files are read by the program ", kPdfProgram,
             ", which is not here: install it (on Debian: apt-get install poppler-utils)"));
  if (options.program.empty()) return missing;
  options.arguments = {"-bbox-layout", "-l", std::to_string(PdfLayout::kMaxPages + 1), "-", "-"};
  options.input = std::string(bytes);
  options.own_group = false;  // ends with the group that it is in
  options.time = std::chrono::hours(1);  // the parent's clock ends both
  options.output_bytes = kMaxLayoutBytes;
  PdfLayout layout;
  absl::StatusOr<ChildEnd> end =
      RunChild(options, CancelToken(), [&layout](std::string_view piece) { return layout.Add(piece); });
  if (absl::IsNotFound(end.status())) return missing;
  if (!end.ok()) return end.status();
  if (end->signal != 0 || end->exit_code != 0) return Explain(*end);
  return layout.Finish();
}

}  // namespace vouch
