#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vouch {

// Places of keys, the places of the least keys first: in parts that each hold all keys up to one
// that a sample suggests, and ascending by place within a part. Much cheaper than sorting. Reused
// from search to search.
class KeyOrder {
 public:
  // `keys` stay until the last Next.
  void Begin(std::span<const float> keys);
  // The next part, of about `count` places and at least one, valid until the one after; empty at
  // the end.
  std::span<const uint32_t> Next(size_t count);

 private:
  static constexpr size_t kSample = 64;

  std::span<const float> keys_;
  size_t given_ = 0;
  size_t sampled_ = 0;
  bool done_ = true;
  float above_ = 0;  // keys up to this one were given
  std::vector<float> sample_;
  std::vector<uint32_t> found_;
};

// The places of keys in (above, high], ascending; where `high` is infinite also those of keys that
// are no numbers, and where `above` is no number from the least key on. `out` has count + 16
// places. Variants for tests; the first is the scalar one.
using KeyRange = size_t (*)(const float* keys, size_t count, float above, float high,
                            uint32_t* out);
KeyRange BestKeyRange();
std::span<const KeyRange> AvailableKeyRanges();

}  // namespace vouch
