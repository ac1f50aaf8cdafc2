#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "api/grpc/convert.h"
#include "rag/retriever.h"

namespace vouch {
namespace {

template <class Kind>
QueryNode NodeOf(Kind kind) {
  QueryNode node;
  node.node = std::move(kind);
  return node;
}

Rm3 Rm3Of(const v1::Rm3Feedback& message) {
  Rm3 rm3;
  if (message.documents() != 0) rm3.documents = message.documents();
  if (message.terms() != 0) rm3.terms = message.terms();
  if (message.has_original_weight()) rm3.original_weight = message.original_weight();
  return rm3;
}

Rocchio RocchioOf(const v1::RocchioFeedback& message) {
  Rocchio rocchio;
  if (message.documents() != 0) rocchio.documents = message.documents();
  if (message.has_alpha()) rocchio.alpha = message.alpha();
  if (message.has_beta()) rocchio.beta = message.beta();
  return rocchio;
}

FusionFeedback FeedbackOf(const v1::FusionFeedback& message) {
  FusionFeedback feedback;
  if (message.has_text()) feedback.text = Rm3Of(message.text());
  if (message.has_dense()) feedback.dense = RocchioOf(message.dense());
  if (message.has_text_weight()) feedback.text_weight = message.text_weight();
  if (message.has_dense_weight()) feedback.dense_weight = message.dense_weight();
  return feedback;
}

absl::StatusOr<FusionMethod> MethodOf(v1::FusionMethod method) {
  switch (method) {
    case v1::FUSION_METHOD_UNSPECIFIED:
    case v1::FUSION_METHOD_RRF:
      return FusionMethod::kRrf;
    case v1::FUSION_METHOD_MIN_MAX:
      return FusionMethod::kMinMax;
    case v1::FUSION_METHOD_Z_SCORE:
      return FusionMethod::kZScore;
    case v1::FUSION_METHOD_BOUNDS:
      return FusionMethod::kBounds;
    case v1::FUSION_METHOD_DBSF:
      return FusionMethod::kDbsf;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("query: fuse: unknown method ", int{method},
                       "; there are RRF, MIN_MAX, Z_SCORE, BOUNDS, DBSF"));
  }
}

absl::StatusOr<CrossEncoderRerank> CrossEncoderOf(const v1::CrossEncoderRerank& message) {
  CrossEncoderRerank cross{.model = message.model(),
                           .text = message.text(),
                           .path = message.path(),
                           .on_failure = CrossEncoderFailure::kError};
  switch (message.on_failure()) {
    case v1::CROSS_ENCODER_FAILURE_UNSPECIFIED:
    case v1::CROSS_ENCODER_FAILURE_ERROR:
      return cross;
    case v1::CROSS_ENCODER_FAILURE_KEEP_ORDER:
      cross.on_failure = CrossEncoderFailure::kKeepOrder;
      return cross;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("query: cross_encoder: unknown on_failure ", int{message.on_failure()},
                       "; there are ERROR, KEEP_ORDER"));
  }
}

// Turns messages into a tree. Bounds depth and number of nodes itself, so that nothing large is
// embedded or built for a query that would be refused afterwards.
class QueryConverter {
 public:
  explicit QueryConverter(const QueryContext& context) : context_(context) {}

  absl::StatusOr<QueryNode> Convert(v1::QueryNode&& message, uint32_t depth) {
    if (depth > QueryLimits::kMaxDepth) {
      return absl::InvalidArgumentError(
          absl::StrCat("query: nested deeper than ", QueryLimits::kMaxDepth));
    }
    if (++nodes_ > QueryLimits::kMaxNodes) {
      return absl::InvalidArgumentError(
          absl::StrCat("query: more than ", QueryLimits::kMaxNodes, " nodes"));
    }
    absl::StatusOr<QueryNode> node = ConvertKind(std::move(message), depth);
    if (!node.ok()) return node;
    node->limit = message.limit();
    absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(message);
    if (!filter.ok()) return filter.status();
    node->filter = *std::move(filter);
    return node;
  }

  std::string embedder;  // of the text queries met
  std::string fusion;

