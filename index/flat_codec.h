#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace vouch {

// Numbers and arrays of them one after the other, little-endian, as index files hold them.
static_assert(std::endian::native == std::endian::little,
              "index files are written as they lie in memory");

class FlatWriter {
 public:
  template <typename T>
  void Number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  template <typename T>
  void Array(std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  template <typename T>
  void Array(const std::vector<T>& values) {
    Array(std::span<const T>(values));
  }
  void Bytes(std::string_view bytes) { bytes_.append(bytes); }
  void Reserve(size_t bytes) { bytes_.reserve(bytes_.size() + bytes); }

  std::string Take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what FlatWriter wrote. Each call answers false, and reads nothing, where fewer bytes are
// left than it needs; so a hostile count costs no memory.
class FlatReader {
 public:
  explicit FlatReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  bool Number(T* value) {
    static_assert(std::is_arithmetic_v<T>);
    if (rest_.size() < sizeof(T)) return false;
    std::memcpy(value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return true;
  }
  template <typename T>
  bool Array(uint64_t count, std::vector<T>* values) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (count > rest_.size() / sizeof(T)) return false;
    values->resize(count);
    const size_t size = count * sizeof(T);
    if (size > 0) std::memcpy(values->data(), rest_.data(), size);
    rest_.remove_prefix(size);
    return true;
  }
  bool Bytes(uint64_t count, std::string* bytes) {
    if (count > rest_.size()) return false;
    bytes->assign(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return true;
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace vouch
