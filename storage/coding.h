#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vouch {

// Writers of the store's bytes: big-endian where the order of keys matters, LEB128 varints elsewhere.
void PutByte(std::string& out, uint8_t value);
void PutBe16(std::string& out, uint16_t value);
void PutBe32(std::string& out, uint32_t value);
void PutBe64(std::string& out, uint64_t value);
void PutVarint(std::string& out, uint64_t value);
// A varint length, then the bytes.
void PutBlock(std::string& out, std::string_view bytes);

void WriteBe64(char* out, uint64_t value);
uint64_t ReadBe64(const char* in);

// Reads what the writers wrote, from hostile bytes: past a mistake every read gives 0 or nothing, and ok() is false.
// Nothing is allocated, so a claimed length costs nothing. Thread compatible.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  uint8_t Byte();
  uint16_t Be16();
  uint32_t Be32();
  uint64_t Be64();
  uint64_t Varint();
  std::string_view Bytes(size_t size);
  std::string_view Block();

  size_t remaining() const { return rest_.size(); }
  bool ok() const { return ok_; }
  // No mistake, and nothing left over.
  bool Done() const { return ok_ && rest_.empty(); }

 private:
  uint64_t BigEndian(size_t size);

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace vouch
