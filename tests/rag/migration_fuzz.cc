#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/migrate/collection_copy.h"
#include "rag/migrate/migration_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto progress = vouch::DecodeCopyProgress(input); progress.ok()) {
    const auto again = vouch::DecodeCopyProgress(vouch::EncodeCopyProgress(*progress));
    if (!again.ok() || *again != *progress) std::abort();
  }
  if (const auto records = vouch::DecodeMigrations(input); records.ok()) {
    const std::string json = vouch::EncodeMigrations(*records);
    const auto again = vouch::DecodeMigrations(json);
    if (!again.ok() || vouch::EncodeMigrations(*again) != json) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::MigrationRecord record;
  record.source = "docs";
  record.aliases = {"live"};
  return {vouch::EncodeMigrations({record}),
          vouch::EncodeCopyProgress({"docs", vouch::Version(3), 9})};
}
