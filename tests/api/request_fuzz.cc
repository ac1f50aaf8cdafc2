// Messages from the network: conversion to filters, schemas and points refuses or gives something
// that the layers below can check.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <string>
#include <vector>

#include "api/grpc/convert.h"

std::vector<std::string> FuzzSeeds() {
  vouch::v1::SearchRequest request;
  request.mutable_filter()->set_expression("year >= 2020 and not lang in ('en', 'de')");
  vouch::v1::Filter structured;
  vouch::v1::Comparison* comparison =
      structured.mutable_all_of()->add_filters()->mutable_comparison();
  comparison->set_path("year");
  comparison->set_op(vouch::v1::Comparison::IN);
  comparison->add_values()->set_integer(1);
  structured.mutable_all_of()->add_filters()->mutable_negate()->set_exists("lang");
  structured.mutable_all_of()
      ->add_filters()
      ->mutable_any_of()
      ->add_filters()
      ->mutable_has_id()
      ->add_ids()
      ->set_text("a");
  vouch::v1::Schema schema;
  schema.add_dense()->set_name("v");
  schema.add_text()->add_paths("text");
  schema.add_payload()->set_path("year");
  schema.add_sparse()->set_name("s");
  vouch::v1::Point point;
  point.mutable_id()->set_text("6fa459ea-ee8a-3ca4-894e-db77e160355e");
  (*point.mutable_vectors())["v"].add_values(1);
  vouch::v1::SparseVector& sparse = (*point.mutable_sparse_vectors())["s"];
  sparse.add_indices(7);
  sparse.add_values(0.5f);
  schema.add_multi_vector()->set_name("m");
  schema.mutable_multi_vector(0)->set_dim(2);
  vouch::v1::MultiVector& multi = (*point.mutable_multi_vectors())["m"];
  multi.add_tokens()->add_values(1);
  multi.add_tokens()->add_values(2);
  return {request.filter().SerializeAsString(), structured.SerializeAsString(),
          schema.SerializeAsString(), point.SerializeAsString()};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto kQuiet = google::protobuf::SetLogHandler(nullptr);
  (void)kQuiet;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  vouch::v1::Filter filter;
  if (filter.ParseFromString(bytes)) (void)vouch::FilterOf(filter);
  vouch::v1::Schema schema;
  if (schema.ParseFromString(bytes)) {
    const absl::StatusOr<vouch::CollectionSchema> converted = vouch::SchemaOf(schema);
    if (converted.ok() && converted->Validate().ok()) {
      vouch::v1::Schema back;
      vouch::FillSchema(*converted, &back);
      const absl::StatusOr<vouch::CollectionSchema> again = vouch::SchemaOf(back);
      if (!again.ok() || again->ToJson() != converted->ToJson()) __builtin_trap();
    }
  }
  vouch::v1::Point point;
  if (point.ParseFromString(bytes)) (void)vouch::PointInputOf(std::move(point), "points[0]");
  return 0;
}
