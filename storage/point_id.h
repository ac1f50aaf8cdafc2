#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"

namespace vouch {

using Uuid = std::array<uint8_t, 16>;

// What a user calls a point: a u64, a UUID or a string of 1 to kMaxStringBytes bytes of UTF-8.
//
// Invariant: the text form is unambiguous in JSON: numbers are u64, strings in the canonical UUID form
// (8-4-4-4-12 hexadecimal digits) are UUIDs, all other strings are strings.
class PointId {
 public:
  static constexpr size_t kMaxStringBytes = 512;

  PointId() : value_(uint64_t{0}) {}
  explicit PointId(uint64_t number) : value_(number) {}
  explicit PointId(const Uuid& uuid) : value_(uuid) {}

  // A UUID where `text` has the form of one, otherwise a string.
  // INVALID_ARGUMENT: empty, longer than kMaxStringBytes, or not UTF-8.
  static absl::StatusOr<PointId> FromString(std::string_view text);

  // Decodes what Encode wrote. DATA_LOSS on anything else.
  static absl::StatusOr<PointId> Decode(std::string_view bytes);

  // One kind byte (1 u64, 2 UUID, 3 string), then big-endian u64, 16 bytes, or the string's bytes: ordered by
  // kind, then by value.
  std::string Encode() const;

  bool is_number() const { return value_.index() == 0; }
  uint64_t number() const { return std::get<0>(value_); }
  // For people: "42", "6fa459ea-ee8a-3ca4-894e-db77e160355e", "guide.md#3".
  std::string ToString() const;

  friend auto operator<=>(const PointId&, const PointId&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PointId& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  explicit PointId(std::string text) : value_(std::move(text)) {}

  std::variant<uint64_t, Uuid, std::string> value_;
};

}  // namespace vouch
