#include "api/cli/manifest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/cli/message_yaml.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;

// Whether there is anything but comments and white space.
bool HasContent(const std::string& text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(line);
    if (!stripped.empty() && stripped.front() != '#') return true;
  }
  return false;
}

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return std::vector<std::string>{path};
  if (!fs::is_directory(path, error))
    return absl::NotFoundError(absl::StrCat("there is no file or folder '", path, "'"));
  std::vector<std::string> files;
  for (auto entry = fs::recursive_directory_iterator(path, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const std::string extension = entry->path().extension();
    if (!entry->is_regular_file(error) || (extension != ".yaml" && extension != ".yml")) continue;
    files.push_back(entry->path().string());
    if (files.size() > kMaxManifestFiles) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", path, "' has over ", kMaxManifestFiles, " YAML files"));
    }
  }
  if (error)
    return absl::NotFoundError(absl::StrCat("'", path, "' cannot be read: ", error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status ParseDocument(const std::string& file_name, const std::string& text, int first_line,
                           std::vector<ManifestItem>* items) {
  if (!HasContent(text)) return absl::OkStatus();
  ManifestItem item;
  item.place = absl::StrCat(file_name, ":", first_line);
  MessageFile file{.name = file_name, .nodes = {}};
  // Empty lines before it, so that its lines are those of the file.
  absl::Status status =
      ReadMessage(std::string(static_cast<size_t>(first_line - 1), '\n') + text, &item.manifest, &file);
  if (!status.ok()) return status;
  if (item.manifest.item_case() == v1::Manifest::ITEM_NOT_SET) {
    return absl::InvalidArgumentError(
        absl::StrCat(item.place, ": a document takes one of collection, pipeline, alias, gate, slo, hook, "
                     "experiment, drift, route, budget, dataset"));
  }
  items->push_back(std::move(item));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ManifestItem>> ParseManifests(const std::string& file_name,
                                                         const std::string& text) {
  std::vector<ManifestItem> items;
  std::string document;
  int first_line = 1;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    if (!absl::StartsWith(line, "---")) {
      absl::StrAppend(&document, line, "\n");
      continue;
    }
    if (absl::Status status = ParseDocument(file_name, document, first_line, &items); !status.ok())
      return status;
    document.clear();
    first_line = line_number + 1;
  }
  if (absl::Status status = ParseDocument(file_name, document, first_line, &items); !status.ok())
    return status;
  return items;
}

absl::StatusOr<std::vector<ManifestItem>> ReadManifests(const std::string& path) {
  absl::StatusOr<std::vector<std::string>> files = FilesOf(path);
  if (!files.ok()) return files.status();
  std::vector<ManifestItem> all;
  for (const std::string& file : *files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return absl::NotFoundError(absl::StrCat("'", file, "' cannot be read"));
    std::string text(MessageFile::kMaxBytes + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(in.gcount()));
    if (text.size() > MessageFile::kMaxBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, " has over ", MessageFile::kMaxBytes, " bytes"));
    }
    absl::StatusOr<std::vector<ManifestItem>> items = ParseManifests(file, text);
    if (!items.ok()) return items.status();
    all.insert(all.end(), std::make_move_iterator(items->begin()),
               std::make_move_iterator(items->end()));
  }
  if (all.empty()) return absl::NotFoundError(absl::StrCat("'", path, "' holds nothing to apply"));
  return all;
}

}  // namespace vouch
