// The marks beside a store's manifest. The bytes are tried as they are and with a seal put on,
// since no mutation finds a checksum.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "storage/checksum.h"
#include "storage/manifest_mark.h"

namespace {

constexpr vouch::MarkKind kKinds[] = {vouch::MarkKind::kSynced, vouch::MarkKind::kClosed};

void Decode(vouch::MarkKind kind, std::string_view bytes) {
  const auto mark = vouch::DecodeManifestMark(kind, bytes);
  if (!mark.has_value()) return;
  const auto again = vouch::DecodeManifestMark(kind, vouch::EncodeManifestMark(kind, *mark));
  if (!again.has_value() || again->manifest != mark->manifest ||
      again->size_bytes != mark->size_bytes || again->hash != mark->hash) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const vouch::MarkKind kind : kKinds) {
    Decode(kind, bytes);
    std::string sealed = bytes;
    vouch::Seal(sealed, vouch::SealSeedOf(kind));
    Decode(kind, sealed);
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  for (const vouch::MarkKind kind : kKinds) {
    const std::string mark = vouch::EncodeManifestMark(
        kind, {.manifest = "MANIFEST-000005", .size_bytes = 7, .hash = std::string(32, 'a')});
    seeds.push_back(mark);
    seeds.push_back(mark.substr(0, mark.size() - vouch::kSealBytes));
  }
  return seeds;
}
