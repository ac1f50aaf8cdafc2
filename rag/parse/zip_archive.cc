#include "rag/parse/zip_archive.h"

#include <zip.h>

#include "storage/concat.h"

namespace vouch {
namespace {

std::string MessageOf(zip_error_t* error) {
  std::string message = zip_error_strerror(error);
  zip_error_fini(error);
  return message;
}

class LibzipArchive final : public ZipArchive {
 public:
  explicit LibzipArchive(zip_t* archive) : archive_(archive) {}
  ~LibzipArchive() override { zip_discard(archive_); }

  absl::StatusOr<std::string> Read(const std::string& name, size_t max_bytes) const override {
    const zip_int64_t index = zip_name_locate(archive_, name.c_str(), 0);
    if (index < 0) return absl::NotFoundError(Concat("the archive has no part ", name));
    zip_file_t* const file = zip_fopen_index(archive_, static_cast<zip_uint64_t>(index), 0);
    if (file == nullptr) {
      return absl::InvalidArgumentError(
          Concat("part ", name, " cannot be unpacked: ", zip_error_strerror(zip_get_error(archive_))));
    }
    std::string bytes;
    char buffer[1 << 16];
    zip_int64_t count = 0;
    while ((count = zip_fread(file, buffer, sizeof(buffer))) > 0 && bytes.size() <= max_bytes) {
      bytes.append(buffer, static_cast<size_t>(count));
    }
    const std::string damage = count < 0 ? zip_file_strerror(file) : "";
    zip_fclose(file);
    if (bytes.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          Concat("part ", name, " unpacks to more than ", max_bytes, " bytes, the limit"));
    }
    if (count < 0) return absl::InvalidArgumentError(Concat("part ", name, " is damaged: ", damage));
    return bytes;
  }

 private:
  zip_t* const archive_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ZipArchive>> ZipArchive::Open(std::string_view bytes, size_t max_entries) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source = zip_source_buffer_create(bytes.data(), bytes.size(), /*freep=*/0, &error);
  if (source == nullptr) return absl::InternalError(MessageOf(&error));
  zip_t* const archive = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive == nullptr) {
    zip_source_free(source);
    return absl::InvalidArgumentError(Concat("it is no ZIP archive, or a damaged one: ", MessageOf(&error)));
  }
  zip_error_fini(&error);
  auto opened = std::make_unique<LibzipArchive>(archive);
  const zip_int64_t entries = zip_get_num_entries(archive, 0);
  if (entries < 0 || static_cast<size_t>(entries) > max_entries) {
    return absl::InvalidArgumentError(Concat("the archive has ", entries, " entries; the limit is ", max_entries));
  }
  return std::unique_ptr<ZipArchive>(std::move(opened));
}

}  // namespace vouch