 private:
  // Leaves limit and filter of `message` as they are.
  absl::StatusOr<QueryNode> ConvertKind(v1::QueryNode&& message, uint32_t depth) {
    switch (message.node_case()) {
      case v1::QueryNode::kAll:
        return NodeOf(AllLeaf{message.all().order_by(), message.all().descending()});
      case v1::QueryNode::kDense:
        return ConvertDense(message.dense());
      case v1::QueryNode::kText:
        return ConvertTextLeaf(message.text());
      case v1::QueryNode::kFuse:
        return ConvertFuse(std::move(*message.mutable_fuse()), depth);
      case v1::QueryNode::kTextQuery:
        return ConvertTextQuery(message.text_query());
      case v1::QueryNode::kRecommend:
        return ConvertRecommend(std::move(*message.mutable_recommend()));
      case v1::QueryNode::kRerank:
        return ConvertRerank(std::move(*message.mutable_rerank()), depth);
      case v1::QueryNode::kSparse:
        return NodeOf(
            SparseLeaf{message.sparse().field(), SparseVectorOf(message.sparse().vector())});
      case v1::QueryNode::kMultiVector: {
        absl::StatusOr<MultiVector> tokens = TokensOf(message.multi_vector().tokens());
        if (!tokens.ok()) return tokens.status();
        return NodeOf(MultiVectorLeaf{message.multi_vector().field(), *std::move(tokens)});
      }
      case v1::QueryNode::NODE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "query: a node is not set; give one of all, dense, text, sparse, multi_vector, fuse, "
        "text_query, recommend, rerank");
  }

  static absl::StatusOr<MultiVector> TokensOf(
      const google::protobuf::RepeatedPtrField<v1::Vector>& messages) {
    // Before they are copied.
    if (static_cast<size_t>(messages.size()) > QueryLimits::kMaxQueryTokens) {
      return absl::InvalidArgumentError(absl::StrCat("query: ", messages.size(),
                                                     " tokens, at most ",
                                                     QueryLimits::kMaxQueryTokens));
    }
    absl::StatusOr<MultiVector> tokens = MultiVectorOf(messages);
    if (tokens.ok()) return tokens;
    return absl::InvalidArgumentError(absl::StrCat("query: ", tokens.status().message()));
  }

  absl::StatusOr<QueryNode> ConvertDense(const v1::DenseQuery& message) {
    absl::StatusOr<int> ef_search = EfSearchOf(message.ef_search());
    if (!ef_search.ok()) return ef_search.status();
    DenseLeaf leaf;
    leaf.field = message.field();
    absl::StatusOr<std::vector<float>> vector = VectorOf(message);
    if (!vector.ok()) return vector.status();
    leaf.vector = *std::move(vector);
    leaf.ef_search = *ef_search;
    leaf.exact = message.exact();
    if (message.has_feedback()) leaf.feedback = RocchioOf(message.feedback());
    return NodeOf(std::move(leaf));
  }

  static absl::StatusOr<QueryNode> ConvertTextLeaf(const v1::TextLeaf& message) {
    absl::StatusOr<TextLeaf> leaf = TextLeafOf(message);
    if (!leaf.ok()) return leaf.status();
    if (message.has_feedback()) leaf->feedback = Rm3Of(message.feedback());
    return NodeOf(*std::move(leaf));
  }

  static absl::StatusOr<int> EfSearchOf(uint32_t value) {
    if (value <= static_cast<uint32_t>(std::numeric_limits<int>::max()))
      return static_cast<int>(value);
    return absl::InvalidArgumentError(
        absl::StrCat("query: ef_search is ", value, ", at most 10000"));
  }

  static absl::StatusOr<QueryNode> ConvertRecommend(v1::RecommendQuery&& message) {
    RecommendLeaf leaf;
    leaf.field = message.field();
    absl::StatusOr<int> ef_search = EfSearchOf(message.ef_search());
    if (!ef_search.ok()) return ef_search.status();
    leaf.ef_search = *ef_search;
    leaf.exact = message.exact();
    switch (message.strategy()) {
      case v1::RECOMMEND_STRATEGY_UNSPECIFIED:
      case v1::RECOMMEND_STRATEGY_AVERAGE_VECTOR:
        leaf.strategy = RecommendStrategy::kAverageVector;
        break;
      case v1::RECOMMEND_STRATEGY_BEST_SCORE:
        leaf.strategy = RecommendStrategy::kBestScore;
        break;
      default:
        return absl::InvalidArgumentError(absl::StrCat("query: unknown recommend strategy ",
                                                       int{message.strategy()},
                                                       "; there are AVERAGE_VECTOR, BEST_SCORE"));
    }
    absl::Status status = ConvertExamples(*message.mutable_positive(), "positive", &leaf.positive);
    if (status.ok())
      status = ConvertExamples(*message.mutable_negative(), "negative", &leaf.negative);
    if (!status.ok()) return status;
    return NodeOf(std::move(leaf));
  }

