#include "index/index_directory.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "index/segment_format.h"

namespace vouch {
namespace {

constexpr std::string_view kSuffix = ".segment";
constexpr std::string_view kListName = "segments.list";
constexpr size_t kDigits = 20;
constexpr uint64_t kMaxListBytes = uint64_t{64} << 20;

struct FileName {
  std::string name;
  RowRange rows;
  uint64_t build = 0;
};

std::string MakeName(RowRange rows, uint64_t build) {
  return absl::StrFormat("%020u-%020u-%020u.segment", rows.begin.value, rows.end.value, build);
}

// False where the name is none that MakeName gives.
bool ParseName(const std::string& name, FileName& parsed) {
  uint64_t numbers[3] = {};
  if (name.size() != 3 * kDigits + 2 + kSuffix.size()) return false;
  for (size_t i = 0; i < 3; ++i) {
    const char* begin = name.data() + i * (kDigits + 1);
    const auto [end, error] = std::from_chars(begin, begin + kDigits, numbers[i]);
    if (error != std::errc() || end != begin + kDigits) return false;
  }
  parsed = {name, {RowId(numbers[0]), RowId(numbers[1])}, numbers[2]};
  return numbers[0] < numbers[1] && MakeName(parsed.rows, parsed.build) == name;
}

// Larger ranges first, of equal ones the newest.
bool BetterFile(const FileName& a, const FileName& b) {
  if (a.rows.size() != b.rows.size()) return a.rows.size() > b.rows.size();
  if (a.rows.begin != b.rows.begin) return a.rows.begin < b.rows.begin;
  return a.build > b.build;
}

bool Overlaps(const std::vector<SegmentPtr>& segments, RowRange rows) {
  return std::any_of(segments.begin(), segments.end(), [&](const SegmentPtr& segment) {
    return segment->rows.begin < rows.end && rows.begin < segment->rows.end;
  });
}

std::string Checksum(std::string_view text) {
  return absl::StrFormat("%016x", XXH3_64bits(text.data(), text.size()));
}

}  // namespace

// What is used where it lies and vector by vector stays in the file; the rest is read.
absl::StatusOr<SegmentBytes> IndexDirectory::ReadBytes(const IndexSchema& schema, const std::string& name,
                                                       RowRange rows) {
  const std::string path = PathOf(name);
  const absl::StatusOr<uint64_t> size = filesystem_.FileSize(path);
  if (!size.ok()) return size.status();
  std::string head(std::min<uint64_t>(*size, segment_format::kMaxHeaderBytes), '\0');
  if (absl::Status status = filesystem_.ReadFile(path, head.data(), head.size()); !status.ok()) return status;
  absl::StatusOr<uint64_t> read_bytes = FindVectors(schema, head, *size);
  if (!read_bytes.ok()) return read_bytes.status();
  SegmentBytes bytes;
  if (*read_bytes < *size) {
    absl::StatusOr<std::shared_ptr<const MappedFile>> mapped =
        filesystem_.MapFile(path, *read_bytes, *size - *read_bytes);
    if (mapped.ok()) {
      bytes.vectors = *std::move(mapped);
      bytes.truth = std::make_shared<SegmentTruth>(truth_, rows, name);
    } else {
      read_bytes = *size;  // a filesystem that maps no files, or too many mappings: vectors in memory serve as well
    }
  }
  bytes.read = std::make_shared<AlignedBuffer>(*read_bytes);
  if (bytes.read->size() != *read_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for index file '", path, "': ", *read_bytes, " bytes"));
  }
  if (absl::Status status = filesystem_.ReadFile(path, bytes.read->data(), *read_bytes); !status.ok()) return status;
  return bytes;
}

absl::StatusOr<SegmentPtr> IndexDirectory::LoadFile(const IndexSchema& schema, const std::string& name,
                                                    RowRange rows) {
  absl::StatusOr<SegmentBytes> bytes = ReadBytes(schema, name, rows);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<Segment> segment = DecodeSegment(schema, *std::move(bytes));
  if (!segment.ok()) return segment.status();
  if (segment->rows != rows) return absl::DataLossError(absl::StrCat("'", PathOf(name), "' holds other rows than it says"));
  segment->file_name = name;
  return std::make_shared<const Segment>(*std::move(segment));
}

std::vector<std::string> IndexDirectory::ReadList() {
  const std::string path = PathOf(std::string(kListName));
  const absl::StatusOr<uint64_t> size = filesystem_.FileSize(path);
  if (!size.ok() || *size > kMaxListBytes) return {};
  std::string text(*size, '\0');
  if (!filesystem_.ReadFile(path, text.data(), text.size()).ok()) return {};
  // The first line is the checksum of what follows; a damaged list tells nothing.
  const size_t line = text.find('\n');
  if (line == std::string::npos || text.substr(0, line) != Checksum(std::string_view(text).substr(line + 1))) return {};
  return absl::StrSplit(text.substr(line + 1), '\n', absl::SkipEmpty());
}

absl::StatusOr<IndexDirectory::Loaded> IndexDirectory::Load(const IndexSchema& schema, uint64_t rows) {
  if (absl::Status status = filesystem_.CreateDirectories(directory_); !status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> names = filesystem_.ListDirectory(directory_);
  if (!names.ok()) return names.status();
  std::vector<FileName> files;
  absl::flat_hash_set<std::string> present;
  uint64_t last_build = 0;
  for (const std::string& name : *names) {
    FileName file;
    if (!ParseName(name, file)) continue;
    present.insert(name);
    last_build = std::max(last_build, file.build);
    files.push_back(std::move(file));
  }
  Loaded loaded;
  for (const std::string& name : ReadList()) loaded.damaged += present.contains(name) ? 0 : 1;
  std::sort(files.begin(), files.end(), BetterFile);
  // Left over from a merge, damaged, or of rows that the store does not have: a cache that helps nobody.
  std::vector<std::string> useless;
  for (const FileName& file : files) {
    if (file.rows.end.value <= rows && !Overlaps(loaded.segments, file.rows)) {
      absl::StatusOr<SegmentPtr> segment = LoadFile(schema, file.name, file.rows);
      if (segment.ok()) {
        loaded.segments.push_back(*std::move(segment));
        continue;
      }
      ++loaded.damaged;
    }
    useless.push_back(file.name);
  }
  std::sort(loaded.segments.begin(), loaded.segments.end(),
            [](const SegmentPtr& a, const SegmentPtr& b) { return a->rows.begin < b->rows.begin; });
  // The list goes first, as in Publish: a process that ended between a merge's file and its list left a list that names
  // what is removed here, and the next start would count it as missing. Where it cannot be written that is so, and nothing
  // worse; a file that cannot be removed now is looked at again at the next start.
  if (!useless.empty() || loaded.damaged > 0) WriteList(loaded.segments).IgnoreError();
  for (const std::string& name : useless) filesystem_.RemoveFile(PathOf(name)).IgnoreError();
  std::lock_guard lock(mu_);
  next_build_ = last_build + 1;
  return loaded;
}

absl::Status IndexDirectory::Save(const IndexSchema& schema, Segment& segment) {
  uint64_t build = 0;
  {
    std::lock_guard lock(mu_);
    build = next_build_++;
  }
  const EncodedSegment encoded = EncodeSegment(schema, segment);
  segment.build_id = encoded.build_id;
  const std::string name = MakeName(segment.rows, build);
  if (absl::Status status = filesystem_.ReplaceFile(PathOf(name), encoded.pieces); !status.ok()) return status;
  segment.file_name = name;
  segment.file_bytes = encoded.size_bytes;
  if (encoded.vectors_begin == encoded.size_bytes) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const MappedFile>> mapped =
      filesystem_.MapFile(PathOf(name), encoded.vectors_begin, encoded.size_bytes - encoded.vectors_begin);
  if (!mapped.ok()) return absl::OkStatus();
  TakeVectorsFromFile(encoded, *std::move(mapped), std::make_shared<SegmentTruth>(truth_, segment.rows, name), segment);
  return absl::OkStatus();
}

absl::Status IndexDirectory::WriteList(const std::vector<SegmentPtr>& segments) {
  std::string body;
  for (const SegmentPtr& segment : segments) {
    if (!segment->file_name.empty()) absl::StrAppend(&body, segment->file_name, "\n");
  }
  const std::string head = Checksum(body) + "\n";
  return filesystem_.ReplaceFile(PathOf(std::string(kListName)), {head, body});
}

absl::Status IndexDirectory::Publish(const std::vector<SegmentPtr>& segments, const std::vector<SegmentPtr>& replaced) {
  absl::flat_hash_set<std::string> kept;
  for (const SegmentPtr& segment : segments) kept.insert(segment->file_name);
  std::lock_guard lock(mu_);
  if (absl::Status status = WriteList(segments); !status.ok()) return status;
  for (const SegmentPtr& segment : replaced) {
    if (segment->file_name.empty() || kept.contains(segment->file_name)) continue;
    if (absl::Status status = filesystem_.RemoveFile(PathOf(segment->file_name)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void IndexDirectory::Discard(const Segment& segment) {
  if (!segment.file_name.empty()) filesystem_.RemoveFile(PathOf(segment.file_name)).IgnoreError();
}

}  // namespace vouch
