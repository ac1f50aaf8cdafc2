#include "api/cli/line_reader.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace vouch {

absl::StatusOr<LineReader> LineReader::Open(const std::string& path) {
  LineReader reader;
  reader.name_ = path == "-" ? "standard input" : path;
  if (path == "-") {
    reader.file_.reset(stdin);
    return reader;
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is a folder, not a file of points"));
  }
  reader.file_.reset(std::fopen(path.c_str(), "rb"));
  if (reader.file_ != nullptr) return reader;
  const std::string message = absl::StrCat("cannot read '", path, "': ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
}

absl::StatusOr<bool> LineReader::Next(std::string* line) {
  while (true) {
    line->clear();
    ++line_number_;
    bool any = false;
    int byte = 0;
    while ((byte = getc_unlocked(file_.get())) != EOF && byte != '\n') {
      any = true;
      if (line->size() >= kMaxLineBytes) {
        return absl::InvalidArgumentError(
            absl::StrCat(Place(), ": the line has over ", kMaxLineBytes, " bytes"));
      }
      line->push_back(static_cast<char>(byte));
    }
    if (std::ferror(file_.get()) != 0) {
      return absl::UnavailableError(absl::StrCat(Place(), ": cannot read: ", std::strerror(errno)));
    }
    if (line->find_first_not_of(" \t\r") != std::string::npos) return true;
    if (byte == EOF) {
      if (!any) --line_number_;
      return false;
    }
  }
}

std::string LineReader::Place() const { return absl::StrCat(name_, ":", line_number_); }

}  // namespace vouch
