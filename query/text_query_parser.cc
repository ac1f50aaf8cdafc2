#include "query/text_query_parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/inverted/text_expansion.h"
#include "index/payload/quoted.h"
#include "query/planner.h"
#include "query/white_space.h"

namespace vouch {
namespace {

bool EndsWord(char c) {
  return IsSpace(c) || c == '(' || c == ')' || c == '"' || c == '^' || c == '~' || c == '*';
}

class Parser {
 public:
  Parser(std::string_view text, const CollectionSchema& schema) : text_(text), schema_(schema) {}

  absl::StatusOr<TextClause> Parse() {
    absl::StatusOr<TextClause> query = Query(1);
    if (query.ok() && at_ < text_.size()) return Wrong(at_, "no '(' is open for ')'");
    return query;
  }

 private:
  enum class Sign { kNone, kMust, kMustNot };

  absl::Status Wrong(size_t offset, std::string_view problem) const {
    constexpr size_t kPicture = 100;
    std::string message = absl::StrCat("query: ", std::string(problem), " at column ", offset + 1);
    const bool simple =
        text_.size() <= kPicture &&
        std::all_of(text_.begin(), text_.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (simple)
      absl::StrAppend(&message, "\n  ", std::string(text_), "\n  ", std::string(offset, ' '), "^");
    return absl::InvalidArgumentError(message);
  }

  bool At(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool Take(char c) {
    if (!At(c)) return false;
    ++at_;
    return true;
  }

  absl::StatusOr<TextClause> Query(uint32_t depth) {
    if (depth > TextClauseLimits::kMaxDepth) {
      return Wrong(at_ - 1, absl::StrCat("parentheses over ", TextClauseLimits::kMaxDepth, " deep"));
    }
    TextBoolean boolean;
    std::string words;  // plain ones, neighbours or not
    std::optional<size_t> words_place;
    while (true) {
      while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
      if (at_ == text_.size() || At(')')) break;
      const size_t begin = at_;
      const Sign sign = Take('+') ? Sign::kMust : Take('-') ? Sign::kMustNot : Sign::kNone;
      if (sign != Sign::kNone && (at_ == text_.size() || IsSpace(text_[at_]))) {
        return Wrong(begin, absl::StrCat("'", std::string(1, text_[begin]), "' before nothing"));
      }
      absl::StatusOr<TextClause> part = Part(depth);
      if (!part.ok()) return part;
      if (++parts_ > TextClauseLimits::kMaxClauses) {
        return Wrong(begin, absl::StrCat("over ", TextClauseLimits::kMaxClauses, " parts"));
      }
      const auto* match = std::get_if<TextMatch>(&part->kind);
      if (sign == Sign::kNone && match != nullptr && part->field.empty() && part->boost == 1) {
        absl::StrAppend(&words, words.empty() ? "" : " ", match->text);
        if (!words_place) words_place = boolean.should.size();
        continue;
      }
      (sign == Sign::kMust      ? boolean.must
       : sign == Sign::kMustNot ? boolean.must_not
                                : boolean.should)
          .push_back(*std::move(part));
    }
    return Together(std::move(boolean), std::move(words), words_place);
  }

  absl::StatusOr<TextClause> Together(TextBoolean boolean, std::string words,
                                      std::optional<size_t> words_place) const {
    TextClause plain{.kind = TextMatch{.text = std::move(words)}};
    const bool only_words = boolean.must.empty() && boolean.should.empty();
    if (only_words && boolean.must_not.empty()) return plain;
    if (only_words && !words_place) {
      return Wrong(at_ == 0 ? 0 : at_ - 1,
                   "only parts with '-', which find nothing; say what is to be found");
    }
    if (words_place) {
      boolean.should.insert(boolean.should.begin() + static_cast<std::ptrdiff_t>(*words_place),
                            std::move(plain));
    }
    // One part alone says it all, whether or not it must be there.
    if (boolean.must_not.empty() && boolean.must.size() + boolean.should.size() == 1) {
      return std::move((boolean.must.empty() ? boolean.should : boolean.must).front());
    }
    return TextClause{.kind = std::move(boolean)};
  }

  absl::StatusOr<TextClause> Part(uint32_t depth) {
    const absl::StatusOr<std::string> field = Field();
    if (!field.ok()) return field.status();
    absl::StatusOr<TextClause> part = Unit(depth);
    if (!part.ok()) return part;
    if (!field->empty()) part->field = *field;
    const size_t hat = at_;
    if (Take('^')) {
      double boost = 0;
      const auto read = std::from_chars(text_.data() + at_, text_.data() + text_.size(), boost);
      if (read.ec != std::errc() || !(boost > 0 && boost <= TextClauseLimits::kMaxBoost)) {
        return Wrong(hat, absl::StrCat("'^' needs a number over 0, at most ",
                                       TextClauseLimits::kMaxBoost));
      }
      at_ = static_cast<size_t>(read.ptr - text_.data());
      part->boost *= boost;
    }
    if (at_ < text_.size() && !IsSpace(text_[at_]) && !At(')')) {
      return Wrong(at_, absl::StrCat("a space is missing before ", Quoted(text_.substr(at_, 1))));
    }
    return part;
  }

  // The name before a colon; empty: there is none.
  absl::StatusOr<std::string> Field() {
    size_t end = at_;
    while (end < text_.size() && !EndsWord(text_[end]) && text_[end] != ':' && text_[end] != '\\') {
      ++end;
    }
    if (end == text_.size() || text_[end] != ':' || end == at_) return std::string();
    const std::string name(text_.substr(at_, end - at_));
    const absl::StatusOr<int> field = ResolveTextField(schema_, name);
    if (!field.ok()) {
      return Wrong(at_, absl::StrCat(field.status().message(),
                                     "; to search for the word, put it into quotes,"));
    }
    at_ = end + 1;
    return name;
  }

  absl::StatusOr<TextClause> Unit(uint32_t depth) {
    const size_t begin = at_;
    if (Take('(')) {
      absl::StatusOr<TextClause> inner = Query(depth + 1);
      if (!inner.ok()) return inner;
      if (!Take(')')) return Wrong(begin, "'(' without ')'");
      return inner;
    }
    if (At('"')) return Phrase();
    std::string word;
    while (at_ < text_.size() && !EndsWord(text_[at_])) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && !IsSpace(text_[at_ + 1])) ++at_;
      word.push_back(text_[at_++]);
    }
    if (word.empty()) {
      if (at_ == text_.size()) return Wrong(at_, "a word is missing");
      return Wrong(at_, absl::StrCat(Quoted(text_.substr(at_, 1)), " without a word before it"));
    }
    if (word == "AND" || word == "OR" || word == "NOT") {
      return Wrong(begin, absl::StrCat(word, " is no operator here: '+a +b' wants both, 'a b' one, "
                                             "'-a' none; the word itself in quotes"));
    }
    if (Take('*')) return TextClause{.kind = TextPrefix{.text = std::move(word)}};
    if (!At('~')) return TextClause{.kind = TextMatch{.text = std::move(word)}};
    const absl::StatusOr<std::optional<uint32_t>> edits = Tilde(TextExpansion::kMaxEdits);
    if (!edits.ok()) return edits.status();
    return TextClause{.kind = TextFuzzy{.text = std::move(word), .edits = *edits}};
  }

