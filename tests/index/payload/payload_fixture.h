#pragma once

#include <memory>
#include <string>
#include <vector>

#include "index/payload/compiled_filter.h"
#include "index/payload/payload_columns.h"

namespace vouch {

// One field of each type: lang, year, score, draft and at (datetime).
inline CollectionSchema OneOfEachSchema() {
  CollectionSchema schema;
  schema.payload = {{"lang", PayloadType::kKeyword},
                    {"year", PayloadType::kInteger},
                    {"score", PayloadType::kFloat},
                    {"draft", PayloadType::kBool},
                    {"at", PayloadType::kDatetime}};
  return schema;
}

// Those, and a point and a text: place, body.
inline CollectionSchema EveryTypeSchema() {
  CollectionSchema schema = OneOfEachSchema();
  schema.payload.push_back({"place", PayloadType::kGeo});
  schema.payload.push_back({"body", PayloadType::kText});
  return schema;
}

inline Filter Leaf(FilterOp op, std::string path, std::vector<FilterValue> values = {}) {
  return {.op = op, .path = std::move(path), .values = std::move(values)};
}

inline Filter Node(FilterOp op, std::vector<Filter> children) {
  return {.op = op, .children = std::move(children)};
}

inline std::shared_ptr<const PayloadColumns> BuildColumns(const CollectionSchema& schema,
                                                          const std::vector<TypedPayload>& rows) {
  std::vector<const TypedPayload*> pointers;
  for (const TypedPayload& row : rows) pointers.push_back(&row);
  return PayloadColumns::Build(schema, pointers);
}

inline std::shared_ptr<const PayloadColumns> BuildColumns(
    const CollectionSchema& schema, const std::vector<std::string>& payloads) {
  std::vector<TypedPayload> rows;
  for (const std::string& payload : payloads) {
    rows.push_back(ParseTypedPayload(schema, payload).value());
  }
  return BuildColumns(schema, rows);
}

// "0 2 5": the rows that meet the filter.
inline std::string RowsMeeting(const PayloadColumns& columns, const Filter& filter,
                               const CollectionSchema& schema = OneOfEachSchema()) {
  const Bitmap rows = columns.Evaluate(
      CompiledFilter::Compile(filter, schema), [&](std::span<const FilterValue>) { return Bitmap(columns.rows()); });
  std::string shown;
  rows.ForEach([&](size_t row) {
    if (!shown.empty()) shown.push_back(' ');
    shown.append(std::to_string(row));
  });
  return shown;
}

}  // namespace vouch
