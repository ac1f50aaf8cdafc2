#include "rag/retriever.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "index/inverted/analyzer.h"
#include "storage/concat.h"

namespace vouch {
namespace {

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

absl::StatusOr<EmbeddedTexts> EmbedTexts(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view field, std::span<const std::string> texts,
                                         Version at, const CancelToken& cancel) {
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
  absl::StatusOr<std::vector<std::vector<float>>> vectors = (*embedder)->Embed(texts, cancel);
  if (!vectors.ok()) return vectors.status();
  return EmbeddedTexts{*std::move(vectors), (*embedder)->id(), (*embedder)->dim()};
}

absl::StatusOr<EmbeddedText> EmbedQuery(Collection& collection, EmbedderRegistry& embedders,
                                        std::string_view field, std::string_view text, Version at,
                                        const CancelToken& cancel) {
  const std::string texts[] = {std::string(text)};
  absl::StatusOr<EmbeddedTexts> embedded =
      EmbedTexts(collection, embedders, field, texts, at, cancel);
  if (!embedded.ok()) return embedded.status();
  if (embedded->vectors.front().empty()) {
    return absl::InvalidArgumentError(Concat("the text \"", Escape(text.substr(0, 80)),
                                             "\" says nothing to the embedder ", embedded->embedder,
                                             ": it knows none of its words"));
  }
  return EmbeddedText{std::move(embedded->vectors.front()), std::move(embedded->embedder)};
}

absl::StatusOr<TextLegs> BuildTextLegs(Collection& collection, EmbedderRegistry& embedders,
                                       std::string_view text, RetrievalMode mode, Version at,
                                       const CancelToken& cancel) {
  const CollectionSchema& schema = collection.schema();
  const Fields fields = FindFields(schema);
  if (absl::Status status = CheckQuestion(collection, fields, text, mode); !status.ok())
    return status;
  TextLegs built;
  if (mode != RetrievalMode::kText && fields.dense >= 0) {
    absl::StatusOr<std::shared_ptr<const Embedder>> embedder =
        embedders.Resolve(collection, fields.dense, at);
    if (!embedder.ok()) return embedder.status();
    const std::string texts[] = {std::string(text)};
    absl::StatusOr<std::vector<std::vector<float>>> vectors = (*embedder)->Embed(texts, cancel);
    if (!vectors.ok()) return vectors.status();
    built.embedder = (*embedder)->id();
    if (!vectors->front().empty()) {
      built.legs.push_back(
          {.node = DenseLeaf{.field = schema.dense[static_cast<size_t>(fields.dense)].name,
                             .vector = std::move(vectors->front())},
           .filter = std::nullopt});
    }
  }
  // A text without a known term makes a leaf without hits, which adds nothing to a fusion.
  if (mode != RetrievalMode::kDense && fields.text >= 0) {
    built.legs.push_back(
        {.node = TextLeaf{.field = schema.text[static_cast<size_t>(fields.text)].name,
                          .text = std::string(text)},
         .filter = std::nullopt});
  }
  return built;
}

absl::Status AddPhrases(const CollectionSchema& schema, TextLegs& legs) {
  const auto leg = std::find_if(legs.legs.begin(), legs.legs.end(), [](const QueryNode& node) {
    return std::holds_alternative<TextLeaf>(node.node);
  });
  if (leg == legs.legs.end()) return absl::OkStatus();
  const auto& leaf = std::get<TextLeaf>(leg->node);
  const int field = schema.FindText(leaf.field);
  const absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer =
      Analyzer::Create(schema.text[static_cast<size_t>(field)].language);
  if (!analyzer.ok()) return analyzer.status();
  const std::vector<Token> words = (*analyzer)->Tokenize(leaf.text);
  const std::string_view text = leaf.text;
  TextBoolean any;
  for (size_t i = 1; i < words.size() && any.should.size() < kMaxPhrases; ++i) {
    const auto [first, second] = std::pair(words[i - 1], words[i]);
    std::string pair = Concat(text.substr(first.begin, first.end - first.begin), " ",
                              text.substr(second.begin, second.end - second.begin));
    any.should.push_back({.kind = TextPhrase{.text = std::move(pair)}});
  }
  if (any.should.empty()) return absl::OkStatus();
  TextLeaf phrases{.field = leaf.field};
  phrases.clause = TextClause{.kind = std::move(any)};
  legs.phrases = QueryNode{.node = std::move(phrases), .filter = std::nullopt};
  return absl::OkStatus();
}

QueryNode FuseLegs(TextLegs legs, const FusionSettings& settings) {
  if (legs.legs.empty()) return NoHits();
  if (legs.legs.size() == 1) return std::move(legs.legs.front());
  FuseNode fuse;
  const auto add = [&](QueryNode&& leg, double weight) {
    if (weight == 0) return;
    fuse.weights.push_back(weight);
    fuse.children.push_back(std::move(leg));
  };
  for (QueryNode& leg : legs.legs) {
    const bool text = std::holds_alternative<TextLeaf>(leg.node);
    add(std::move(leg), text ? settings.text_weight : settings.dense_weight);
  }
  if (legs.phrases) add(*std::move(legs.phrases), settings.text_weight * settings.phrase_weight);
  if (fuse.children.empty()) return NoHits();
  if (fuse.children.size() == 1 && settings.feedback_weight == 0)
    return std::move(fuse.children.front());
  fuse.method = settings.method;
  fuse.by_reliability = settings.by_reliability;
  if (settings.feedback_weight > 0) {
    fuse.feedback = FusionFeedback{.text = Rm3{},
                                   .dense = Rocchio{},
                                   .text_weight = settings.feedback_weight,
                                   .dense_weight = settings.feedback_weight};
  }
  return {.node = std::move(fuse), .filter = std::nullopt};
}

absl::StatusOr<std::optional<FusionEntry>> TunedFusionAt(Collection& collection, Version at) {
  const absl::StatusOr<std::optional<std::string>> kept =
      collection.store().GetDocument(collection.id(), kFusionHistoryKey);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return std::nullopt;
  const absl::StatusOr<std::vector<FusionEntry>> history = DecodeFusionHistory(**kept);
  if (!history.ok()) return history.status();
  const FusionEntry* entry = FindFusionAt(*history, at);
  if (entry == nullptr) return std::nullopt;
  return *entry;
}

absl::StatusOr<TextQuery> BuildTextQuery(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view text, RetrievalMode mode, Version at,
                                         const CancelToken& cancel) {
  absl::StatusOr<TextLegs> legs = BuildTextLegs(collection, embedders, text, mode, at, cancel);
  if (!legs.ok()) return legs.status();
  TextQuery query;
  query.embedder = legs->embedder;
  FusionSettings settings;
  if (mode == RetrievalMode::kHybrid) {
    const absl::StatusOr<std::optional<FusionEntry>> tuned = TunedFusionAt(collection, at);
    if (!tuned.ok()) return tuned.status();
    if (tuned->has_value()) {
      settings = (*tuned)->tuned.settings;
      query.fusion = (*tuned)->id();
    }
  }
  if (settings.phrase_weight > 0) {
    absl::Status status = AddPhrases(collection.schema(), *legs);
    if (!status.ok()) return status;
  }
  query.root = FuseLegs(*std::move(legs), settings);
  return query;
}

}  // namespace vouch
