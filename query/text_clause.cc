#include "query/text_clause.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "index/inverted/text_expansion.h"
#include "query/planner.h"

namespace vouch {
namespace {

std::string_view KindOf(const TextClause& clause) {
  struct Kind {
    std::string_view operator()(const TextMatch&) const { return "match"; }
    std::string_view operator()(const TextPhrase&) const { return "phrase"; }
    std::string_view operator()(const TextPrefix&) const { return "prefix"; }
    std::string_view operator()(const TextFuzzy&) const { return "fuzzy"; }
    std::string_view operator()(const TextBoolean&) const { return "boolean"; }
  };
  return std::visit(Kind(), clause.kind);
}

class ClauseValidator {
 public:
  explicit ClauseValidator(const CollectionSchema& schema) : schema_(schema) {}

  absl::Status Check(const TextClause& clause, const std::string& above, uint32_t depth) {
    const std::string path = absl::StrCat(above, std::string(KindOf(clause)));
    const auto wrong = [&](std::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(what)));
    };
    if (depth > TextClauseLimits::kMaxDepth) {
      return wrong(absl::StrCat("the clause is over ", TextClauseLimits::kMaxDepth, " levels deep"));
    }
    if (++clauses_ > TextClauseLimits::kMaxClauses) {
      return wrong(absl::StrCat("over ", TextClauseLimits::kMaxClauses, " clauses"));
    }
    if (!(clause.boost > 0 && clause.boost <= TextClauseLimits::kMaxBoost)) {
      return wrong(absl::StrCat("boost ", clause.boost, " is not over 0 and at most ",
                                TextClauseLimits::kMaxBoost));
    }
    if (!clause.field.empty()) {
      const absl::StatusOr<int> field = ResolveTextField(schema_, clause.field);
      if (!field.ok()) return wrong(std::string(field.status().message()));
    }
    if (const auto* boolean = std::get_if<TextBoolean>(&clause.kind)) {
      return CheckBoolean(*boolean, path, depth);
    }
    const std::string problem = ProblemOf(clause);
    return problem.empty() ? absl::OkStatus() : wrong(problem);
  }

 private:
  std::string ProblemOf(const TextClause& clause) {
    if (const auto* match = std::get_if<TextMatch>(&clause.kind)) return Count(match->text);
    if (const auto* prefix = std::get_if<TextPrefix>(&clause.kind)) return Word(prefix->text);
    if (const auto* phrase = std::get_if<TextPhrase>(&clause.kind)) {
      if (phrase->slop > TextClauseLimits::kMaxSlop) {
        return absl::StrCat("slop ", phrase->slop, " is over ", TextClauseLimits::kMaxSlop);
      }
      return Count(phrase->text);
    }
    const auto& fuzzy = std::get<TextFuzzy>(clause.kind);
    if (fuzzy.edits && *fuzzy.edits > TextExpansion::kMaxEdits) {
      return absl::StrCat("edits ", *fuzzy.edits, " is not in 0 … ", TextExpansion::kMaxEdits);
    }
    if (fuzzy.prefix_length > TextClauseLimits::kMaxPrefixLength) {
      return absl::StrCat("prefix_length ", fuzzy.prefix_length, " is over ",
                          TextClauseLimits::kMaxPrefixLength);
    }
    return Word(fuzzy.text);
  }

  std::string Count(std::string_view text) {
    bytes_ += text.size();
    if (bytes_ <= TextClauseLimits::kMaxTextBytes) return "";
    return absl::StrCat("the texts have over ", TextClauseLimits::kMaxTextBytes, " bytes");
  }
  std::string Word(std::string_view text) {
    if (text.empty()) return "it needs a word";
    if (text.find_first_of(" \t\r\n") != std::string_view::npos) {
      return absl::StrCat("it takes one word, not '", std::string(text.substr(0, 64)),
                          "'; put several into a boolean");
    }
    return Count(text);
  }

  absl::Status CheckBoolean(const TextBoolean& boolean, const std::string& path, uint32_t depth) {
    if (boolean.must.empty() && boolean.should.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": it needs a must or should clause; must_not alone finds nothing"));
    }
    const uint32_t least = boolean.minimum_should_match.value_or(0);
    if (least > boolean.should.size()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": minimum_should_match ", least,
                                                     " of ", boolean.should.size(),
                                                     " should clauses"));
    }
    for (const auto& [name, list] : {std::pair("must", &boolean.must),
                                     std::pair("should", &boolean.should),
                                     std::pair("must_not", &boolean.must_not)}) {
      for (size_t i = 0; i < list->size(); ++i) {
        absl::Status status =
            Check((*list)[i], absl::StrCat(path, ".", name, "[", i, "]."), depth + 1);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  const CollectionSchema& schema_;
  size_t clauses_ = 0;
  size_t bytes_ = 0;
};

std::string FormatBoolean(const TextBoolean& boolean) {
  std::string text;
  const auto add = [&](std::string_view sign, const TextClause& clause) {
    absl::StrAppend(&text, text.empty() ? "" : " ", std::string(sign), FormatTextClause(clause));
  };
  for (const TextClause& clause : boolean.must) add("+", clause);
  for (const TextClause& clause : boolean.should) add("", clause);
  for (const TextClause& clause : boolean.must_not) add("-", clause);
  text = absl::StrCat("(", text, ")");
  if (boolean.minimum_should_match) {
    absl::StrAppend(&text, ">=", *boolean.minimum_should_match);
  }
  return text;
}

}  // namespace

absl::Status ValidateTextClause(const TextClause& clause, const CollectionSchema& schema) {
  return ClauseValidator(schema).Check(clause, "clause.", 1);
}

std::string FormatTextClause(const TextClause& clause) {
  std::string text = clause.field.empty() ? "" : absl::StrCat(clause.field, ":");
  if (const auto* match = std::get_if<TextMatch>(&clause.kind)) {
    const bool several = match->text.find(' ') != std::string::npos;
    absl::StrAppend(&text, several ? "(" : "", match->text, several ? ")" : "",
                    several && match->all ? "&" : "");
  } else if (const auto* phrase = std::get_if<TextPhrase>(&clause.kind)) {
    absl::StrAppend(&text, "\"", phrase->text, "\"");
    if (phrase->slop > 0) absl::StrAppend(&text, "~", phrase->slop);
  } else if (const auto* prefix = std::get_if<TextPrefix>(&clause.kind)) {
    absl::StrAppend(&text, prefix->text, "*");
  } else if (const auto* fuzzy = std::get_if<TextFuzzy>(&clause.kind)) {
    absl::StrAppend(&text, fuzzy->text, "~");
    if (fuzzy->edits) absl::StrAppend(&text, *fuzzy->edits);
  } else {
    absl::StrAppend(&text, FormatBoolean(std::get<TextBoolean>(clause.kind)));
  }
  if (clause.boost != 1) absl::StrAppend(&text, "^", clause.boost);
  return text;
}

}  // namespace vouch
