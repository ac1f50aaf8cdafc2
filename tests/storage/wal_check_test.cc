// Torn tails and damage in logs of RocksDB's format, built byte by byte.
#include "storage/wal_check.h"

#include <rocksdb/env.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "storage/crc32c.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

void PutLittleEndian(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// Writes records as RocksDB's log::Writer does.
class LogBuilder {
 public:
  // A batch of `count` entries with `size` bytes of them.
  void Add(uint64_t sequence, uint32_t count, size_t size) {
    std::string record;
    PutLittleEndian(record, sequence, 8);
    PutLittleEndian(record, count, 4);
    record.append(size, 'x');
    AddRecord(record);
  }
  void AddRecord(std::string_view record) {
    starts_.push_back(log_.size());
    std::string_view rest = record;
    bool first = true;
    do {
      const size_t left = kLogBlockBytes - log_.size() % kLogBlockBytes;
      if (left < 7) {
        log_.append(left, '\0');
        if (first) starts_.back() = log_.size();
        continue;
      }
      const std::string_view piece = rest.substr(0, left - 7);
      rest.remove_prefix(piece.size());
      const bool last = rest.empty();
      std::string body(1, static_cast<char>(first ? (last ? 1 : 2) : (last ? 4 : 3)));
      body.append(piece);
      const uint32_t crc = ExtendCrc32c(0, body.data(), body.size());
      PutLittleEndian(log_, (crc >> 15 | crc << 17) + 0xA282EAD8, 4);
      PutLittleEndian(log_, piece.size(), 2);
      log_ += body;
      first = false;
    } while (!rest.empty() || first);
  }
  std::string& log() { return log_; }
  size_t start(size_t record) const { return starts_[record]; }

 private:
  std::string log_;
  std::vector<size_t> starts_;
};

LogScan Scan(std::string_view log) {
  size_t at = 0;
  return ScanLog([&]() -> std::string_view {
    const std::string_view block = log.substr(at, kLogBlockBytes);
    at += block.size();
    return block;
  });
}

LogBuilder ThreeRecords(size_t size) {
  LogBuilder builder;
  builder.Add(10, 3, size);
  builder.Add(13, 2, size);
  builder.Add(15, 1, size);
  return builder;
}

TEST(WalCheckTest, Crc32cOfTheStandard) {
  EXPECT_EQ(ExtendCrc32c(0, "123456789", 9), 0xE3069283u);
  EXPECT_EQ(ExtendCrc32c(ExtendCrc32c(0, "1234", 4), "56789", 5), 0xE3069283u);
  const std::string zeros(32, '\0');
  EXPECT_EQ(ExtendCrc32c(0, zeros.data(), zeros.size()), 0x8A9136AAu);  // RFC 3720, B.4
}

TEST(WalCheckTest, WholeLogsReadToTheEnd) {
  for (const size_t size : {0u, 100u, 32741u, 32742u, 40000u, 100000u}) {
    const LogScan scan = Scan(ThreeRecords(size).log());
    EXPECT_FALSE(scan.bad_offset.has_value()) << size;
    EXPECT_EQ(scan.first_sequence, 10u);
    EXPECT_EQ(scan.next_sequence, 16u);
  }
  EXPECT_FALSE(Scan("").first_sequence.has_value());
}

TEST(WalCheckTest, ALogCutInItsLastRecordIsTorn) {
  for (const size_t size : {100u, 40000u}) {
    LogBuilder builder = ThreeRecords(size);
    const std::string whole = builder.log();
    for (size_t cut = builder.start(2) + 1; cut < whole.size(); cut += 1 + size / 50) {
      const LogScan scan = Scan(std::string_view(whole).substr(0, cut));
      ASSERT_TRUE(scan.bad_offset.has_value()) << cut;
      EXPECT_FALSE(scan.record_after_bad) << cut;
      EXPECT_EQ(scan.next_sequence, 15u) << cut;
    }
  }
}

TEST(WalCheckTest, AnyFlippedBitBeforeTheLastRecordIsDamage) {
  LogBuilder builder = ThreeRecords(60);
  for (size_t byte = 0; byte < builder.start(2); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string log = builder.log();
      log[byte] = static_cast<char>(log[byte] ^ (1 << bit));
      const LogScan scan = Scan(log);
      ASSERT_TRUE(scan.bad_offset.has_value()) << byte;
      EXPECT_TRUE(scan.record_after_bad) << byte << " bit " << bit;
      EXPECT_LE(*scan.bad_offset, byte);
    }
  }
}

TEST(WalCheckTest, FlippedBitsInTheLastRecordLookTorn) {
  LogBuilder builder = ThreeRecords(60);
  for (size_t byte = builder.start(2); byte < builder.log().size(); ++byte) {
    std::string log = builder.log();
    log[byte] = static_cast<char>(log[byte] ^ 4);
    const LogScan scan = Scan(log);
    ASSERT_TRUE(scan.bad_offset.has_value());
    EXPECT_EQ(*scan.bad_offset, builder.start(2));
    EXPECT_FALSE(scan.record_after_bad) << byte;
  }
}

TEST(WalCheckTest, APageThatNeverCameIsTornInTheLastRecordAndDamageBefore) {
  LogBuilder builder = ThreeRecords(40000);
  for (const size_t record : {0u, 1u, 2u}) {
    std::string log = builder.log();
    for (size_t i = 0; i < 4096; ++i) log[builder.start(record) + 5000 + i] = '\0';
    const LogScan scan = Scan(log);
    ASSERT_TRUE(scan.bad_offset.has_value());
    EXPECT_EQ(scan.record_after_bad, record < 2) << record;
  }
}

