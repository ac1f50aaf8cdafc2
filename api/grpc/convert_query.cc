#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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

 private:
  // Leaves limit and filter of `message` as they are.
  absl::StatusOr<QueryNode> ConvertKind(v1::QueryNode&& message, uint32_t depth) {
    switch (message.node_case()) {
      case v1::QueryNode::kAll:
        return NodeOf(AllLeaf{});
      case v1::QueryNode::kDense:
        return ConvertDense(message.dense());
      case v1::QueryNode::kText:
        return NodeOf(TextLeaf{message.text().field(), message.text().text()});
      case v1::QueryNode::kFuse:
        return ConvertFuse(std::move(*message.mutable_fuse()), depth);
      case v1::QueryNode::kTextQuery:
        return ConvertTextQuery(message.text_query());
      case v1::QueryNode::kSparse:
        return NodeOf(
            SparseLeaf{message.sparse().field(), SparseVectorOf(message.sparse().vector())});
      case v1::QueryNode::NODE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        "query: a node is not set; give one of all, dense, text, sparse, fuse, text_query");
  }

  static absl::StatusOr<QueryNode> ConvertDense(const v1::DenseQuery& message) {
    if (message.ef_search() > static_cast<uint32_t>(std::numeric_limits<int>::max())) {
      return absl::InvalidArgumentError(
          absl::StrCat("query: ef_search is ", message.ef_search(), ", at most 10000"));
    }
    DenseLeaf leaf;
    leaf.field = message.field();
    leaf.vector.assign(message.vector().begin(), message.vector().end());
    leaf.ef_search = static_cast<int>(message.ef_search());
    leaf.exact = message.exact();
    return NodeOf(std::move(leaf));
  }

  absl::StatusOr<QueryNode> ConvertFuse(v1::FuseQuery&& message, uint32_t depth) {
    FuseNode fuse;
    if (message.k() != 0) fuse.k = message.k();
    fuse.weights.assign(message.weights().begin(), message.weights().end());
    for (v1::QueryNode& child : *message.mutable_children()) {
      absl::StatusOr<QueryNode> node = Convert(std::move(child), depth + 1);
      if (!node.ok()) return node;
      fuse.children.push_back(*std::move(node));
    }
    return NodeOf(std::move(fuse));
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
  return ConvertedQuery{*std::move(root), std::move(converter.embedder)};
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

void FillHit(PointHit&& hit, v1::Hit* message) {
  message->set_score(hit.score);
  message->set_row(hit.row.value);
  for (NodeScore& score : hit.explanation) {
    v1::NodeScore* node = message->add_explanation();
    node->set_node(std::move(score.node));
    node->set_rank(score.rank);
    node->set_score(score.score);
    node->set_contribution(score.contribution);
    for (TermContribution& contribution : score.terms) {
      v1::TermContribution* term = node->add_terms();
      term->set_term(std::move(contribution.term));
      term->set_frequency(contribution.frequency);
      term->set_document_frequency(contribution.document_frequency);
      term->set_idf(contribution.idf);
      term->set_score(contribution.score);
    }
    for (const SparseContribution& contribution : score.sparse_terms) {
      v1::SparseContribution* term = node->add_sparse_terms();
      term->set_index(contribution.index);
      term->set_query_weight(contribution.query_weight);
      term->set_weight(contribution.weight);
      term->set_score(contribution.score);
    }
  }
  FillPoint(std::move(hit), message->mutable_point());
}

}  // namespace vouch
