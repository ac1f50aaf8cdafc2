#include "index/inverted/token_streams.h"

#include <bit>

namespace vouch {
namespace {

uint32_t BitsOf(size_t terms) {
  return terms <= 1 ? 0 : static_cast<uint32_t>(std::bit_width(terms - 1));
}

uint64_t WordsOf(uint64_t tokens, uint32_t bits) { return (tokens * bits + 63) / 64; }

}  // namespace

void TokenStreams::Start(size_t terms, uint64_t tokens) {
  bits_ = BitsOf(terms);
  appended_ = 0;
  words_.assign(WordsOf(tokens, bits_), 0);
}

void TokenStreams::Append(uint32_t ordinal) {
  const uint64_t place = appended_++ * bits_;
  if (bits_ == 0) return;
  const uint64_t word = place / 64, shift = place % 64;
  words_[word] |= uint64_t{ordinal} << shift;
  if (shift + bits_ > 64) words_[word + 1] |= uint64_t{ordinal} >> (64 - shift);
}

void TokenStreams::Finish(std::span<const uint32_t> lengths) {
  begins_.clear();
  begins_.reserve(lengths.size() + 1);
  uint64_t begin = 0;
  for (uint32_t length : lengths) {
    begins_.push_back(begin);
    begin += length;
  }
  begins_.push_back(begin);
}

uint32_t TokenStreams::Token(uint64_t place) const {
  if (bits_ == 0) return 0;
  const uint64_t at = place * bits_, word = at / 64, shift = at % 64;
  uint64_t value = words_[word] >> shift;
  if (shift + bits_ > 64) value |= words_[word + 1] << (64 - shift);
  return static_cast<uint32_t>(value & ((uint64_t{1} << bits_) - 1));
}

void TokenStreams::Read(uint32_t row, std::vector<uint32_t>* tokens) const {
  tokens->clear();
  for (uint64_t place = begins_[row]; place < begins_[row + 1]; ++place) {
    tokens->push_back(Token(place));
  }
}

bool TokenStreams::Parse(FlatReader* reader, size_t terms, std::span<const uint32_t> lengths) {
  Finish(lengths);
  bits_ = BitsOf(terms);
  appended_ = begins_.back();
  if (appended_ > 0 && terms == 0) return false;
  // Neither product overflows: a length is below 2^32, rows are below 2^31, bits at most 32.
  if (bits_ > 32 || !reader->Array(WordsOf(appended_, bits_), &words_)) return false;
  const uint64_t used = appended_ * bits_ % 64;
  if (used != 0 && words_.back() >> used != 0) return false;
  for (uint64_t place = 0; place < appended_; ++place) {
    if (Token(place) >= terms) return false;
  }
  return true;
}

}  // namespace vouch
