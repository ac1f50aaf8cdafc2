#include "storage/point_id.h"

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {

namespace {

constexpr uint8_t kNumberKind = 1;
constexpr uint8_t kUuidKind = 2;
constexpr uint8_t kStringKind = 3;
constexpr size_t kUuidTextBytes = 36;

bool IsUuidDash(size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 9562, section 4; any version and variant.
bool ParseUuid(std::string_view text, Uuid& uuid) {
  if (text.size() != kUuidTextBytes) return false;
  size_t nibble = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsUuidDash(i)) {
      if (text[i] != '-') return false;
      continue;
    }
    const int value = HexValue(text[i]);
    if (value < 0) return false;
    uint8_t& byte = uuid[nibble / 2];
    byte = static_cast<uint8_t>(nibble % 2 == 0 ? value << 4 : byte | value);
    ++nibble;
  }
  return true;
}

std::string UuidToString(const Uuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(kUuidTextBytes);
  for (const uint8_t byte : uuid) {
    if (IsUuidDash(text.size())) text.push_back('-');
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace

absl::StatusOr<PointId> PointId::FromString(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("a point id is empty");
  if (text.size() > kMaxStringBytes) {
    return absl::InvalidArgumentError(Concat("the point id \"",
                                                   Escape(text, 40), "\" has ",
                                                   text.size(), " bytes; the limit is ",
                                                   kMaxStringBytes));
  }
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError(
        Concat("the point id \"", Escape(text), "\" is not UTF-8"));
  }
  Uuid uuid;
  if (ParseUuid(text, uuid)) return PointId(uuid);
  return PointId(std::string(text));
}

absl::StatusOr<PointId> PointId::Decode(std::string_view bytes) {
  Decoder decoder(bytes);
  const uint8_t kind = decoder.Byte();
  if (kind == kNumberKind) {
    const uint64_t number = decoder.Be64();
    if (decoder.Done()) return PointId(number);
  } else if (kind == kUuidKind) {
    const std::string_view raw = decoder.Bytes(sizeof(Uuid));
    if (decoder.Done()) {
      Uuid uuid;
      std::copy(raw.begin(), raw.end(), reinterpret_cast<char*>(uuid.data()));
      return PointId(uuid);
    }
  } else if (kind == kStringKind) {
    // A string in the form of a UUID is never written as a string: one id, one encoding.
    absl::StatusOr<PointId> id = FromString(decoder.Bytes(decoder.remaining()));
    if (id.ok() && id->value_.index() == 2) return id;
  }
  return absl::DataLossError(Concat("not an encoded point id: \"",
                                          Escape(bytes, 64), "\" (",
                                          bytes.size(), " bytes)"));
}

std::string PointId::Encode() const {
  std::string bytes;
  switch (value_.index()) {
    case 0:
      PutByte(bytes, kNumberKind);
      PutBe64(bytes, std::get<0>(value_));
      return bytes;
    case 1: {
      const Uuid& uuid = std::get<1>(value_);
      PutByte(bytes, kUuidKind);
      bytes.append(reinterpret_cast<const char*>(uuid.data()), uuid.size());
      return bytes;
    }
    default:
      PutByte(bytes, kStringKind);
      bytes.append(std::get<2>(value_));
      return bytes;
  }
}

std::string PointId::ToString() const {
  switch (value_.index()) {
    case 0:
      return Concat(std::get<0>(value_));
    case 1:
      return UuidToString(std::get<1>(value_));
    default:
      return std::get<2>(value_);
  }
}

}  // namespace vouch
