#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sha256.h"

namespace vouch {

// How the texts of an answer's record are salted, so that nobody who has the hash of an erased text can find it by
// guessing. A record has one salt, from which each text's follows; where a text was erased, the salts of the others stand
// alone, and the erased one's is gone.
class AnswerSalts {
 public:
  static constexpr size_t kSaltBytes = 16;
  static constexpr size_t kMaxRecordSaltBytes = 64;

  AnswerSalts() = default;
  // `record`: any bytes, best kSaltBytes of random ones; empty for none.
  explicit AnswerSalts(std::string_view record) : bytes_(record) {}

  // Of the text with that place among the record's texts.
  std::string At(uint32_t place) const;
  // The same salts one by one, for `count` texts, without those of `erased`.
  AnswerSalts Without(const std::set<uint32_t>& erased, uint32_t count) const;

  // Byte 01 and the record's salt, or byte 02 and kSaltBytes for each text, zeros of erased ones.
  std::string Encode() const;
  static bool Decode(std::string_view bytes, AnswerSalts* salts);

 private:
  bool one_by_one_ = false;
  std::string bytes_ = {};
};

struct AnswerDigest {
  Digest digest = {};
  uint32_t texts = 0;   // that may be erased
  uint32_t erased = 0;  // of these
};

// The digest of a record: SHA-256 over, in turn, what stands before a text that may be erased (be64 number of bytes, the
// bytes) and the SHA-256 of the text's salt and its bytes (as JSON writes the value), and what stands after the last one.
// An erased text is the object {"erased":"HASH"} with that hash, so that a record keeps its digest when texts of it are
// erased, and what is left is vouched for as before.
//
// The texts that may be erased are the values of the keys "completion", "content", "explanation", "filter", "heading",
// "payload", "problems", "question", "quote", "text", "texts" and "title", at any depth; what lies inside of one belongs to
// it. A record is JSON without white space; other bytes have a digest as well, in which no text is told apart. Linear.
AnswerDigest DigestAnswer(std::string_view record, const AnswerSalts& salts);

struct ErasedAnswer {
  std::string record = {};
  AnswerSalts salts = {};
  uint32_t erased = 0;  // texts that were erased now
};

// Erases the texts at these paths ("text", "hits[2].payload"); those that are not there or erased already are left alone.
ErasedAnswer EraseTexts(std::string_view record, const AnswerSalts& salts, const std::set<std::string>& paths);

struct ErasedText {
  std::string path = {};
  std::string hash = {};  // 64 hexadecimal digits
};
// In the order of the record.
std::vector<ErasedText> ListErasedTexts(std::string_view record);

}  // namespace vouch
