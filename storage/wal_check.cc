#include "storage/wal_check.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "storage/concat.h"
#include "storage/crc32c.h"
#include "storage/manifest_mark.h"
#include "storage/rocks.h"

namespace vouch {

namespace {

constexpr size_t kHeaderBytes = 7;
constexpr uint32_t kMaskDelta = 0xA282EAD8;
constexpr size_t kSequenceBytes = 8;
constexpr size_t kBatchHeadBytes =
    kSequenceBytes + 4;  // a batch's sequence and count, little-endian
// Of a manifest's record: what comes before the files that it lists.
constexpr size_t kRecordHeadBytes = 256;

enum class Kind : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

struct Fragment {
  Kind kind;
  std::string_view bytes;
};

// The fragment at the start of `rest`, where one reads.
std::optional<Fragment> ReadFragment(std::string_view rest) {
  if (rest.size() < kHeaderBytes) return std::nullopt;
  const size_t size = LittleEndian(rest.substr(4, 2));
  const uint8_t kind = static_cast<uint8_t>(rest[6]);
  if (kind < static_cast<uint8_t>(Kind::kFull) || kind > static_cast<uint8_t>(Kind::kLast)) {
    return std::nullopt;
  }
  if (size > rest.size() - kHeaderBytes) return std::nullopt;
  const uint32_t masked = static_cast<uint32_t>(LittleEndian(rest.substr(0, 4)));
  const uint32_t crc = ExtendCrc32c(0, rest.data() + 6, size + 1);
  if (((crc >> 15 | crc << 17) + kMaskDelta) != masked) return std::nullopt;
  return Fragment{static_cast<Kind>(kind), rest.substr(kHeaderBytes, size)};
}

bool StartsRecord(Kind kind) { return kind == Kind::kFull || kind == Kind::kFirst; }

// Puts fragments together to records, as far as needed: their starts and the heads of their
// batches.
class LogScanner {
 public:
  explicit LogScanner(const RecordVisitor& visit) : visit_(visit) {}

  // False once nothing more needs to be read.
  bool AddBlock(std::string_view block, uint64_t offset) {
    size_t at = 0;
    while (block.size() - at >= kHeaderBytes) {
      const std::optional<Fragment> fragment = ReadFragment(block.substr(at));
      if (!scan_.bad_offset.has_value()) {
        if (!fragment.has_value() || !Fits(fragment->kind)) MarkBad(offset + at, block.substr(at));
      }
      if (scan_.bad_offset.has_value()) {
        if (fragment.has_value() && StartsRecord(fragment->kind)) {
          scan_.record_after_bad = true;
          return false;
        }
        // Where the lengths cannot be believed, a record may start at any byte.
        at += fragment.has_value() ? kHeaderBytes + fragment->bytes.size() : 1;
        continue;
      }
      AddFragment(*fragment, offset + at);
      at += kHeaderBytes + fragment->bytes.size();
    }
    // Less than a header: padding at the end of a block, a torn header at the end of the file.
    if (block.size() < kLogBlockBytes && at < block.size()) MarkBad(offset + at, "");
    return true;
  }

  LogScan Finish() {
    if (in_record_) MarkBad(record_offset_, "");
    return scan_;
  }

 private:
  bool Fits(Kind kind) const { return StartsRecord(kind) != in_record_; }

  // `rest` starts with the fragment that does not read, where there is one.
  void MarkBad(uint64_t offset, std::string_view rest) {
    if (scan_.bad_offset.has_value()) return;
    scan_.bad_offset = offset;
    std::string_view head = head_;
    if (!in_record_) head = rest.substr(std::min(rest.size(), kHeaderBytes));
    if (head.size() >= kSequenceBytes) {
      const uint64_t sequence = LittleEndian(head.substr(0, kSequenceBytes));
      if (sequence != 0) scan_.bad_sequence = sequence;
    }
    in_record_ = false;
  }

