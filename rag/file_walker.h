#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// The files that are documents, by the ends of their names.
inline constexpr char kKnownEndings[] = ".txt .text .md .markdown .html .htm .xhtml .jsonl .ndjson .pdf .docx .csv .tsv .eml";

struct SourceFile {
  std::string path = {};  // to open it
  // "docs/guide/intro.md": the argument's last component and the path below it
  std::string id = {};
  MediaType media_type = MediaType::kText;
};

struct SkippedSource {
  std::string id = {};
  absl::Status reason = {};
};

// Files under a path (a file or a folder), ascending by id. Hidden files and folders are left out; symbolic links are
// followed once (a loop, or a folder seen before, is skipped with a reason); files of unknown kind are skipped with a
// reason that lists the kinds. NOT_FOUND: the path itself is not there.
absl::Status WalkFiles(const std::string& path, std::vector<SourceFile>* files, std::vector<SkippedSource>* skipped);

// The name under which a path's documents live: its last component ("docs"; for "." the working folder's name).
std::string ScopeOf(const std::string& path);

// Reads a file whole. ABORTED where size or modification time changed while it was read; PERMISSION_DENIED,
// RESOURCE_EXHAUSTED (larger than ParseLimits::kMaxDocumentBytes), naming the path. `while_reading` is for tests: it runs
// between the reading and the second look at the file.
absl::StatusOr<std::string> ReadSource(const std::string& path, const std::function<void()>& while_reading = nullptr);

}  // namespace vouch
