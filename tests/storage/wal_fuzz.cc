// The scan of RocksDB's logs, over any bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/wal_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view log(reinterpret_cast<const char*>(data), size);
  size_t at = 0;
  const vouch::LogScan scan = vouch::ScanLog([&]() -> std::string_view {
    const std::string_view block = log.substr(at, vouch::kLogBlockBytes);
    at += block.size();
    return block;
  });
  (void)vouch::MinLogToKeep(log);
  if (scan.record_after_bad && !scan.bad_offset.has_value()) __builtin_trap();
  if (scan.bad_offset.has_value() && *scan.bad_offset > size) __builtin_trap();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  // A full record of one byte, "a".
  const std::string record("\x11\x9b\x20\xce\x01\x00\x01" "a", 8);
  return {record, record + record, std::string(7, '\0'), record + std::string(20, '\0')};
}
