#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/flat_codec.h"

namespace vouch {

// The terms of each row of a text index in the order of the text, as ordinals of the dictionary:
// what phrases are looked for in, and what feedback learns from, without the store. Packed, each
// token in as many bits as the largest ordinal needs. How many tokens a row has is its length, which
// the text index keeps. Thread safety: const methods may run on any number of threads.
class TokenStreams {
 public:
  // For a dictionary of `terms` strings and so many tokens in all.
  void Start(size_t terms, uint64_t tokens);
  // The next token; its ordinal is below `terms`.
  void Append(uint32_t ordinal);
  // Rows begin where the lengths before them end. After the last Append.
  void Finish(std::span<const uint32_t> lengths);

  // Replaces `tokens` by those of the row.
  void Read(uint32_t row, std::vector<uint32_t>* tokens) const;
  size_t memory_bytes() const {
    return words_.capacity() * sizeof(uint64_t) + begins_.capacity() * sizeof(uint64_t);
  }

  // u64 words[⌈tokens · bits / 64⌉], the lowest bits first; bits are as few as the ordinals below
  // `terms` need.
  void Write(FlatWriter* writer) const { writer->Array(words_); }
  // False where the words are short, an ordinal is not below `terms`, or a bit after the last token
  // is set.
  bool Parse(FlatReader* reader, size_t terms, std::span<const uint32_t> lengths);

 private:
  uint32_t Token(uint64_t place) const;

  uint32_t bits_ = 0;     // of a token
  uint64_t appended_ = 0;
  std::vector<uint64_t> words_;
  std::vector<uint64_t> begins_;  // of each row in tokens, and the end of the last
};

}  // namespace vouch
