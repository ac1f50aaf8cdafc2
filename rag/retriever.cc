#include "rag/retriever.h"

#include <utility>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Reciprocal rank fusion with the paper's k = 60 (Cormack, Clarke and Büttcher, 2009), over as many
// hits of each leg as the planner takes (at least 100).
constexpr double kRrfK = 60;

// A leg weighs by how well it ranks alone. nDCG@10 on two judged collections (cranfield / cisi):
//   BM25 .519 / .374, builtin/lsa .546 / .393; fused with equal weights .539 / .407, with 1 : 0.7
//   .544 / .407. Every weight of the text from 0.4 to 0.9, k from 10 to 100 and depth from 40 on
//   lies within .541–.548 / .403–.413, so the value is the middle of a plateau. A served model is
//   taken to be at least as good as builtin/lsa. builtin/hash knows no meaning and only adds noise:
//   1 : 1 gives .428 / .286, 0.2 : 1 .493 / .355.
struct LegWeights {
  double dense = 1.0;
  double text = 0.7;
};

LegWeights WeightsFor(std::string_view embedder) {
  if (embedder.starts_with("builtin/hash")) return {.dense = 0.2, .text = 1.0};
  return {};
}

struct Fields {
  int dense = -1;  // the first dense field with an embedder
  int text = -1;   // the first text field
};

Fields FindFields(const CollectionSchema& schema) {
  Fields fields;
  for (size_t i = 0; i < schema.dense.size() && fields.dense < 0; ++i) {
    if (!schema.dense[i].embedder.empty()) fields.dense = static_cast<int>(i);
  }
  if (!schema.text.empty()) fields.text = 0;
  return fields;
}

absl::Status CheckQuestion(const Collection& collection, const Fields& fields,
                           std::string_view text, RetrievalMode mode) {
  if (text.empty()) return absl::InvalidArgumentError("the question is empty");
  if (text.size() > QueryLimits::kMaxQueryTextBytes) {
    return absl::InvalidArgumentError(Concat("the question has ", text.size(),
                                             " bytes; the limit is ",
                                             QueryLimits::kMaxQueryTextBytes));
  }
  const bool dense = mode != RetrievalMode::kText && fields.dense >= 0;
  const bool words = mode != RetrievalMode::kDense && fields.text >= 0;
  if (dense || words) return absl::OkStatus();
  const std::string_view missing = mode == RetrievalMode::kDense ? "no dense field with an embedder"
                                   : mode == RetrievalMode::kText
                                       ? "no text field"
                                       : "neither a text field nor a dense field with an embedder";
  return absl::FailedPreconditionError(Concat("collection ", collection.info().name, " has ",
                                              missing, ", which ", RetrievalModeName(mode),
                                              " retrieval needs"));
}

// A tree without hits, for a text that says nothing to the one leg there is.
QueryNode NoHits() { return {.node = AllLeaf{}, .filter = Filter{.op = FilterOp::kOr}}; }

}  // namespace

absl::StatusOr<RetrievalMode> ParseRetrievalMode(std::string_view text) {
  for (RetrievalMode mode : {RetrievalMode::kDense, RetrievalMode::kText, RetrievalMode::kHybrid}) {
    if (text == RetrievalModeName(mode)) return mode;
  }
  return absl::InvalidArgumentError(
      Concat("unknown retrieval mode \"", Escape(text), "\"; there are dense, text, hybrid"));
}

std::string_view RetrievalModeName(RetrievalMode mode) {
  switch (mode) {
    case RetrievalMode::kDense:
      return "dense";
    case RetrievalMode::kText:
      return "text";
    case RetrievalMode::kHybrid:
      return "hybrid";
  }
  return "";
}

absl::StatusOr<EmbeddedText> EmbedQuery(Collection& collection, EmbedderRegistry& embedders,
                                        std::string_view field, std::string_view text, Version at,
                                        const CancelToken& cancel) {
  const CollectionSchema& schema = collection.schema();
  const int ordinal = field.empty() ? FindFields(schema).dense : schema.FindDense(field);
  if (ordinal < 0 && !field.empty()) {
    return absl::InvalidArgumentError(Concat("unknown dense field \"", Escape(field), "\""));
  }
  if (ordinal < 0 || schema.dense[static_cast<size_t>(ordinal)].embedder.empty()) {
    return absl::FailedPreconditionError(
        Concat("collection ", collection.info().name, " has no dense field ",
               field.empty() ? std::string() : Concat("\"", Escape(field), "\" "),
               "with an embedder, which a text instead of a vector needs"));
  }
  absl::StatusOr<std::shared_ptr<const Embedder>> embedder =
      embedders.Resolve(collection, ordinal, at);
  if (!embedder.ok()) return embedder.status();
  const std::string texts[] = {std::string(text)};
  absl::StatusOr<std::vector<std::vector<float>>> vectors = (*embedder)->Embed(texts, cancel);
  if (!vectors.ok()) return vectors.status();
  if (vectors->front().empty()) {
    return absl::InvalidArgumentError(Concat("the text \"", Escape(text.substr(0, 80)),
                                             "\" says nothing to the embedder ", (*embedder)->id(),
                                             ": it knows none of its words"));
  }
  return EmbeddedText{std::move(vectors->front()), (*embedder)->id()};
}

absl::StatusOr<TextQuery> BuildTextQuery(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view text, RetrievalMode mode, Version at,
                                         const CancelToken& cancel) {
  const CollectionSchema& schema = collection.schema();
  const Fields fields = FindFields(schema);
  if (absl::Status status = CheckQuestion(collection, fields, text, mode); !status.ok())
    return status;
  TextQuery query;
  std::vector<QueryNode> legs;
  if (mode != RetrievalMode::kText && fields.dense >= 0) {
    absl::StatusOr<std::shared_ptr<const Embedder>> embedder =
        embedders.Resolve(collection, fields.dense, at);
    if (!embedder.ok()) return embedder.status();
    const std::string texts[] = {std::string(text)};
    absl::StatusOr<std::vector<std::vector<float>>> vectors = (*embedder)->Embed(texts, cancel);
    if (!vectors.ok()) return vectors.status();
    query.embedder = (*embedder)->id();
    if (!vectors->front().empty()) {
      legs.push_back(
          {.node = DenseLeaf{.field = schema.dense[static_cast<size_t>(fields.dense)].name,
                             .vector = std::move(vectors->front())},
           .filter = std::nullopt});
    }
  }
  // A text without a known term makes a leaf without hits, which adds nothing to a fusion.
  if (mode != RetrievalMode::kDense && fields.text >= 0) {
    legs.push_back({.node = TextLeaf{.field = schema.text[static_cast<size_t>(fields.text)].name,
                                     .text = std::string(text)},
                    .filter = std::nullopt});
  }
  if (legs.empty()) {
    query.root = NoHits();
  } else if (legs.size() == 1) {
    query.root = std::move(legs.front());
  } else {
    const LegWeights weights = WeightsFor(query.embedder);
    query.root.node =
        FuseNode{.k = kRrfK, .weights = {weights.dense, weights.text}, .children = std::move(legs)};
  }
  return query;
}

}  // namespace vouch
