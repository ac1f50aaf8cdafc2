#include "storage/answer_digest.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "storage/coding.h"
#include "storage/concat.h"

namespace vouch {

namespace {

constexpr std::array<std::string_view, 12> kErasableKeys = {
    "completion", "content", "explanation", "filter", "heading", "payload",
    "problems",   "question", "quote",      "text",   "texts",   "title"};
constexpr std::string_view kErasedHead = "{\"erased\":\"";
constexpr std::string_view kErasedTail = "\"}";
constexpr size_t kErasedBytes = kErasedHead.size() + 64 + kErasedTail.size();
constexpr size_t kMaxDepth = 64;  // deeper than any record; past it no path is told

bool IsErased(std::string_view value, Digest* hash) {
  return value.size() == kErasedBytes && value.starts_with(kErasedHead) &&
         value.ends_with(kErasedTail) &&
         ParseDigest(value.substr(kErasedHead.size(), 64), hash);
}

// Finds the texts of a record that may be erased, in order. From hostile bytes it finds some, or none.
class TextScanner {
 public:
  explicit TextScanner(std::string_view record) : record_(record) {}

  // False where no text follows.
  bool Next() {
    while (at_ < record_.size()) {
      switch (record_[at_]) {
        case '{':
        case '[':
          if (frames_.size() >= kMaxDepth) return End();
          frames_.push_back({.array = record_[at_] == '['});
          ++at_;
          break;
        case '}':
        case ']':
          if (frames_.empty()) return End();
          frames_.pop_back();
          ++at_;
          break;
        case ',':
          if (!frames_.empty()) ++frames_.back().index;
          ++at_;
          break;
        case '"':
          if (TakeString()) return true;
          break;
        default:
          ++at_;
      }
    }
    return false;
  }

  // Of the text found last.
  size_t begin() const { return begin_; }
  std::string_view value() const { return record_.substr(begin_, at_ - begin_); }
  std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.array) {
        path += Concat("[", frame.index, "]");
      } else {
        path += Concat(path.empty() ? "" : ".", frame.key);
      }
    }
    return path;
  }

 private:
  struct Frame {
    bool array = false;
    uint64_t index = 0;         // of an array's item
    std::string_view key = {};  // of an object's value
  };

  bool End() {
    at_ = record_.size();
    return false;
  }

  // The end of the string that starts at `from`; the end of the record where it has none.
  size_t EndOfString(size_t from) const {
    for (size_t at = from + 1; at < record_.size();) {
      const void* quote = std::memchr(record_.data() + at, '"', record_.size() - at);
      if (quote == nullptr) break;
      const size_t place = static_cast<size_t>(static_cast<const char*>(quote) - record_.data());
      size_t backslashes = 0;
      while (place - backslashes > at && record_[place - backslashes - 1] == '\\') ++backslashes;
      if (backslashes % 2 == 0) return place + 1;
      at = place + 1;
    }
    return record_.size();
  }

  size_t EndOfValue(size_t from) const {
    uint64_t depth = 0;
    for (size_t at = from; at < record_.size();) {
      const char c = record_[at];
      if (c == '"') {
        at = EndOfString(at);
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return at;
        ++at;
        if (--depth == 0) return at;
        continue;
      } else if (c == ',' && depth == 0) {
        return at;
      } else {
        ++at;
        continue;
      }
      if (depth == 0) return at;
    }
    return record_.size();
  }

  // A key or a text in an array; true where the value of an erasable key was found.
  bool TakeString() {
    const size_t from = at_;
    at_ = EndOfString(from);
    const bool is_key = at_ < record_.size() && record_[at_] == ':' && !frames_.empty() &&
                        !frames_.back().array;
    if (!is_key) return false;
    const std::string_view key = record_.substr(from + 1, at_ - from - 2);
    frames_.back().key = key;
    ++at_;
    if (!std::binary_search(kErasableKeys.begin(), kErasableKeys.end(), key)) return false;
    begin_ = at_;
    at_ = EndOfValue(begin_);
    return at_ > begin_;
  }

  const std::string_view record_;
  size_t at_ = 0;
  size_t begin_ = 0;
  std::vector<Frame> frames_;
};