  static absl::Status ConvertExamples(google::protobuf::RepeatedPtrField<v1::Example>& messages,
                                      const char* name, std::vector<Example>* examples) {
    if (static_cast<size_t>(messages.size()) > QueryLimits::kMaxExamples) {
      return absl::InvalidArgumentError(absl::StrCat(
          "query: ", messages.size(), " ", name, " examples, at most ", QueryLimits::kMaxExamples));
    }
    for (const v1::Example& message : messages) {
      switch (message.example_case()) {
        case v1::Example::kId: {
          absl::StatusOr<PointId> id = PointIdOf(message.id());
          if (!id.ok()) {
            return absl::InvalidArgumentError(
                absl::StrCat("query: ", name, "[", examples->size(), "]: ", id.status().message()));
          }
          examples->emplace_back(*std::move(id));
          break;
        }
        case v1::Example::kVector:
          examples->emplace_back(std::vector<float>(message.vector().values().begin(),
                                                    message.vector().values().end()));
          break;
        case v1::Example::EXAMPLE_NOT_SET:
          return absl::InvalidArgumentError(absl::StrCat("query: ", name, "[", examples->size(),
                                                         "] is neither an id nor a vector"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<QueryNode> ConvertFuse(v1::FuseQuery&& message, uint32_t depth) {
    FuseNode fuse;
    if (message.k() != 0) fuse.k = message.k();
    const absl::StatusOr<FusionMethod> method = MethodOf(message.method());
    if (!method.ok()) return method.status();
    fuse.method = *method;
    fuse.by_reliability = message.by_reliability();
    if (message.has_feedback()) fuse.feedback = FeedbackOf(message.feedback());
    fuse.weights.assign(message.weights().begin(), message.weights().end());
    for (v1::QueryNode& child : *message.mutable_children()) {
      absl::StatusOr<QueryNode> node = Convert(std::move(child), depth + 1);
      if (!node.ok()) return node;
      fuse.children.push_back(*std::move(node));
    }
    return NodeOf(std::move(fuse));
  }

  absl::StatusOr<QueryNode> ConvertRerank(v1::RerankQuery&& message, uint32_t depth) {
    RerankNode rerank;
    switch (message.method_case()) {
      case v1::RerankQuery::kExact: {
        ExactRerank exact;
        exact.field = message.exact().field();
        absl::StatusOr<std::vector<float>> vector = VectorOf(message.exact());
        if (!vector.ok()) return vector.status();
        exact.vector = *std::move(vector);
        rerank.method = std::move(exact);
        break;
      }
      case v1::RerankQuery::kMmr: {
        MmrRerank mmr;
        mmr.field = message.mmr().field();
        absl::StatusOr<std::vector<float>> vector = VectorOf(message.mmr());
        if (!vector.ok()) return vector.status();
        mmr.vector = *std::move(vector);
        if (message.mmr().has_lambda()) mmr.lambda = message.mmr().lambda();
        rerank.method = std::move(mmr);
        break;
      }
      case v1::RerankQuery::kFormula:
        rerank.method = FormulaRerank{message.formula().formula(), message.formula().missing()};
        break;
      case v1::RerankQuery::kCrossEncoder: {
        absl::StatusOr<CrossEncoderRerank> cross = CrossEncoderOf(message.cross_encoder());
        if (!cross.ok()) return cross.status();
        rerank.method = *std::move(cross);
        break;
      }
      case v1::RerankQuery::kMaxsim: {
        absl::StatusOr<MultiVector> tokens = TokensOf(message.maxsim().tokens());
        if (!tokens.ok()) return tokens.status();
        rerank.method = MaxSimRerank{message.maxsim().field(), *std::move(tokens)};
        break;
      }
      case v1::RerankQuery::METHOD_NOT_SET:
        return absl::InvalidArgumentError(
            "query: a reranking has no method; give one of exact, mmr, formula, cross_encoder, "
            "maxsim");
    }
    absl::StatusOr<QueryNode> child = Convert(std::move(*message.mutable_child()), depth + 1);
    if (!child.ok()) return child;
    rerank.children.push_back(*std::move(child));
    return NodeOf(std::move(rerank));
  }

  // The message's vector, or its text embedded by the field's embedder.
  template <class Message>
  absl::StatusOr<std::vector<float>> VectorOf(const Message& message) {
    if (message.text().empty()) {
      return std::vector<float>(message.vector().begin(), message.vector().end());
    }
    if (message.vector_size() != 0) {
      return absl::InvalidArgumentError("query: a text and a vector were both given; take one");
    }
    if (message.text().size() > QueryLimits::kMaxQueryTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat("query: the text has ", message.text().size(),
                                                     " bytes, at most ",
                                                     QueryLimits::kMaxQueryTextBytes));
    }
    absl::StatusOr<EmbeddedText> embedded =
        EmbedQuery(context_.collection, context_.embedders, message.field(), message.text(),
                   context_.at, context_.cancel);
    if (!embedded.ok()) return embedded.status();
    embedder = embedded->embedder;
    return std::move(embedded->vector);
  }

  absl::StatusOr<QueryNode> ConvertTextQuery(const v1::TextQuery& message) {
    if (message.text().empty()) return absl::InvalidArgumentError("query: the text is empty");
    if (message.text().size() > QueryLimits::kMaxQueryTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat("query: the text has ", message.text().size(),
                                                     " bytes, at most ",
                                                     QueryLimits::kMaxQueryTextBytes));
    }
    absl::StatusOr<RetrievalMode> mode = ModeOf(message.mode());
    if (!mode.ok()) return mode.status();
    absl::StatusOr<TextQuery> query =
        BuildTextQuery(context_.collection, context_.embedders, message.text(), *mode, context_.at,
                       context_.cancel);
    if (!query.ok()) return query.status();
    if (!query->embedder.empty()) embedder = query->embedder;
    if (!query->fusion.empty()) fusion = query->fusion;
    return std::move(query->root);
  }

  const QueryContext& context_;
  uint32_t nodes_ = 0;
};

}  // namespace

absl::StatusOr<ConvertedQuery> QueryOf(v1::QueryNode&& message, const QueryContext& context) {
  QueryConverter converter(context);
  absl::StatusOr<QueryNode> root = converter.Convert(std::move(message), 1);
  if (!root.ok()) return root.status();
  return ConvertedQuery{*std::move(root), std::move(converter.embedder),
                        std::move(converter.fusion)};
}

absl::StatusOr<RetrievalMode> ModeOf(v1::RetrievalMode mode) {
  switch (mode) {
    case v1::RETRIEVAL_MODE_DENSE:
      return RetrievalMode::kDense;
    case v1::RETRIEVAL_MODE_TEXT:
      return RetrievalMode::kText;
    case v1::RETRIEVAL_MODE_UNSPECIFIED:
    case v1::RETRIEVAL_MODE_HYBRID:
      return RetrievalMode::kHybrid;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("mode: unknown value ", int{mode}, "; there are DENSE, TEXT, HYBRID"));
  }
}

void FillValue(const PayloadValue& value, PayloadType type, v1::Value* message) {
  if (const auto* flag = std::get_if<bool>(&value)) message->set_boolean(*flag);
  if (const auto* real = std::get_if<double>(&value)) message->set_number(*real);
  if (const auto* text = std::get_if<std::string>(&value)) message->set_text(*text);
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    if (type == PayloadType::kDatetime) {
      message->set_text(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", absl::FromUnixMicros(*whole),
                                         absl::UTCTimeZone()));
    } else {
      message->set_integer(*whole);
    }
  }
}

