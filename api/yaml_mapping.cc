#include "api/yaml_mapping.h"

#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"

namespace vouch {
namespace {

constexpr size_t kMaxKeyBytes = 8'192;

}  // namespace

absl::StatusOr<std::string> ReadWhole(const std::string& path, size_t max_bytes,
                                      const std::string& what) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat(what, " '", path, "' cannot be read"));
  std::string text(max_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", path, "' has more than ", max_bytes, " bytes"));
  }
  return text;
}

absl::StatusOr<std::string> ApiKey(const std::string& variable, const std::string& file,
                                   const Environment& environment) {
  if (!file.empty()) {
    absl::StatusOr<std::string> key = ReadWhole(file, kMaxKeyBytes, "the file of an API key");
    if (!key.ok()) return key.status();
    return std::string(absl::StripAsciiWhitespace(*key));
  }
  if (variable.empty()) return std::string();
  std::optional<std::string> key = environment(variable);
  if (!key.has_value() || key->empty()) {
    return absl::NotFoundError(absl::StrCat("the environment variable ", variable,
                                            ", which shall hold an API key, is not set"));
  }
  return *std::move(key);
}

}  // namespace vouch