// Salts and hashes texts, one after the other.
class TextHasher {
 public:
  explicit TextHasher(const AnswerSalts& salts) : salts_(salts) {}
  Digest Hash(uint32_t place, std::string_view value) {
    sha_.Update(salts_.At(place));
    sha_.Update(value);
    return sha_.Finish();
  }

 private:
  const AnswerSalts& salts_;
  Sha256 sha_;
};

}  // namespace

std::string AnswerSalts::At(uint32_t place) const {
  if (one_by_one_) {
    const size_t from = size_t{place} * kSaltBytes;
    return from + kSaltBytes <= bytes_.size() ? bytes_.substr(from, kSaltBytes) : std::string();
  }
  if (bytes_.empty()) return "";
  std::string place_bytes;
  PutBe32(place_bytes, place);
  thread_local Sha256 sha;
  sha.Update(bytes_);
  sha.Update(place_bytes);
  return std::string(DigestBytes(sha.Finish()).substr(0, kSaltBytes));
}

AnswerSalts AnswerSalts::Without(const std::set<uint32_t>& erased, uint32_t count) const {
  if (!one_by_one_ && bytes_.empty()) return *this;
  AnswerSalts salts;
  salts.one_by_one_ = true;
  for (uint32_t place = 0; place < count; ++place) {
    std::string salt = erased.contains(place) ? std::string() : At(place);
    salt.resize(kSaltBytes, '\0');
    salts.bytes_ += salt;
  }
  return salts;
}

std::string AnswerSalts::Encode() const {
  std::string bytes;
  PutByte(bytes, one_by_one_ ? 2 : 1);
  return bytes.append(bytes_);
}

bool AnswerSalts::Decode(std::string_view bytes, AnswerSalts* salts) {
  if (bytes.empty() || (bytes[0] != 1 && bytes[0] != 2)) return false;
  salts->one_by_one_ = bytes[0] == 2;
  salts->bytes_ = bytes.substr(1);
  return salts->one_by_one_ ? salts->bytes_.size() % kSaltBytes == 0
                            : salts->bytes_.size() <= kMaxRecordSaltBytes;
}

AnswerDigest DigestAnswer(std::string_view record, const AnswerSalts& salts) {
  AnswerDigest result;
  Sha256 whole;
  TextHasher texts(salts);
  const auto add = [&whole](std::string_view bytes) {
    std::string size;
    PutBe64(size, bytes.size());
    whole.Update(size);
    whole.Update(bytes);
  };
  size_t from = 0;
  for (TextScanner scanner(record); scanner.Next();) {
    const std::string_view value = scanner.value();
    add(record.substr(from, scanner.begin() - from));
    Digest hash{};
    if (IsErased(value, &hash)) {
      ++result.erased;
    } else {
      hash = texts.Hash(result.texts, value);
    }
    whole.Update(DigestBytes(hash));
    ++result.texts;
    from = scanner.begin() + value.size();
  }
  add(record.substr(from));
  result.digest = whole.Finish();
  return result;
}

ErasedAnswer EraseTexts(std::string_view record, const AnswerSalts& salts,
                        const std::set<std::string>& paths) {
  ErasedAnswer result;
  TextHasher texts(salts);
  std::set<uint32_t> erased;
  uint32_t place = 0;
  size_t from = 0;
  for (TextScanner scanner(record); scanner.Next(); ++place) {
    Digest hash{};
    const bool was_erased = IsErased(scanner.value(), &hash);
    if (was_erased) erased.insert(place);
    if (was_erased || !paths.contains(scanner.Path())) continue;
    erased.insert(place);
    result.record.append(record.substr(from, scanner.begin() - from));
    result.record.append(kErasedHead)
        .append(DigestText(texts.Hash(place, scanner.value())))
        .append(kErasedTail);
    from = scanner.begin() + scanner.value().size();
    ++result.erased;
  }
  result.record.append(record.substr(from));
  result.salts = result.erased == 0 ? salts : salts.Without(erased, place);
  return result;
}

std::vector<ErasedText> ListErasedTexts(std::string_view record) {
  std::vector<ErasedText> list;
  if (record.find(kErasedHead) == std::string_view::npos) return list;
  for (TextScanner scanner(record); scanner.Next();) {
    Digest hash{};
    if (IsErased(scanner.value(), &hash))
      list.push_back({.path = scanner.Path(), .hash = DigestText(hash)});
  }
  return list;
}

}  // namespace vouch
