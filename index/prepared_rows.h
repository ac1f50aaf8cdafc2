#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_schema.h"
#include "index/inverted/analyzer.h"
#include "index/payload/payload_columns.h"
#include "storage/commit.h"

namespace vouch {

// The text of a field as it is indexed: the strings at its paths of a payload, one text. Empty
// where there are none, or the payload is no JSON.
std::string IndexedText(const TextField& field, std::string_view payload);
// One text of a payload.
struct FieldText {
  std::string path;
  uint32_t element = 0;  // which of the texts at the path
  std::string text;
};
// The texts that a text field takes of a payload, in its order. None where the payload is no JSON.
std::vector<FieldText> TextsOfField(const TextField& field, std::string_view payload);

// Analysed texts and typed payloads of rows: the costly part of making a segment of them.
class IndexedRows {
 public:
  std::vector<TypedPayload> payloads;             // one a row
  std::vector<std::vector<AnalyzedText>> texts;   // by text field, then by row

  // INVALID_ARGUMENT names the row's id, the field and what is wrong: a payload that is no JSON
  // object or has a value of another type than the schema says, a vector of another dimension or
  // with a value that is not finite, a sparse vector that is not canonical, a multi-vector likewise.
  static absl::StatusOr<std::shared_ptr<const IndexedRows>> Prepare(const IndexSchema& schema,
                                                                    std::span<const RowInput> rows);
  // The same for rows that are durable already: a row that cannot be prepared has no text and no payload values here,
  // and is counted in `refused`.
  static std::shared_ptr<const IndexedRows> PrepareStored(const IndexSchema& schema, std::span<const RowInput> rows,
                                                          uint64_t& refused);
};

}  // namespace vouch
