// Parsing of PDF and HTML alone, on one thread: pages a second.
//   bench_parse HTML_FOLDER
// PDF: documents of 200 pages of 3,000 letters, made here, each parsed in a child process as ingestion does. HTML: the
// folder's pages, each file one, in this process.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/file_walker.h"
#include "rag/parse/parser.h"
#include "rag/parse/parser_child.h"
#include "tests/support/pdf_writer.h"

namespace vouch {
namespace {

constexpr int kRuns = 3;
constexpr int kPages = 200;
constexpr int kLines = 50;

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

std::string MakePdf() {
  std::vector<std::vector<PdfText>> pages;
  for (int page = 0; page < kPages; ++page) {
    std::vector<PdfText> lines;
    for (int line = 0; line < kLines; ++line) {
      lines.push_back({.y = 760 - 14 * line,
                       .text = std::string("Line ").append(std::to_string(line)).append(
                           " of the page says what the pump does when it is on.")});
    }
    pages.push_back(std::move(lines));
  }
  return WritePdf(pages);
}

int Run(const std::string& folder) {
  Document pdf;
  pdf.media_type = MediaType::kPdf;
  pdf.bytes = MakePdf();
  std::vector<Document> html;
  std::vector<SourceFile> files;
  std::vector<SkippedSource> skipped;
  if (!WalkFiles(folder, &files, &skipped).ok()) return 1;
  uint64_t bytes = 0;
  for (const SourceFile& file : files) {
    absl::StatusOr<std::string> read = ReadSource(file.path);
    if (!read.ok() || file.media_type != MediaType::kHtml) continue;
    bytes += read->size();
    html.emplace_back();
    html.back().media_type = MediaType::kHtml;
    html.back().bytes = *std::move(read);
  }
  std::printf("PDF: %d pages, %zu bytes; HTML: %zu pages, %llu bytes\n", kPages, pdf.bytes.size(), html.size(),
              static_cast<unsigned long long>(bytes));
  for (int run = 0; run < kRuns; ++run) {
    auto start = std::chrono::steady_clock::now();
    const absl::StatusOr<ParsedDocument> parsed = ParseDocument(pdf);
    const double pdf_seconds = Seconds(start);
    if (!parsed.ok()) {
      std::fprintf(stderr, "%s\n", parsed.status().ToString().c_str());
      return 1;
    }
    start = std::chrono::steady_clock::now();
    size_t good = 0;
    for (const Document& page : html) good += ParseDocument(page).ok() ? 1 : 0;
    const double html_seconds = Seconds(start);
    std::printf("run %d: PDF %.0f pages/s, HTML %.0f pages/s (%zu of %zu parsed)\n", run + 1, kPages / pdf_seconds,
                static_cast<double>(html.size()) / html_seconds, good, html.size());
  }
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (const auto exit_code = vouch::RunParserChild(argc, argv)) return *exit_code;
  if (argc != 2) {
    std::fprintf(stderr, "bench_parse HTML_FOLDER\n");
    return 2;
  }
  return vouch::Run(argv[1]);
}
