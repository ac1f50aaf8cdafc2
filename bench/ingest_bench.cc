// Ingestion of a folder into an embedded store with builtin/hash: three runs, each into a new store.
//   bench_ingest FOLDER [embedder spec]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "query/database.h"
#include "rag/chunk/chunker.h"
#include "rag/file_walker.h"
#include "rag/ingestor.h"
#include "rag/parse/parser.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

constexpr int kRuns = 3;

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

std::string FirstLineOf(const char* command) {
  std::string line;
  if (FILE* pipe = ::popen(command, "r")) {
    char buffer[256];
    if (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) line = buffer;
    ::pclose(pipe);
  }
  line.erase(line.find_last_not_of('\n') + 1);
  return line.empty() ? "unknown" : line;
}

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T Take(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status());
  return *std::move(value);
}

std::vector<Document> ReadAll(const std::string& folder) {
  std::vector<SourceFile> files;
  std::vector<SkippedSource> skipped;
  if (absl::Status status = WalkFiles(folder, &files, &skipped); !status.ok()) Die(status);
  std::vector<Document> documents;
  for (const SourceFile& file : files) {
    absl::StatusOr<std::string> bytes = ReadSource(file.path);
    if (!bytes.ok() || file.media_type == MediaType::kJsonLines) continue;
    Document document;
    document.id = document.uri = document.external_id = file.id;
    document.media_type = file.media_type;
    document.bytes = *std::move(bytes);
    documents.push_back(std::move(document));
  }
  return documents;
}

struct Times {
  double read = 0;       // walk and read the files
  double parse = 0;      // parse and cut alone, not part of `ingest`
  double ingest = 0;     // Add of all documents and Finish: parse, cut, embed, commit durably
  double index = 0;      // then, until the background has sealed and built everything
  double again = 0;      // a second run over the same documents
  IngestReport report;
};

IngestReport Ingest(Database& database, EmbedderRegistry& embedders, const std::string& embedder,
                    const std::vector<Document>& documents) {
  IngestOptions options;
  options.collection = "bench";
  options.embedder = embedder;
  auto ingestor = Take(Ingestor::Begin(database, embedders, options, CancelToken(), nullptr));
  for (const Document& document : documents) {
    if (absl::Status status = ingestor->Add(document); !status.ok()) Die(status);
  }
  return Take(ingestor->Finish());
}

Times RunOnce(const std::string& folder, const std::string& embedder) {
  Times times;
  auto start = std::chrono::steady_clock::now();
  const std::vector<Document> documents = ReadAll(folder);
  times.read = Seconds(start);
  start = std::chrono::steady_clock::now();
  for (const Document& document : documents) {
    const absl::StatusOr<ParsedDocument> parsed = ParseDocument(document);
    if (parsed.ok()) Chunker({}).Split(*parsed, document.media_type);
  }
  times.parse = Seconds(start);
  const TempDir dir;
  DatabaseOptions database_options;
  database_options.path = dir.path();
  auto database = Take(Database::Open(database_options));
  EmbedderRegistry embedders{ModelServerOptions()};
  start = std::chrono::steady_clock::now();
  times.report = Ingest(*database, embedders, embedder, documents);
  times.ingest = Seconds(start);
  start = std::chrono::steady_clock::now();
  auto collection = Take(database->GetCollection(Principal(), "bench"));
  if (absl::Status status = collection->WaitIdle(CancelToken()); !status.ok()) Die(status);
  times.index = Seconds(start);
  start = std::chrono::steady_clock::now();
  Ingest(*database, embedders, embedder, documents);
  times.again = Seconds(start);
  return times;
}

int Main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: bench_ingest FOLDER [embedder]\n");
    return 2;
  }
  const std::string embedder = argc > 2 ? argv[2] : "builtin/hash?dim=256";
  std::vector<Times> runs;
  for (int run = 0; run < kRuns; ++run) runs.push_back(RunOnce(argv[1], embedder));
  std::sort(runs.begin(), runs.end(), [](const Times& a, const Times& b) { return a.ingest < b.ingest; });
  const Times& median = runs[kRuns / 2];
  const IngestReport& report = median.report;
  std::printf("commit %s, %s, %s cores, %s, median of %d runs\n\n",
              FirstLineOf("git rev-parse --short HEAD 2>/dev/null").c_str(),
              FirstLineOf("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1").c_str(),
              FirstLineOf("nproc").c_str(), embedder.c_str(), kRuns);
  std::printf("| documents | chunks | MB | commits | chunks/s | MB/s |\n|---|---|---|---|---|---|\n");
  std::printf("| %lu | %lu | %.1f | %lu | %.0f | %.1f |\n\n", report.documents_added, report.chunks_added,
              report.bytes / 1e6, report.commits, report.chunks_added / median.ingest,
              report.bytes / 1e6 / median.ingest);
  std::printf("| phase | seconds |\n|---|---|\n");
  std::printf("| read the files | %.2f |\n| ingest, durable and searchable | %.2f |\n", median.read, median.ingest);
  std::printf("| of which parse and cut (measured alone) | %.2f |\n", median.parse);
  std::printf("| index build left after it | %.2f |\n| second run, nothing changed | %.2f |\n", median.index, median.again);
  std::printf("\nchunks/s of the runs: fastest %.0f, slowest %.0f; skipped %lu\n",
              report.chunks_added / runs.front().ingest, report.chunks_added / runs.back().ingest,
              report.skipped_count);
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) { return vouch::Main(argc, argv); }
