#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/convert_alter.h"

namespace vouch {
namespace {

absl::StatusOr<Metric> MetricOf(v1::Metric metric, const std::string& field) {
  switch (metric) {
    case v1::METRIC_UNSPECIFIED:
    case v1::METRIC_COSINE:
      return Metric::kCosine;
    case v1::METRIC_INNER_PRODUCT:
      return Metric::kInnerProduct;
    case v1::METRIC_L2:
      return Metric::kL2;
    case v1::METRIC_HAMMING:
      return Metric::kHamming;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("field '", field, "': unknown metric ", int{metric}));
  }
}

absl::StatusOr<VectorType> TypeOf(v1::VectorType type, const std::string& field) {
  switch (type) {
    case v1::VECTOR_TYPE_UNSPECIFIED:
    case v1::VECTOR_TYPE_F32:
      return VectorType::kF32;
    case v1::VECTOR_TYPE_F16:
      return VectorType::kF16;
    case v1::VECTOR_TYPE_I8:
      return VectorType::kI8;
    case v1::VECTOR_TYPE_BIT:
      return VectorType::kBit;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("field '", field, "': unknown vector type ", int{type}));
  }
}

absl::StatusOr<DenseIndexKind> IndexOf(v1::DenseIndexKind kind, const std::string& field) {
  switch (kind) {
    case v1::DENSE_INDEX_KIND_UNSPECIFIED:
    case v1::DENSE_INDEX_KIND_HNSW:
      return DenseIndexKind::kHnsw;
    case v1::DENSE_INDEX_KIND_FLAT:
      return DenseIndexKind::kFlat;
    case v1::DENSE_INDEX_KIND_IVF_FLAT:
      return DenseIndexKind::kIvfFlat;
    case v1::DENSE_INDEX_KIND_IVF_PQ:
      return DenseIndexKind::kIvfPq;
    case v1::DENSE_INDEX_KIND_AUTO:
      return DenseIndexKind::kAuto;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("dense field '", field, "': unknown index kind ", int{kind}));
  }
}

absl::StatusOr<PayloadType> PayloadTypeOf(v1::PayloadType type, const std::string& path) {
  switch (type) {
    case v1::PAYLOAD_TYPE_UNSPECIFIED:
    case v1::PAYLOAD_TYPE_KEYWORD:
      return PayloadType::kKeyword;
    case v1::PAYLOAD_TYPE_INTEGER:
      return PayloadType::kInteger;
    case v1::PAYLOAD_TYPE_FLOAT:
      return PayloadType::kFloat;
    case v1::PAYLOAD_TYPE_BOOL:
      return PayloadType::kBool;
    case v1::PAYLOAD_TYPE_DATETIME:
      return PayloadType::kDatetime;
    case v1::PAYLOAD_TYPE_GEO:
      return PayloadType::kGeo;
    case v1::PAYLOAD_TYPE_TEXT:
      return PayloadType::kText;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("payload field '", path, "': unknown type ", int{type}));
  }
}

// An option of the graph; 0 keeps the default. Bounds that an int cannot hold are refused here, the
// others by Validate.
absl::Status SetOption(uint32_t value, const std::string& field, const std::string& name,
                       int* option) {
  constexpr uint32_t kLargest = 1'000'000;
  if (value > kLargest) {
    return absl::InvalidArgumentError(absl::StrCat("dense field '", field, "': hnsw.", name, " is ",
                                                   value, ", more than ", kLargest));
  }
  if (value != 0) *option = static_cast<int>(value);
  return absl::OkStatus();
}