void FillHit(PointHit&& hit, v1::Hit* message) {
  message->set_score(hit.score);
  message->set_row(hit.row.value);
  for (NodeScore& score : hit.explanation) {
    v1::NodeScore* node = message->add_explanation();
    node->set_node(std::move(score.node));
    node->set_rank(score.rank);
    node->set_score(score.score);
    node->set_contribution(score.contribution);
    node->set_normalized(score.normalized);
    node->set_weight(score.weight);
    node->set_note(std::move(score.note));
    for (TermContribution& contribution : score.terms) {
      v1::TermContribution* term = node->add_terms();
      term->set_term(std::move(contribution.term));
      term->set_frequency(contribution.frequency);
      term->set_document_frequency(contribution.document_frequency);
      term->set_idf(contribution.idf);
      term->set_query_weight(contribution.query_weight);
      term->set_score(contribution.score);
      term->set_field(std::move(contribution.field));
      term->set_asked(std::move(contribution.asked));
    }
    for (const SparseContribution& contribution : score.sparse_terms) {
      v1::SparseContribution* term = node->add_sparse_terms();
      term->set_index(contribution.index);
      term->set_query_weight(contribution.query_weight);
      term->set_weight(contribution.weight);
      term->set_score(contribution.score);
    }
    for (const TokenMatch& match : score.token_matches) {
      v1::TokenMatch* token = node->add_token_matches();
      token->set_query_token(match.query_token);
      token->set_token(match.token);
      token->set_score(match.score);
    }
  }
  for (Highlight& highlight : hit.highlights) {
    v1::Highlight* mark = message->add_highlights();
    mark->set_field(std::move(highlight.field));
    mark->set_path(std::move(highlight.path));
    mark->set_element(highlight.element);
    mark->set_begin(highlight.begin);
    mark->set_end(highlight.end);
    mark->set_term(std::move(highlight.term));
  }
  FillPoint(std::move(hit), message->mutable_point());
}

}  // namespace vouch
