#include "api/cli/vector_file.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr char kNpyMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6;
// Written headers have this size, so that the count can be set at the end.
constexpr size_t kNpyHeaderBytes = 128;
constexpr size_t kMaxHeaderBytes = 1 << 16;

// IEEE 754 binary16.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half >> 15) << 31;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 1023;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

// What stands after 'key': in the header's dictionary.
std::optional<std::string> ValueOf(const std::string& header, const std::string& key) {
  size_t at = header.find("'" + key + "'");
  if (at == std::string::npos) return std::nullopt;
  at = header.find(':', at);
  if (at == std::string::npos) return std::nullopt;
  at = header.find_first_not_of(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  const char* const ends = header[at] == '(' ? ")" : ",}";
  const size_t end = header.find_first_of(ends, at);
  if (end == std::string::npos) return std::nullopt;
  std::string value = header.substr(at, end - at);
  while (!value.empty() && value.back() == ' ') value.pop_back();
  return value;
}

}  // namespace

absl::Status VectorFileReader::Bad(const std::string& what) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ": ", what));
}

absl::StatusOr<VectorFileReader> VectorFileReader::Open(const std::string& path, VectorFormat format) {
  VectorFileReader reader;
  reader.path_ = path;
  reader.format_ = format;
  reader.file_.reset(std::fopen(path.c_str(), "rb"));
  if (reader.file_ == nullptr) {
    const std::string message = absl::StrCat("cannot read '", path, "': ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  if (format == VectorFormat::kNpy) {
    if (absl::Status status = reader.ReadNpyHeader(); !status.ok()) return status;
  }
  return reader;
}

absl::Status VectorFileReader::ReadNpyHeader() {
  unsigned char start[12] = {};
  if (std::fread(start, 1, 8, file_.get()) != 8 ||
      std::memcmp(start, kNpyMagic, kMagicBytes) != 0) {
    return Bad("it is no .npy file: it does not start with \\x93NUMPY");
  }
  const int major = start[6];
  if (major < 1 || major > 3) {
    return Bad(absl::StrCat("its .npy version is ", major, "; 1 to 3 are known"));
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  size_t length = 0;
  if (std::fread(start, 1, length_bytes, file_.get()) != length_bytes) {
    return Bad("it ends inside its header");
  }
  for (size_t i = length_bytes; i > 0; --i) length = length << 8 | start[i - 1];
  if (length > kMaxHeaderBytes) {
    return Bad(absl::StrCat("its header has ", length, " bytes; at most ", kMaxHeaderBytes,
                            " are taken"));
  }
  std::string header(length, '\0');
  if (std::fread(header.data(), 1, length, file_.get()) != length) {
    return Bad("it ends inside its header");
  }
  return ParseNpyHeader(header);
}

absl::Status VectorFileReader::ParseNpyHeader(const std::string& header) {
  const std::optional<std::string> type = ValueOf(header, "descr");
  const std::optional<std::string> order = ValueOf(header, "fortran_order");
  const std::optional<std::string> shape = ValueOf(header, "shape");
  if (!type || !order || !shape) {
    return Bad("its header does not say descr, fortran_order and shape");
  }
  if (*type == "'<f4'") {
    item_bytes_ = 4;
  } else if (*type == "'<f8'") {
    item_bytes_ = 8;
  } else if (*type == "'<f2'") {
    item_bytes_ = 2;
  } else {
    return Bad(absl::StrCat("its elements are ", *type,
                            "; '<f4', '<f8' and '<f2' are taken (array.astype('<f4'))"));
  }
  if (*order != "False") {
    return Bad("it is in Fortran order; write it by numpy.ascontiguousarray(array)");
  }
  const size_t comma = shape->find(',');
  uint64_t dim = 0;
  if (comma == std::string::npos || !absl::SimpleAtoi(shape->substr(1, comma - 1), &count_) ||
      !absl::SimpleAtoi(shape->substr(comma + 1), &dim)) {
    return Bad(absl::StrCat("its shape is ", *shape, "); it takes (vectors, dimensions)"));
  }
  if (dim < 1 || dim > kMaxDim) {
    return Bad(absl::StrCat("its vectors have ", dim, " dimensions; 1 to ", kMaxDim, " are taken"));
  }
  dim_ = static_cast<uint32_t>(dim);
  return absl::OkStatus();
}

absl::StatusOr<bool> VectorFileReader::Next(std::vector<float>* vector) {
  const auto place = [this] { return absl::StrCat("vector ", read_ + 1, ": "); };
  if (format_ == VectorFormat::kFvecs) {
    int32_t dim = 0;
    const size_t got = std::fread(&dim, 1, sizeof(dim), file_.get());
    if (got == 0 && std::feof(file_.get()) != 0) return false;
    if (got != sizeof(dim)) return Bad(place() + "the file ends inside it");
    if (dim < 1 || static_cast<uint32_t>(dim) > kMaxDim) {
      return Bad(absl::StrCat(place(), "it has ", dim, " dimensions; 1 to ", kMaxDim,
                              " are taken (is it an .fvecs file?)"));
    }
    if (dim_ != 0 && static_cast<uint32_t>(dim) != dim_) {
      return Bad(absl::StrCat(place(), "it has ", dim, " dimensions, those before it ", dim_));
    }
    dim_ = static_cast<uint32_t>(dim);
  } else if (read_ == count_) {
    if (std::fgetc(file_.get()) == EOF) return false;
    return Bad(absl::StrCat("there are bytes after the ", count_, " vectors of its shape"));
  }
  vector->resize(dim_);
  std::vector<char> bytes(size_t{dim_} * item_bytes_);
  if (std::fread(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    return Bad(place() + "the file ends inside it");
  }
  for (uint32_t i = 0; i < dim_; ++i) {
    const char* item = bytes.data() + size_t{i} * item_bytes_;
    if (item_bytes_ == 4) {
      std::memcpy(&(*vector)[i], item, 4);
    } else if (item_bytes_ == 8) {
      double wide = 0;
      std::memcpy(&wide, item, 8);
      (*vector)[i] = static_cast<float>(wide);
    } else {
      uint16_t half = 0;
      std::memcpy(&half, item, 2);
      (*vector)[i] = HalfToFloat(half);
    }
  }
  ++read_;
  return true;
}

absl::StatusOr<std::unique_ptr<VectorWriter>> VectorWriter::Create(const std::string& path,
                                                                   VectorFormat format,
                                                                   uint32_t dim) {
  std::unique_ptr<VectorWriter> writer(new VectorWriter());
  writer->path_ = path;
  writer->format_ = format;
  writer->dim_ = dim;
  writer->file_.reset(std::fopen((path + ".part").c_str(), "wb"));
  if (writer->file_ == nullptr) return writer->Failed();
  if (format == VectorFormat::kNpy) {
    if (absl::Status status = writer->WriteNpyHeader(); !status.ok()) return status;
  }
  return writer;
}

VectorWriter::~VectorWriter() {
  if (file_ == nullptr) return;
  file_.reset();
  std::remove((path_ + ".part").c_str());
}

absl::Status VectorWriter::Failed() const {
  return absl::UnavailableError(absl::StrCat("cannot write '", path_, "': ", std::strerror(errno)));
}

absl::Status VectorWriter::WriteNpyHeader() {
  std::string header(kNpyMagic, kMagicBytes);
  header.append({'\x01', '\x00', static_cast<char>(kNpyHeaderBytes - 10), '\x00'});
  absl::StrAppend(&header, "{'descr': '<f4', 'fortran_order': False, 'shape': (", count_, ", ",
                  dim_, "), }");
  header.resize(kNpyHeaderBytes - 1, ' ');
  header += '\n';
  if (std::fwrite(header.data(), 1, header.size(), file_.get()) != header.size()) return Failed();
  return absl::OkStatus();
}

absl::Status VectorWriter::Write(const std::vector<float>& vector) {
  if (vector.size() != dim_) {
    return absl::InternalError(absl::StrCat("a vector of ", vector.size(), " dimensions, not ", dim_));
  }
  const auto dim = static_cast<int32_t>(dim_);
  if (format_ == VectorFormat::kFvecs &&
      std::fwrite(&dim, sizeof(dim), 1, file_.get()) != 1) {
    return Failed();
  }
  if (std::fwrite(vector.data(), sizeof(float), dim_, file_.get()) != dim_) return Failed();
  ++count_;
  return absl::OkStatus();
}

absl::Status VectorWriter::Finish() {
  if (format_ == VectorFormat::kNpy) {
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0) return Failed();
    if (absl::Status status = WriteNpyHeader(); !status.ok()) return status;
  }
  const std::string part = path_ + ".part";
  if (std::fflush(file_.get()) != 0 || std::rename(part.c_str(), path_.c_str()) != 0) {
    return Failed();
  }
  file_.reset();
  return absl::OkStatus();
}

}  // namespace vouch
