#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// Files of dense vectors alone, as other tools read and write them, one vector at a time:
//   .npy    NumPy's format, versions 1 to 3: an array of shape (vectors, dimensions) of little-endian
//           f2, f4 or f8 in C order; written as f4
//           (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)
//   .fvecs  each vector its dimension as a little-endian i32, then its floats
//           (http://corpus-texmex.irisa.fr)
enum class VectorFormat : uint8_t { kNpy, kFvecs };

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

class VectorFileReader {
 public:
  static constexpr uint32_t kMaxDim = 1 << 16;

  // INVALID_ARGUMENT says what of the file is not understood, and where. NOT_FOUND.
  static absl::StatusOr<VectorFileReader> Open(const std::string& path, VectorFormat format);

  // False at the end. Errors name the file and the vector, from 1 on.
  absl::StatusOr<bool> Next(std::vector<float>* vector);
  uint64_t read() const { return read_; }

 private:
  absl::Status ReadNpyHeader();
  absl::Status ParseNpyHeader(const std::string& header);
  absl::Status Bad(const std::string& what) const;

  std::string path_;
  VectorFormat format_ = VectorFormat::kNpy;
  std::unique_ptr<std::FILE, CloseFile> file_;
  uint32_t dim_ = 0;         // 0: not yet known
  uint32_t item_bytes_ = 4;  // of an .npy
  uint64_t count_ = 0;       // of an .npy
  uint64_t read_ = 0;
};

// Writes beside the path and takes its place in Finish; otherwise nothing is left.
class VectorWriter {
 public:
  static absl::StatusOr<std::unique_ptr<VectorWriter>> Create(const std::string& path,
                                                              VectorFormat format, uint32_t dim);
  ~VectorWriter();

  absl::Status Write(const std::vector<float>& vector);  // of `dim` floats
  absl::Status Finish();

 private:
  VectorWriter() = default;
  absl::Status WriteNpyHeader();
  absl::Status Failed() const;

  std::string path_;
  VectorFormat format_ = VectorFormat::kNpy;
  uint32_t dim_ = 0;
  uint64_t count_ = 0;
  std::unique_ptr<std::FILE, CloseFile> file_;
};

}  // namespace vouch
