#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace vouch {

// The judged collections and trec_eval's own test data: $VOUCH_TEST_DATA, else ../shared/data from
// the project's root (where tests run). nullopt where there are none; say kNoTestData and skip.
inline constexpr const char* kNoTestData =
    "no test data: neither $VOUCH_TEST_DATA nor ../shared/data is a folder with this collection";

inline std::optional<std::string> FindTestData(const std::string& name) {
  const char* given = std::getenv("VOUCH_TEST_DATA");
  const std::filesystem::path path =
      std::filesystem::path(given != nullptr ? given : "../shared/data") / name;
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::nullopt;
  return path.string();
}

inline std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace vouch
