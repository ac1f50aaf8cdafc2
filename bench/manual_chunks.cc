#include "bench/manual_chunks.h"

#include <utility>

#include "rag/file_walker.h"
#include "rag/parse/parser.h"

namespace vouch {
namespace {

constexpr char kManual[] = "/usr/share/doc/postgresql-doc-15/html";

}  // namespace

std::vector<Chunk> ReadManualChunks() {
  std::vector<Chunk> chunks;
  std::vector<SourceFile> files;
  std::vector<SkippedSource> skipped;
  if (!WalkFiles(kManual, &files, &skipped).ok()) return chunks;
  for (const SourceFile& file : files) {
    absl::StatusOr<std::string> bytes = ReadSource(file.path);
    if (!bytes.ok()) continue;
    Document document;
    document.id = file.id;
    document.media_type = file.media_type;
    document.bytes = *std::move(bytes);
    const absl::StatusOr<ParsedDocument> parsed = ParseDocument(document);
    if (!parsed.ok()) continue;
    for (Chunk& chunk : Chunker({}).Split(*parsed, document.media_type)) {
      chunks.push_back(std::move(chunk));
    }
  }
  return chunks;
}

}  // namespace vouch
