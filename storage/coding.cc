#include "storage/coding.h"

namespace vouch {

namespace {

void PutBigEndian(std::string& out, uint64_t value, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

}  // namespace

void PutByte(std::string& out, uint8_t value) { out.push_back(static_cast<char>(value)); }
void PutBe16(std::string& out, uint16_t value) { PutBigEndian(out, value, 2); }
void PutBe32(std::string& out, uint32_t value) { PutBigEndian(out, value, 4); }
void PutBe64(std::string& out, uint64_t value) { PutBigEndian(out, value, 8); }

void PutVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void PutBlock(std::string& out, std::string_view bytes) {
  PutVarint(out, bytes.size());
  out.append(bytes);
}

void WriteBe64(char* out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(value >> (56 - 8 * i));
}

uint64_t ReadBe64(const char* in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(in[i]);
  return value;
}

uint64_t Decoder::BigEndian(size_t size) {
  uint64_t value = 0;
  for (const char c : Bytes(size)) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

uint8_t Decoder::Byte() { return static_cast<uint8_t>(BigEndian(1)); }
uint16_t Decoder::Be16() { return static_cast<uint16_t>(BigEndian(2)); }
uint32_t Decoder::Be32() { return static_cast<uint32_t>(BigEndian(4)); }
uint64_t Decoder::Be64() { return BigEndian(8); }

uint64_t Decoder::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte();
    if (!ok_) return 0;
    const uint64_t bits = byte & 0x7F;
    // One value, one form: no bits past the 64th, no zero byte at the end of a longer form.
    if ((shift == 63 && bits > 1) || (shift > 0 && byte == 0)) break;
    value |= bits << shift;
    if (byte < 0x80) return value;
  }
  ok_ = false;
  rest_ = {};
  return 0;
}

std::string_view Decoder::Bytes(size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::string_view Decoder::Block() {
  const uint64_t size = Varint();
  return Bytes(size);
}

}  // namespace vouch