  void AddFragment(const Fragment& fragment, uint64_t offset) {
    if (StartsRecord(fragment.kind)) {
      head_.clear();
      record_offset_ = offset;
    }
    head_.append(fragment.bytes.substr(0, kRecordHeadBytes - head_.size()));
    in_record_ = fragment.kind == Kind::kFirst || fragment.kind == Kind::kMiddle;
    if (in_record_) return;
    if (visit_) visit_(head_);
    if (head_.size() < kBatchHeadBytes) return;
    const uint64_t sequence = LittleEndian(std::string_view(head_).substr(0, kSequenceBytes));
    if (!scan_.first_sequence.has_value()) scan_.first_sequence = sequence;
    scan_.next_sequence =
        sequence + LittleEndian(std::string_view(head_).substr(kSequenceBytes, 4));
  }

  const RecordVisitor& visit_;
  LogScan scan_;
  bool in_record_ = false;
  uint64_t record_offset_ = 0;
  std::string head_;
};

absl::StatusOr<LogScan> ScanFile(rocksdb::Env& env, const std::string& path,
                                 const RecordVisitor& visit = nullptr) {
  std::unique_ptr<rocksdb::SequentialFile> file;
  if (auto s = env.NewSequentialFile(path, &file, rocksdb::EnvOptions()); !s.ok()) {
    return FromRocks(s, Concat("cannot open ", path));
  }
  std::string buffer(kLogBlockBytes, '\0');
  absl::Status status;
  const LogScan scan = ScanLog(
      [&]() -> std::string_view {
        size_t filled = 0;
        while (filled < kLogBlockBytes) {
          rocksdb::Slice piece;
          const auto s = file->Read(kLogBlockBytes - filled, &piece, buffer.data() + filled);
          if (!s.ok()) status = FromRocks(s, Concat("cannot read ", path));
          if (!s.ok() || piece.empty()) break;
          if (piece.data() != buffer.data() + filled) {
            std::copy(piece.data(), piece.data() + piece.size(), buffer.data() + filled);
          }
          filled += piece.size();
        }
        return std::string_view(buffer).substr(0, filled);
      },
      visit);
  if (!status.ok()) return status;
  return scan;
}

// A base-128 number at the start of `rest`, which it then leaves behind; nullopt where none reads.
std::optional<uint64_t> TakeVarint(std::string_view& rest) {
  uint64_t value = 0;
  for (size_t i = 0; i < rest.size() && i < 10; ++i) {
    const uint8_t byte = static_cast<uint8_t>(rest[i]);
    value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      rest.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

absl::Status Damaged(const std::string& path, uint64_t offset) {
  return absl::DataLossError(Concat(path, " is damaged at byte ", offset,
                                    ": a record there does not read, and more follow it"));
}

// Gives the number below which the manifest says that no log is needed any more.
absl::StatusOr<uint64_t> CheckManifest(rocksdb::Env& env, const std::string& path) {
  std::string current;
  if (auto s = rocksdb::ReadFileToString(&env, path + "/CURRENT", &current); !s.ok()) {
    return FromRocks(s, Concat("cannot read ", path, "/CURRENT"));
  }
  absl::string_view name = current;
  if (!absl::ConsumeSuffix(&name, "\n") || !absl::StartsWith(name, "MANIFEST-") ||
      name.find('/') != absl::string_view::npos) {
    return absl::DataLossError(Concat(path, "/CURRENT is damaged: it names no manifest"));
  }
  const std::string manifest = Concat(path, "/", name);
  if (env.FileExists(manifest).IsNotFound()) {
    return absl::DataLossError(Concat(path, "/CURRENT names ", name, ", which is missing"));
  }
  const std::string_view manifest_name(name.data(), name.size());
  if (auto s = CheckManifestMarks(env, path, manifest_name); !s.ok()) return s;
  uint64_t first_log = 0;
  absl::StatusOr<LogScan> scan = ScanFile(env, manifest, [&](std::string_view head) {
    first_log = std::max(first_log, MinLogToKeep(head));
  });
  if (!scan.ok()) return scan.status();
  if (scan->record_after_bad) return Damaged(manifest, *scan->bad_offset);
  return first_log;
}

}  // namespace

uint64_t MinLogToKeep(std::string_view edit) {
  // The tags of VersionEdit::EncodeTo that come before the one looked for, in no fixed order here.
  enum Tag : uint64_t {
    kComparator = 1,
    kLogNumber = 2,
    kNextFile = 3,
    kLastSequence = 4,
    kPrevLog = 9,
    kMinLog = 10,
    kMaxFamily = 203,
    kMayBeSkipped = 1 << 13
  };
  while (const std::optional<uint64_t> tag = TakeVarint(edit)) {
    const bool has_bytes = *tag == kComparator || (*tag & kMayBeSkipped) != 0;
    const bool known = has_bytes || *tag == kLogNumber || *tag == kNextFile ||
                       *tag == kLastSequence || *tag == kPrevLog || *tag == kMinLog ||
                       *tag == kMaxFamily;
    if (!known) return 0;
    const std::optional<uint64_t> value = TakeVarint(edit);
    if (!value.has_value() || (has_bytes && *value > edit.size())) return 0;
    if (*tag == kMinLog) return *value;
    if (has_bytes) edit.remove_prefix(*value);
  }
  return 0;
}

LogScan ScanLog(const std::function<std::string_view()>& read_block, const RecordVisitor& visit) {
  LogScanner scanner(visit);
  uint64_t offset = 0;
  while (true) {
    const std::string_view block = read_block();
    if (block.empty() || !scanner.AddBlock(block, offset)) break;
    offset += block.size();
    if (block.size() < kLogBlockBytes) break;
  }
  return scanner.Finish();
}

absl::Status CheckLogs(rocksdb::Env& env, const std::string& path) {
  const absl::StatusOr<uint64_t> first_log = CheckManifest(env, path);
  if (!first_log.ok()) return first_log.status();
  std::vector<std::string> names;
  if (auto s = env.GetChildren(path, &names); !s.ok()) {
    return FromRocks(s, Concat("cannot list ", path));
  }
  std::vector<std::pair<uint64_t, std::string>> logs;
  for (const std::string& name : names) {
    absl::string_view number_text = name;
    uint64_t number = 0;
    if (absl::ConsumeSuffix(&number_text, ".log") && absl::SimpleAtoi(number_text, &number) &&
        number >= *first_log) {
      logs.emplace_back(number, Concat(path, "/", name));
    }
  }
  std::sort(logs.begin(), logs.end());
  // A torn tail in a log that is not the last: an earlier start dropped it, and went on with the
  // sequence number that the torn record would have had. Any other number says that acknowledged
  // records were lost. Which number that is says the log before the torn record; where it begins
  // with it, the log before; and where there is none, the record itself.
  std::optional<uint64_t> next_sequence;  // after all logs so far
  bool torn = false;
  uint64_t torn_sequence = 0;  // 0: nothing says it
  std::string torn_log;
  uint64_t torn_offset = 0;
  for (const auto& [number, log] : logs) {
    absl::StatusOr<LogScan> scan = ScanFile(env, log);
    if (!scan.ok()) return scan.status();
    if (scan->first_sequence.has_value()) {
      if (torn && torn_sequence != 0 && torn_sequence != *scan->first_sequence) {
        return Damaged(torn_log, torn_offset);
      }
      torn = false;
      next_sequence = scan->next_sequence;
    }
    if (!scan->bad_offset.has_value()) continue;
    if (scan->record_after_bad) return Damaged(log, *scan->bad_offset);
    if (torn) continue;
    torn = true;
    torn_sequence = next_sequence.value_or(scan->bad_sequence.value_or(0));
    torn_log = log;
    torn_offset = *scan->bad_offset;
  }
  return absl::OkStatus();
}

}  // namespace vouch
