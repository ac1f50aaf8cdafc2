#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "index/prepared_rows.h"
#include "index/segment_builder.h"
#include "index/segment_file.h"
#include "tests/index/collection_model.h"

namespace vouch {

inline std::shared_ptr<const IndexSchema> TestIndexSchema() { return *IndexSchema::Create(ModelSchema()); }

// A sealed segment of random rows.
inline Segment SealedSegment(const IndexSchema& schema, uint64_t seed, size_t rows, uint64_t first_row = 0) {
  RowMaker maker(seed);
  const std::vector<RowInput> inputs = maker.Rows(rows);
  const auto prepared = *IndexedRows::Prepare(schema, inputs);
  const SegmentPtr fresh = *BuildFreshSegment(schema, RowId(first_row), inputs, *prepared);
  Segment sealed = *BuildGraphs(schema, *fresh, nullptr, {}, 1, [](double) { return absl::OkStatus(); });
  sealed.sealed = true;
  return sealed;
}

inline std::string FileBytes(const IndexSchema& schema, const Segment& segment) {
  std::string bytes;
  for (std::string_view piece : EncodeSegment(schema, segment).pieces) bytes += piece;
  return bytes;
}

inline absl::StatusOr<Segment> Decode(const IndexSchema& schema, std::string_view bytes) {
  auto buffer = std::make_shared<AlignedBuffer>(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
  return DecodeSegment(schema, {.read = buffer, .vectors = nullptr, .truth = nullptr});
}

}  // namespace vouch
