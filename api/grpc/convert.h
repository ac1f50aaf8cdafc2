#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "api/grpc/services.h"
#include "index/payload/filter.h"
#include "query/collection.h"
#include "query/database.h"
#include "query/search.h"
#include "rag/answer.h"
#include "rag/pipeline.h"
#include "storage/schema.h"
#include "vouch/v1/answers.pb.h"
#include "vouch/v1/collections.pb.h"
#include "vouch/v1/pipelines.pb.h"
#include "vouch/v1/points.pb.h"
#include "vouch/v1/search.pb.h"

namespace vouch {

// Between messages and the engine's types. To the engine: INVALID_ARGUMENT names the field of the
// message.

absl::StatusOr<CollectionSchema> SchemaOf(const v1::Schema& message);
void FillSchema(const CollectionSchema& schema, v1::Schema* message);
v1::DenseIndexKind MessageOf(DenseIndexKind kind);
void FillServerMemory(const DatabaseMemory& memory, v1::ServerMemory* message);

absl::StatusOr<PointId> PointIdOf(const v1::PointId& message);
void FillPointId(const PointId& id, v1::PointId* message);
// `what` names the field in errors: "points[3]".
absl::StatusOr<PointInput> PointInputOf(v1::Point&& message, const std::string& what,
                                        bool keep_provenance = false);
absl::StatusOr<std::vector<WriteCondition>> ConditionsOf(
    const google::protobuf::RepeatedPtrField<v1::WriteCondition>& messages);
absl::StatusOr<UpdateRequest> UpdateOf(const v1::UpdateRequest& message);
absl::StatusOr<PointSelection> SelectionOf(const v1::PointSelection& message);
void FillWriteReply(const WriteResult& result, v1::WriteReply* message);
void FillPoint(PointHit&& hit, v1::Point* message);
Projection ProjectionOf(const v1::Projection& message);
SparseVector SparseVectorOf(const v1::SparseVector& message);
// The tokens one after the other. Those of another length than the first are named by number.
absl::StatusOr<MultiVector> MultiVectorOf(
    const google::protobuf::RepeatedPtrField<v1::Vector>& tokens);
// By field, sorted by name; `what` names the point in errors.
absl::StatusOr<std::vector<std::pair<std::string, MultiVector>>> MultiVectorsOf(
    const google::protobuf::Map<std::string, v1::MultiVector>& messages, const std::string& what);

absl::StatusOr<Filter> FilterOf(const v1::Filter& message);
// nullopt where the message has no condition at all.
template <class Request>
absl::StatusOr<std::optional<Filter>> OptionalFilterOf(const Request& request) {
  if (!request.has_filter()) return std::nullopt;
  absl::StatusOr<Filter> filter = FilterOf(request.filter());
  if (!filter.ok()) return filter.status();
  return std::optional<Filter>(*std::move(filter));
}

// What a query in words needs to become a tree.
struct QueryContext {
  Collection& collection;
  EmbedderRegistry& embedders;
  Version at;
  CancelToken cancel;
};
struct ConvertedQuery {
  QueryNode root;
  std::string embedder;  // of its TextQuery nodes; empty where there is none
  std::string fusion;    // likewise, where one was tuned
};
absl::StatusOr<ConvertedQuery> QueryOf(v1::QueryNode&& message, const QueryContext& context);
// A text leaf without its feedback.
absl::StatusOr<TextLeaf> TextLeafOf(const v1::TextLeaf& message);
absl::StatusOr<RetrievalMode> ModeOf(v1::RetrievalMode mode);

// A value of a payload field of the type.
void FillValue(const PayloadValue& value, PayloadType type, v1::Value* message);
void FillHit(PointHit&& hit, v1::Hit* message);
void FillAnswer(Answer&& answer, v1::Answer* message);
void FillCitation(Citation&& citation, v1::Citation* message);
void FillSource(AnswerSource&& source, v1::AnswerSource* message);
void FillSpan(const ByteSpan& span, v1::Span* message);
absl::StatusOr<PipelineSpec> PipelineSpecOf(const v1::PipelineSpec& message);
void FillPipelineSpec(const PipelineSpec& spec, v1::PipelineSpec* message);
// Reads the queries of pipelines; borrows the registry.
TreeBuilder PipelineTrees(EmbedderRegistry& embedders);
void FillAttempt(ModelAttempt&& attempt, v1::ModelAttempt* message);
void FillGeneration(Generation&& generation, v1::Generation* message);

}  // namespace vouch