  absl::StatusOr<TextClause> Phrase() {
    const size_t begin = at_++;
    TextPhrase phrase;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      phrase.text.push_back(text_[at_++]);
    }
    if (!Take('"')) return Wrong(begin, "'\"' without a second one");
    if (At('~')) {
      const absl::StatusOr<std::optional<uint32_t>> slop = Tilde(TextClauseLimits::kMaxSlop);
      if (!slop.ok()) return slop.status();
      if (!slop->has_value()) return Wrong(at_ - 1, "'~' after a phrase needs a number");
      phrase.slop = **slop;
    }
    return TextClause{.kind = std::move(phrase)};
  }

  absl::StatusOr<std::optional<uint32_t>> Tilde(uint32_t most) {
    const size_t tilde = at_++;
    uint32_t number = 0;
    const auto read = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    if (read.ptr == text_.data() + at_) return std::optional<uint32_t>();
    if (read.ec != std::errc() || number > most) {
      return Wrong(tilde, absl::StrCat("'~' takes a number up to ", most));
    }
    at_ = static_cast<size_t>(read.ptr - text_.data());
    return std::optional<uint32_t>(number);
  }

  const std::string_view text_;
  const CollectionSchema& schema_;
  size_t at_ = 0;
  size_t parts_ = 0;
};

}  // namespace

absl::StatusOr<TextClause> ParseTextQuery(std::string_view text, const CollectionSchema& schema) {
  if (text.size() > TextClauseLimits::kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat("query: ", text.size(), " bytes, over ",
                                                   TextClauseLimits::kMaxTextBytes));
  }
  return Parser(text, schema).Parse();
}

}  // namespace vouch
