#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/commit.h"
#include "storage/ids.h"
#include "storage/schema.h"

namespace vouch {

// The values of `rows` and `vectors`; grammar in README.md.

// A row's value but for `previous` and the seal, which FinishRow fills in when the row's number is known: so that most
// of the work is done on the caller's thread. `encoded_id` is PointId::Encode's.
std::string EncodeRow(const RowInput& row, std::string_view encoded_id);
void FinishRow(std::string& value, CollectionId collection, RowId row, RowId previous);

// All of a row but its vectors.
struct DecodedRow {
  RowRecord record;  // `vectors`, `sparse` and `multi_vectors` have one empty entry for each field
  std::vector<bool> has_vector;        // by dense field
  std::vector<bool> has_sparse;        // by sparse field
  std::vector<bool> has_multi_vector;  // by multi-vector field
};
// DATA_LOSS naming the row.
absl::StatusOr<DecodedRow> DecodeRow(CollectionId collection, RowId row, std::string_view value);
// Only the `previous` of a row or stub, seal checked.
absl::StatusOr<RowId> DecodeRowPrevious(CollectionId collection, RowId row, std::string_view value);

// What is left of a row that was let go while an older row of its point is kept: the way to that one.
struct RowStub {
  RowId previous;
  std::string encoded_id;
};
bool IsRowStub(std::string_view value);
std::string EncodeRowStub(CollectionId collection, RowId row, const RowStub& stub);
// DATA_LOSS naming the row.
absl::StatusOr<RowStub> DecodeRowStub(CollectionId collection, RowId row, std::string_view value);

// "vector 3 of row 5", "sparse vector 0 of row 5", "multi-vector 1 of row 5"; `field` as in a key of
// `vectors`.
std::string VectorName(RowId row, uint16_t field);

// What stands before a dense vector's bytes (vector_codec.h): the kind byte, and for bits their number.
std::string VectorHead(VectorType type, size_t dim);
// DATA_LOSS naming row and field. `out` and `type` are left as they are on error.
absl::Status DecodeVector(RowId row, uint16_t field, std::string_view value, VectorType& type,
                          std::vector<float>& out);

// `vector` is canonical and not empty.
std::string EncodeSparseVector(const SparseVector& vector);
// DATA_LOSS naming row and field. `out` is left as it is on error, and else canonical and not
// empty.
absl::Status DecodeSparseVector(RowId row, uint16_t field, std::string_view value,
                                SparseVector& out);

// `vector` is rounded to the type, which is not kBit, and not empty.
std::string EncodeMultiVector(VectorType type, const MultiVector& vector);
// DATA_LOSS naming row and field. `out` and `type` are left as they are on error; `out` is else of 1
// to kMaxTokens tokens.
absl::Status DecodeMultiVector(RowId row, uint16_t field, std::string_view value, VectorType& type,
                               MultiVector& out);

// The value of `points`: the id's latest row, and whether it is deleted.
struct PointState {
  RowId row;
  bool deleted = false;
};
std::string EncodePoint(PointState state);
absl::StatusOr<PointState> DecodePoint(std::string_view value);

// The value of `retired` and of a request id in `commits`: a big-endian version.
std::string EncodeVersion(Version version);
absl::StatusOr<Version> DecodeVersion(std::string_view value);

}  // namespace vouch
