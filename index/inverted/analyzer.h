#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// A term of a text and the bytes of the text it was made from.
struct Token {
  std::string term = {};
  uint32_t begin = 0;  // byte offsets into the text, [begin, end)
  uint32_t end = 0;
};

// A text as a bag of terms, as the inverted index takes it.
struct AnalyzedText {
  struct Term {
    std::string term = {};
    uint32_t frequency = 0;
    friend bool operator==(const Term&, const Term&) = default;
  };
  std::vector<Term> terms = {};  // ascending by term bytes
  uint32_t length = 0;      // tokens, stop words left out
  // The tokens in the order of the text, as positions in `terms`: `length` of them. Empty in a bag
  // of terms that has no order; it then counts as each term as often as it is there, ascending.
  std::vector<uint32_t> order = {};
};

// Text to terms: ICU word segmentation (Unicode UAX 29), NFKC case folding, elided articles cut
// (elision.h), stop words of the language, Snowball stemmer. Bytes that are not UTF-8 become U+FFFD
// and so no term. A token of more than kMaxTermBytes bytes is cut.
//
// Thread safety: const methods may run on any number of threads.
class Analyzer {
 public:
  static constexpr size_t kMaxTermBytes = 128;

  // `language` is the name of a Snowball stemmer ("english", "german", …) or "none" (neither stop words nor stemming).
  // INVALID_ARGUMENT names the language and those there are.
  static absl::StatusOr<std::shared_ptr<const Analyzer>> Create(std::string_view language);
  static std::vector<std::string> Languages();
  virtual ~Analyzer() = default;

  // Language, version of these rules and of Unicode's: analyzers of one id make the same terms of a
  // text.
  virtual const std::string& id() const = 0;

  // A word in the form that terms have before stop words and stemming: folded, elided articles cut.
  virtual std::string Fold(std::string_view word) const = 0;
  virtual std::vector<Token> Tokenize(std::string_view text) const = 0;
  virtual AnalyzedText Analyze(std::string_view text) const = 0;
};

}  // namespace vouch
