#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/payload/filter.h"
#include "index/payload/geo_point.h"
#include "storage/schema.h"

namespace vouch {

class Column;
struct CompiledFilter;
struct RowBounds;

// One value of a payload field, typed by the schema: keyword → string, integer → int64, float → double, bool → bool,
// datetime → int64 microseconds since the Unix epoch, geo → GeoPoint in canonical form, text → a string for each of its
// words, and kEndOfText after them (text_words.h).
using PayloadValue = std::variant<bool, int64_t, double, std::string, GeoPoint>;

// The typed values of one row: for each payload field of the schema, in its order, none, one or (array) several.
struct TypedPayload {
  std::vector<std::vector<PayloadValue>> fields = {};
};

// Reads the declared fields out of a payload. INVALID_ARGUMENT names path, value and wanted type; a
// float field takes integers, a geo field {"lat", "lon"} or a GeoJSON point; null, also inside an array, is no value; an empty text is a row
// without a payload. Paths are those of payload_path.h.
absl::StatusOr<TypedPayload> ParseTypedPayload(const CollectionSchema& schema, std::string_view payload_json);

// RFC 3339 with offset or Z ("2026-11-23T10:00:00.5+01:00"), or a date alone (midnight UTC) → microseconds.
// Digits after the sixth of a fraction are dropped. A leap second (23:59:60 UTC) is the second after it, as in POSIX.
absl::StatusOr<int64_t> ParseDatetime(std::string_view text);

// Checks a filter against a schema: known paths, literal types that fit, FilterLimits. Keywords are
// ordered by their bytes; bools have no order. INVALID_ARGUMENT names the path and what there is
// ("unknown field 'yaer'; filterable fields: year, lang"), and where the filter was parsed from an
// expression the column, with a picture of it.
absl::Status ValidateFilter(const Filter& filter, const CollectionSchema& schema);

// The payload fields of one segment as columns. Immutable; all methods are thread safe.
class PayloadColumns {
 public:
  virtual ~PayloadColumns() = default;

  virtual uint32_t rows() const = 0;
  // Rows that meet a filter compiled for the columns' schema; kIds nodes are asked of `find_ids`, since ids lie in the
  // segment.
  virtual Bitmap Evaluate(const CompiledFilter& filter,
                          const std::function<Bitmap(std::span<const FilterValue>)>& find_ids) const = 0;
  // How many rows meet it, from the indexes only; segments too small to be indexed answer [0, rows] where they would have
  // to look at rows.
  virtual RowBounds Estimate(const CompiledFilter& filter) const = 0;
  // The values of one field; `field` is its ordinal in the schema.
  virtual const Column& column(size_t field) const = 0;
  virtual size_t memory_bytes() const = 0;
  virtual std::string Serialize() const = 0;

  static std::shared_ptr<const PayloadColumns> Build(const CollectionSchema& schema,
                                                     std::span<const TypedPayload* const> rows);
  static std::shared_ptr<const PayloadColumns> Merge(const CollectionSchema& schema,
                                                     std::span<const PayloadColumns* const> parts);
  static absl::StatusOr<std::shared_ptr<const PayloadColumns>> Parse(const CollectionSchema& schema,
                                                                     std::string_view bytes, uint32_t rows);
};

}  // namespace vouch