// What CheckLogs says of a folder with these logs, numbered from 1, and a whole manifest, which
// keeps logs from `first_log` on.
absl::Status CheckFolder(const std::vector<std::string>& logs, uint8_t first_log = 0) {
  TempDir dir;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(dir.File(name), std::ios::binary) << bytes;
  };
  write("CURRENT", "MANIFEST-000100\n");
  LogBuilder manifest;
  manifest.AddRecord(std::string("\x01\x1aleveldb.BytewiseComparator"));
  // Log number, previous one, next file; the first log that is kept; last sequence.
  manifest.AddRecord(std::string("\x02\x05\x09\x00\x03\x65", 6) + "\x0a" +
                     static_cast<char>(first_log) + std::string("\x04\x80\x01", 3));
  write("MANIFEST-000100", manifest.log());
  int number = 0;
  for (const std::string& log : logs) write("00000" + std::to_string(++number) + ".log", log);
  return CheckLogs(*rocksdb::Env::Default(), dir.path());
}

std::string OneRecord(uint64_t sequence, size_t size) {
  LogBuilder builder;
  builder.Add(sequence, 2, size);
  return builder.log();
}

// The start after a power loss goes on with the number of the record that it dropped.
TEST(WalCheckTest, ATornLogMayBeFollowedByTheSameSequenceOnly) {
  const std::string whole = ThreeRecords(60).log();  // 10 to 15, the last at 15
  const std::string torn = whole.substr(0, whole.size() - 1);
  EXPECT_TRUE(CheckFolder({torn}).ok());
  EXPECT_TRUE(CheckFolder({torn, OneRecord(15, 5)}).ok());
  EXPECT_TRUE(CheckFolder({torn, "", OneRecord(15, 5)}).ok());
  EXPECT_EQ(CheckFolder({torn, OneRecord(16, 5)}).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(CheckFolder({whole, OneRecord(16, 5)}).ok());
}

// Twice the power went at a log's first record.
TEST(WalCheckTest, ALogTornAtItsFirstRecordMayBeFollowedByTheSameSequenceOnly) {
  const std::string record = OneRecord(20, 60);
  for (const size_t cut :
       {size_t{1}, size_t{6}, size_t{10}, size_t{15}, size_t{40}, record.size() - 1}) {
    const std::string torn = record.substr(0, cut);
    EXPECT_TRUE(CheckFolder({torn, OneRecord(20, 5)}).ok()) << cut;
    EXPECT_TRUE(CheckFolder({torn, torn, OneRecord(20, 5)}).ok()) << cut;
    EXPECT_EQ(CheckFolder({torn, OneRecord(22, 5)}).ok(), cut < 15)
        << cut;  // the number is cut off, too
    EXPECT_EQ(CheckFolder({OneRecord(18, 5), torn, OneRecord(22, 5)}).code(),
              absl::StatusCode::kDataLoss)
        << cut;
    EXPECT_TRUE(CheckFolder({OneRecord(18, 5), torn, OneRecord(20, 5)}).ok()) << cut;
  }
  EXPECT_TRUE(CheckFolder({std::string(record.size(), '\0'), OneRecord(20, 5)}).ok());
  for (size_t byte = 0; byte < record.size(); ++byte) {  // a record that was acknowledged
    std::string flipped = record;
    flipped[byte] = static_cast<char>(flipped[byte] ^ 4);
    EXPECT_EQ(CheckFolder({flipped, OneRecord(22, 5)}).code(), absl::StatusCode::kDataLoss) << byte;
  }
}

// One that only waits to be deleted was torn, and the one that went on with its number is deleted
// already.
TEST(WalCheckTest, LogsThatTheManifestNeedsNoMoreAreLeftAlone) {
  const std::string torn = OneRecord(20, 60).substr(0, 40);
  EXPECT_EQ(CheckFolder({torn, OneRecord(22, 5)}, 1).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(CheckFolder({torn, OneRecord(22, 5)}, 2).ok());
  EXPECT_EQ(CheckFolder({OneRecord(20, 60), torn, OneRecord(30, 5)}, 2).code(),
            absl::StatusCode::kDataLoss);
}

TEST(WalCheckTest, TheFirstLogThatIsKeptIsReadFromAnEdit) {
  using std::string_literals::operator""s;
  EXPECT_EQ(MinLogToKeep("\x0a\x80\x02"s), 256u);
  EXPECT_EQ(MinLogToKeep("\x01\x02zz\x02\x05\x09\x00\x03\x65\xcb\x01\x0b\x0a\x07\x04\x09"s), 7u);
  EXPECT_EQ(MinLogToKeep("\x81\x40\x03"
                         "abc"
                         "\x0a\x07"s),
            7u);                                             // a tag that may be skipped
  EXPECT_EQ(MinLogToKeep("\x02\x05\x67\x00\x0a\x07"s), 0u);  // a file comes first
  EXPECT_EQ(MinLogToKeep(""s), 0u);
  EXPECT_EQ(MinLogToKeep("\x01\x7fzz"s), 0u);
  EXPECT_EQ(MinLogToKeep(std::string(40, '\xff')), 0u);
}

}  // namespace
}  // namespace vouch