absl::StatusOr<DenseField> DenseFieldOf(const v1::DenseField& message) {
  DenseField field;
  field.name = message.name();
  field.dim = message.dim();
  field.embedder = message.embedder();
  absl::StatusOr<Metric> metric = MetricOf(message.metric(), message.name());
  if (!metric.ok()) return metric.status();
  field.metric = *metric;
  absl::StatusOr<VectorType> type = TypeOf(message.type(), message.name());
  if (!type.ok()) return type.status();
  field.type = *type;
  // Bits are compared in one way, so that either is said by the other.
  if (field.type == VectorType::kBit && message.metric() == v1::METRIC_UNSPECIFIED) {
    field.metric = Metric::kHamming;
  }
  if (field.metric == Metric::kHamming && message.type() == v1::VECTOR_TYPE_UNSPECIFIED) {
    field.type = VectorType::kBit;
  }
  absl::StatusOr<DenseIndexKind> index = IndexOf(message.index(), message.name());
  if (!index.ok()) return index.status();
  field.index = *index;
  field.recall_target = message.recall_target();
  const v1::HnswOptions& hnsw = message.hnsw();
  absl::Status status = SetOption(hnsw.m(), field.name, "m", &field.hnsw.m);
  status.Update(SetOption(hnsw.ef_construction(), field.name, "ef_construction",
                          &field.hnsw.ef_construction));
  status.Update(SetOption(hnsw.ef_search(), field.name, "ef_search", &field.hnsw.ef_search));
  if (!status.ok()) return status;
  return field;
}

absl::StatusOr<MultiVectorField> MultiVectorFieldOf(const v1::MultiVectorField& message) {
  MultiVectorField field;
  field.name = message.name();
  field.dim = message.dim();
  absl::StatusOr<Metric> metric = MetricOf(message.metric(), message.name());
  if (!metric.ok()) return metric.status();
  field.metric = *metric;
  absl::StatusOr<VectorType> type = TypeOf(message.type(), message.name());
  if (!type.ok()) return type.status();
  field.type = *type;
  return field;
}

v1::Metric MessageOf(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return v1::METRIC_COSINE;
    case Metric::kInnerProduct:
      return v1::METRIC_INNER_PRODUCT;
    case Metric::kL2:
      return v1::METRIC_L2;
    case Metric::kHamming:
      return v1::METRIC_HAMMING;
  }
  return v1::METRIC_UNSPECIFIED;
}

v1::VectorType MessageOf(VectorType type) {
  switch (type) {
    case VectorType::kF32:
      return v1::VECTOR_TYPE_F32;
    case VectorType::kF16:
      return v1::VECTOR_TYPE_F16;
    case VectorType::kI8:
      return v1::VECTOR_TYPE_I8;
    case VectorType::kBit:
      return v1::VECTOR_TYPE_BIT;
  }
  return v1::VECTOR_TYPE_UNSPECIFIED;
}

v1::PayloadType MessageOf(PayloadType type) {
  switch (type) {
    case PayloadType::kKeyword:
      return v1::PAYLOAD_TYPE_KEYWORD;
    case PayloadType::kInteger:
      return v1::PAYLOAD_TYPE_INTEGER;
    case PayloadType::kFloat:
      return v1::PAYLOAD_TYPE_FLOAT;
    case PayloadType::kBool:
      return v1::PAYLOAD_TYPE_BOOL;
    case PayloadType::kDatetime:
      return v1::PAYLOAD_TYPE_DATETIME;
    case PayloadType::kGeo:
      return v1::PAYLOAD_TYPE_GEO;
    case PayloadType::kText:
      return v1::PAYLOAD_TYPE_TEXT;
  }
  return v1::PAYLOAD_TYPE_UNSPECIFIED;
}

}  // namespace

v1::DenseIndexKind MessageOf(DenseIndexKind kind) {
  switch (kind) {
    case DenseIndexKind::kFlat:
      return v1::DENSE_INDEX_KIND_FLAT;
    case DenseIndexKind::kHnsw:
      return v1::DENSE_INDEX_KIND_HNSW;
    case DenseIndexKind::kIvfFlat:
      return v1::DENSE_INDEX_KIND_IVF_FLAT;
    case DenseIndexKind::kIvfPq:
      return v1::DENSE_INDEX_KIND_IVF_PQ;
    case DenseIndexKind::kAuto:
      return v1::DENSE_INDEX_KIND_AUTO;
  }
  return v1::DENSE_INDEX_KIND_UNSPECIFIED;
}

