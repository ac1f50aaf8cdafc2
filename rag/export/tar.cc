#include "rag/export/tar.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <utility>

#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kEndBlocks = 2;
constexpr size_t kMaxProblems = 100;

// Places of a header's fields.
constexpr size_t kModeAt = 100;
constexpr size_t kUidAt = 108;
constexpr size_t kGidAt = 116;
constexpr size_t kSizeAt = 124;
constexpr size_t kTimeAt = 136;
constexpr size_t kSumAt = 148;
constexpr size_t kTypeAt = 156;
constexpr size_t kMagicAt = 257;
constexpr size_t kMajorAt = 329;
constexpr size_t kMinorAt = 337;

void Set(std::string* header, size_t at, std::string_view text) {
  std::copy(text.begin(), text.end(), header->begin() + static_cast<std::ptrdiff_t>(at));
}

std::string HeaderOf(std::string_view path, uint64_t size) {
  std::string header(kBlock, '\0');
  Set(&header, 0, path);
  Set(&header, kModeAt, "0000644");
  Set(&header, kUidAt, "0000000");
  Set(&header, kGidAt, "0000000");
  char digits[16] = "";
  std::snprintf(digits, sizeof(digits), "%011llo", static_cast<unsigned long long>(size));
  Set(&header, kSizeAt, digits);
  Set(&header, kTimeAt, "00000000000");
  Set(&header, kSumAt, "        ");
  Set(&header, kTypeAt, "0");
  Set(&header, kMagicAt, std::string_view("ustar\00000", 8));
  Set(&header, kMajorAt, "0000000");
  Set(&header, kMinorAt, "0000000");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(digits, sizeof(digits), "%06o", sum);
  Set(&header, kSumAt, std::string_view(digits, 7));  // with the zero after it, then the space that is there
  return header;
}

size_t PaddingOf(size_t size) { return (kBlock - size % kBlock) % kBlock; }

// The size that a header names; more than any archive has where it is none.
uint64_t SizeOf(std::string_view header) {
  uint64_t size = 0;
  for (const char c : header.substr(kSizeAt, 11)) {
    if (c < '0' || c > '7') return UINT64_MAX;
    size = size << 3 | static_cast<uint64_t>(c - '0');
  }
  return size;
}

// The first byte in which two texts of one size differ.
size_t FirstDifference(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
}

class TarReader {
 public:
  explicit TarReader(std::string_view archive) : archive_(archive) {}

  TarContent Read() {
    while (at_ < archive_.size()) {
      if (archive_.size() - at_ < kBlock) {
        Problem("the archive is cut in the middle of a block");
        break;
      }
      const std::string_view header = archive_.substr(at_, kBlock);
      if (IsZero(header)) {
        TakeEnd();
        return std::move(content_);
      }
      if (!TakeFile(header)) break;
    }
    if (content_.problems.empty()) Problem("the archive has no end: it was cut");
    return std::move(content_);
  }

 private:
  static bool IsZero(std::string_view bytes) {
    return bytes.find_first_not_of('\0') == std::string_view::npos;
  }

  void Problem(std::string what) {
    if (content_.problems.size() < kMaxProblems)
      content_.problems.push_back(Concat("byte ", at_, ": ", what));
  }

  bool TakeFile(std::string_view header) {
    const std::string_view name = header.substr(0, TarWriter::kMaxPathBytes);
    const std::string path(name.substr(0, name.find('\0')));
    const uint64_t size = SizeOf(header);
    if (size > archive_.size() - at_ - kBlock) {
      Problem(Concat("the header of ", Escape(path), " names a size that is not there; what follows cannot be read"));
      return false;
    }
    if (const std::string expected = HeaderOf(path, size); header != expected) {
      const size_t where = FirstDifference(header, expected);
      at_ += where;
      Problem(Concat("the header of ", Escape(path), " was changed"));
      at_ -= where;
    }
    content_.files.push_back({.path = path, .bytes = archive_.substr(at_ + kBlock, size)});
    at_ += kBlock + size;
    const std::string_view padding = archive_.substr(at_, PaddingOf(size));
    if (!IsZero(padding)) {
      const size_t where = padding.find_first_not_of('\0');
      at_ += where;
      Problem(Concat("the padding after ", Escape(path), " was changed"));
      at_ -= where;
    }
    at_ += padding.size();
    return true;
  }

  void TakeEnd() {
    const std::string_view rest = archive_.substr(at_);
    if (rest.size() == kEndBlocks * kBlock && IsZero(rest)) return;
    Problem("the archive's end was changed, or something was put after it");
  }

  const std::string_view archive_;
  size_t at_ = 0;
  TarContent content_;
};

}  // namespace

absl::Status TarWriter::Put(std::string_view bytes) {
  bytes_ += bytes.size();
  return bytes.empty() ? absl::OkStatus() : sink_(bytes);
}

absl::Status TarWriter::Add(std::string_view path, std::string_view bytes) {
  if (path.empty() || path.size() > kMaxPathBytes || bytes.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(Concat("the archive cannot hold ", Escape(path), " of ", bytes.size(),
                                             " bytes: names have 1 to ", kMaxPathBytes, " bytes, files at most ",
                                             kMaxFileBytes));
  }
  if (absl::Status status = Put(HeaderOf(path, bytes.size())); !status.ok()) return status;
  if (absl::Status status = Put(bytes); !status.ok()) return status;
  return Put(std::string(PaddingOf(bytes.size()), '\0'));
}

absl::Status TarWriter::Finish() { return Put(std::string(kEndBlocks * kBlock, '\0')); }

TarContent ReadTar(std::string_view archive) { return TarReader(archive).Read(); }

}  // namespace vouch
