#include "rag/redaction.h"

#include <re2/re2.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "storage/concat.h"

namespace vouch {
namespace {

struct NamedPattern {
  std::string_view name;
  const char* regex;
};
constexpr NamedPattern kNamed[] = {
    {"email", R"([A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)+)"},
    // Seven digits and more, with what stands between them in telephone numbers.
    {"phone", R"((\+|\b)\d[\d ()/.\-]{5,18}\d\b)"},
    {"iban", R"(\b[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,4})?\b)"},
    {"card", R"(\b\d{4}([ \-]?\d{4}){2}[ \-]?\d{1,7}\b)"}};

absl::Status WrongPattern(std::string_view pattern, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat("record.redact has '", Escape(pattern, 100), "'; ", what));
}

}  // namespace

absl::StatusOr<Redaction> Redaction::Create(const RecordStep& step) {
  if (step.redact.size() > RecordStep::kMaxPatterns) {
    return absl::InvalidArgumentError(
        Concat("record.redact has ", step.redact.size(), " patterns; the limit is ", RecordStep::kMaxPatterns));
  }
  Redaction redaction;
  for (const std::string& pattern : step.redact) {
    std::string regex;
    if (pattern.size() > RecordStep::kMaxPatternBytes)
      return WrongPattern(pattern, Concat("a pattern takes at most ", RecordStep::kMaxPatternBytes, " bytes"));
    if (pattern.starts_with("re:")) {
      regex = pattern.substr(3);
    } else {
      const auto named = std::find_if(std::begin(kNamed), std::end(kNamed),
                                      [&](const NamedPattern& known) { return known.name == pattern; });
      if (named == std::end(kNamed)) return WrongPattern(pattern, "it takes email, phone, iban, card, or re:REGEX");
      regex = named->regex;
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(int64_t{4} << 20);
    auto compiled = std::make_shared<const RE2>(regex, options);
    if (!compiled->ok()) return WrongPattern(pattern, Concat("it is no regular expression: ", compiled->error()));
    if (RE2::FullMatch("", *compiled)) return WrongPattern(pattern, "it matches where nothing is");
    redaction.patterns_.push_back(std::move(compiled));
  }
  return redaction;
}

uint32_t Redaction::Cover(std::string* text) const {
  uint32_t covered = 0;
  for (const auto& pattern : patterns_) {
    re2::StringPiece match;
    for (size_t from = 0; from < text->size();) {
      if (!pattern->Match(*text, from, text->size(), RE2::UNANCHORED, &match, 1)) break;
      const size_t at = static_cast<size_t>(match.data() - text->data());
      const size_t size = match.size();
      if (size > 0) {
        std::fill_n(text->begin() + static_cast<ptrdiff_t>(at), size, '*');
        ++covered;
      }
      from = at + std::max<size_t>(size, 1);
    }
  }
  return covered;
}

void Redaction::Cover(Answer* answer) const {
  const uint32_t in_question = Cover(&answer->question) + Cover(&answer->filter);
  uint32_t covered = in_question;
  for (ChatMessage& turn : answer->conversation) covered += Cover(&turn.content);
  for (Rewrite& rewrite : answer->rewrites) {
    for (std::string& text : rewrite.texts) covered += Cover(&text);
    covered += Cover(&rewrite.completion);
  }
  if (answer->generation) {
    for (ChatMessage& message : answer->generation->prompt) covered += Cover(&message.content);
    covered += Cover(&answer->generation->completion);
    for (TierDecision& decision : answer->generation->decisions) covered += Cover(&decision.completion);
    for (AnswerSentence& sentence : answer->generation->sentences) {
      for (std::string& problem : sentence.problems) covered += Cover(&problem);
    }
  }
  covered += Cover(&answer->text);
  for (Citation& citation : answer->citations) covered += Cover(&citation.quote);
  answer->redacted = covered;
  if (covered == 0) return;
  for (PointHit& hit : answer->hits) {
    for (NodeScore& node : hit.explanation) node.terms.clear();
  }
}

}  // namespace vouch
