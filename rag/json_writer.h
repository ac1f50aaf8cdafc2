#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vouch {

// Appends JSON to a text as it is told, without a tree of values in between: records are mostly numbers, and a tree costs an
// allocation and more for each. Who calls it sees to it that keys and values alternate, and that what is begun is ended.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }
  // As it stands: it needs no escape.
  void Key(std::string_view key);

  template <typename T>
  void Field(std::string_view key, const T& value) {
    Key(key);
    Value(value);
  }

  // What is not UTF-8 becomes U+FFFD.
  void Value(std::string_view text);
  void Value(uint64_t number);
  // The shortest text that is read as the same number; null for what is not finite. A whole number keeps its ".0".
  void Value(double number);

 private:
  void Begin(char bracket) {
    Separate();
    out_ += bracket;
    separate_ = false;
  }
  void End(char bracket) {
    out_ += bracket;
    separate_ = true;
  }
  void Separate() {
    if (separate_) out_ += ',';
    separate_ = true;
  }

  std::string& out_;
  bool separate_ = false;  // what comes next is not the first of its list or object, nor a key's value
};

}  // namespace vouch
