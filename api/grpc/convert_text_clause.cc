// Text leaves: clauses, fields and what people type.
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "query/text_clause.h"

namespace vouch {
namespace {

// Bounds depth itself: a message may be nested deeper than a clause.
class ClauseConverter {
 public:
  absl::StatusOr<TextClause> Convert(const v1::TextClause& message, uint32_t depth) {
    if (depth > TextClauseLimits::kMaxDepth) {
      return absl::InvalidArgumentError(
          absl::StrCat("query: a text clause is over ", TextClauseLimits::kMaxDepth, " levels deep"));
    }
    if (++clauses_ > TextClauseLimits::kMaxClauses) {
      return absl::InvalidArgumentError(
          absl::StrCat("query: over ", TextClauseLimits::kMaxClauses, " text clauses"));
    }
    TextClause clause;
    clause.field = message.field();
    if (message.boost() != 0) clause.boost = message.boost();
    switch (message.clause_case()) {
      case v1::TextClause::kMatch:
        clause.kind = TextMatch{message.match().text(), message.match().all()};
        return clause;
      case v1::TextClause::kPhrase:
        clause.kind = TextPhrase{message.phrase().text(), message.phrase().slop()};
        return clause;
      case v1::TextClause::kPrefix:
        clause.kind = TextPrefix{message.prefix().text()};
        return clause;
      case v1::TextClause::kFuzzy: {
        TextFuzzy fuzzy{.text = message.fuzzy().text(),
                        .prefix_length = message.fuzzy().prefix_length()};
        if (message.fuzzy().has_edits()) fuzzy.edits = message.fuzzy().edits();
        clause.kind = std::move(fuzzy);
        return clause;
      }
      case v1::TextClause::kBoolean: {
        absl::Status status = ConvertBoolean(message.boolean(), depth, &clause);
        if (!status.ok()) return status;
        return clause;
      }
      case v1::TextClause::CLAUSE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "query: a text clause is not set; give one of match, phrase, prefix, fuzzy, boolean");
  }

 private:
  absl::Status ConvertBoolean(const v1::TextBoolean& message, uint32_t depth, TextClause* clause) {
    TextBoolean boolean;
    if (message.has_minimum_should_match()) {
      boolean.minimum_should_match = message.minimum_should_match();
    }
    for (const auto& [from, to] : {std::pair(&message.must(), &boolean.must),
                                   std::pair(&message.should(), &boolean.should),
                                   std::pair(&message.must_not(), &boolean.must_not)}) {
      for (const v1::TextClause& child : *from) {
        absl::StatusOr<TextClause> converted = Convert(child, depth + 1);
        if (!converted.ok()) return converted.status();
        to->push_back(*std::move(converted));
      }
    }
    clause->kind = std::move(boolean);
    return absl::OkStatus();
  }

  size_t clauses_ = 0;
};

}  // namespace

absl::StatusOr<TextLeaf> TextLeafOf(const v1::TextLeaf& message) {
  TextLeaf leaf;
  leaf.field = message.field();
  leaf.text = message.text();
  leaf.query = message.query();
  for (const v1::TextFieldBoost& field : message.fields()) {
    leaf.fields.push_back({field.field(), field.boost() == 0 ? 1 : field.boost()});
  }
  if (message.has_clause()) {
    absl::StatusOr<TextClause> clause = ClauseConverter().Convert(message.clause(), 1);
    if (!clause.ok()) return clause.status();
    leaf.clause = *std::move(clause);
  }
  return leaf;
}

}  // namespace vouch
