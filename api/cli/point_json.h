#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "vouch/v1/points.pb.h"

namespace vouch {

// A point in one line of JSON, as `point put`, `import` and `export` have it:
//   {"id": 7, "vectors": {"embedding": [0.1, …]}, "sparse_vectors": {"terms": {"indices": [3],
//    "values": [0.5]}}, "multi_vectors": {"tokens": [[0.1, …], …]}, "payload": {…},
//    "provenance": {…}, "access": ["team"]}
// Only the id must be there: a whole number from 0 on, or a text. Payload and provenance are taken
// and given as they are written, numbers to the last digit. "written_version", which a read may
// give, is passed over.

// INVALID_ARGUMENT names the key and the value.
absl::StatusOr<v1::Point> PointFromJson(std::string_view line);
// Without a line break.
std::string PointToJson(const v1::Point& point);

// A point's id as a word of a command line: digits are a number, anything else a text.
v1::PointId PointIdFromWord(const std::string& word);
// A JSON list of numbers; `what` names it in the error.
absl::StatusOr<v1::Vector> VectorFromJson(std::string_view json, const std::string& what);
// {"indices": […], "values": […]}.
absl::StatusOr<v1::SparseVector> SparseFromJson(std::string_view json, const std::string& what);
// A list of lists of numbers, one a token, all of one length.
absl::StatusOr<v1::MultiVector> MultiVectorFromJson(std::string_view json, const std::string& what);

}  // namespace vouch