absl::StatusOr<CollectionSchema> SchemaOf(const v1::Schema& message) {
  CollectionSchema schema;
  for (const v1::DenseField& dense : message.dense()) {
    absl::StatusOr<DenseField> field = DenseFieldOf(dense);
    if (!field.ok()) return field.status();
    schema.dense.push_back(*std::move(field));
  }
  for (const v1::TextField& text : message.text()) {
    TextField& field = schema.text.emplace_back();
    field.name = text.name();
    field.paths.assign(text.paths().begin(), text.paths().end());
    if (!text.language().empty()) field.language = text.language();
    if (text.has_k1()) field.k1 = text.k1();
    if (text.has_b()) field.b = text.b();
  }
  for (const v1::PayloadField& payload : message.payload()) {
    absl::StatusOr<PayloadType> type = PayloadTypeOf(payload.type(), payload.path());
    if (!type.ok()) return type.status();
    PayloadField& field = schema.payload.emplace_back();
    field.path = payload.path();
    field.type = *type;
    if (!payload.language().empty()) field.language = payload.language();
  }
  for (const v1::SparseField& sparse : message.sparse()) schema.sparse.push_back({.name = sparse.name()});
  for (const v1::MultiVectorField& multi : message.multi_vector()) {
    absl::StatusOr<MultiVectorField> field = MultiVectorFieldOf(multi);
    if (!field.ok()) return field.status();
    schema.multi_vector.push_back(*std::move(field));
  }
  absl::StatusOr<RetentionPolicy> retention = RetentionOf(message.retention());
  if (!retention.ok()) return retention.status();
  schema.retention = *retention;
  absl::StatusOr<TtlPolicy> ttl = TtlOf(message.ttl());
  if (!ttl.ok()) return ttl.status();
  schema.ttl = *std::move(ttl);
  return schema;
}

void FillSchema(const CollectionSchema& schema, v1::Schema* message) {
  for (const DenseField& field : schema.dense) {
    if (field.dropped) continue;
    v1::DenseField* dense = message->add_dense();
    dense->set_name(field.name);
    dense->set_dim(field.dim);
    dense->set_metric(MessageOf(field.metric));
    dense->set_type(MessageOf(field.type));
    dense->set_index(MessageOf(field.index));
    dense->set_recall_target(field.recall_target);
    if (field.index != DenseIndexKind::kFlat) {
      dense->mutable_hnsw()->set_m(field.hnsw.m);
      dense->mutable_hnsw()->set_ef_construction(field.hnsw.ef_construction);
      dense->mutable_hnsw()->set_ef_search(field.hnsw.ef_search);
    }
    dense->set_embedder(field.embedder);
  }
  for (const TextField& field : schema.text) {
    v1::TextField* text = message->add_text();
    text->set_name(field.name);
    for (const std::string& path : field.paths) text->add_paths(path);
    text->set_language(field.language);
    text->set_k1(field.k1);
    text->set_b(field.b);
  }
  for (const PayloadField& field : schema.payload) {
    v1::PayloadField* payload = message->add_payload();
    payload->set_path(field.path);
    payload->set_type(MessageOf(field.type));
    if (field.type == PayloadType::kText) payload->set_language(field.language);
  }
  for (const SparseField& field : schema.sparse) {
    if (!field.dropped) message->add_sparse()->set_name(field.name);
  }
  for (const MultiVectorField& field : schema.multi_vector) {
    if (field.dropped) continue;
    v1::MultiVectorField* multi = message->add_multi_vector();
    multi->set_name(field.name);
    multi->set_dim(field.dim);
    multi->set_metric(MessageOf(field.metric));
    multi->set_type(MessageOf(field.type));
  }
  if (schema.retention != RetentionPolicy()) FillRetention(schema.retention, message->mutable_retention());
  if (!schema.ttl.empty()) FillTtl(schema.ttl, message->mutable_ttl());
}

}  // namespace vouch
