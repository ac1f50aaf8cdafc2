#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "vouch/v1/manifest.pb.h"

namespace vouch {

// One document of a YAML file, and where it begins.
struct ManifestItem {
  v1::Manifest manifest = {};
  std::string place = {};  // "pipelines/support.yaml:12"
};

// At most so many files below a folder.
inline constexpr size_t kMaxManifestFiles = 1'000;

// The documents of a file, or of all *.yaml and *.yml below a folder, in the order of their paths.
// INVALID_ARGUMENT names the file, the line and the column. NOT_FOUND: no such path, or nothing in it.
absl::StatusOr<std::vector<ManifestItem>> ReadManifests(const std::string& path);
// Of one file's text: documents stand between lines that begin with "---".
absl::StatusOr<std::vector<ManifestItem>> ParseManifests(const std::string& file_name,
                                                         const std::string& text);

}  // namespace vouch
