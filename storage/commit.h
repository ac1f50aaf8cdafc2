#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/ids.h"
#include "storage/multi_vector.h"
#include "storage/point_id.h"
#include "storage/principal.h"
#include "storage/sparse_vector.h"

namespace vouch {

// What a writer hands in for one row. Already validated and normalised by query/writer.
struct RowInput {
  PointId id = {};
  // One entry for each dense field of the schema, in its order; empty where the row has no such vector,
  // otherwise `dim` finite floats.
  std::vector<std::vector<float>> vectors = {};
  // One entry for each sparse field of the schema, in its order, canonical (sparse_vector.h); empty
  // where the row has none.
  std::vector<SparseVector> sparse = {};
  // One entry for each multi-vector field of the schema, in its order, as CheckKeptMultiVector takes it; empty where the
  // row has none.
  std::vector<MultiVector> multi_vectors = {};
  std::string payload = {};              // a JSON object, at most Limits::kMaxPayloadBytes
  std::string provenance = {};           // a JSON object or empty: source, hashes, spans, parser, chunker, embedder
  std::vector<std::string> access = {};  // subjects and groups that may see the row; empty: everyone in the tenant
};

// A key of the `documents` column family, changed in the same commit; `value` nullopt removes it.
struct DocumentChange {
  std::string key = {};
  std::optional<std::string> value = {};
};

// Bytes kept once by content hash (32 lower-case hexadecimal digits of XXH3-128), written in the same commit.
struct Artifact {
  std::string hash = {};
  std::string bytes = {};
};

// What the index made of the rows before the commit, on the caller's thread.
// Storage only carries it to the listener.
class PreparedRows {
 public:
  virtual ~PreparedRows() = default;
};

// What must hold of a point, before the commit, for it to be made.
struct PointCondition {
  PointId id = {};
  // A row of this range is the point's live one; an empty range: the point is not there.
  RowRange row = {};
  // Where it does not hold: FAILED_PRECONDITION naming the point and its row, or ABORTED, for a
  // writer that read the row, and would read it again.
  bool aborts = false;
};

// In the status of a commit that was made for a schema that has been altered since.
inline constexpr char kSchemaAlteredPayload[] = "vouch/schema_altered";

// One atomic change of one collection. Order inside: deletes first, then upserts; an id may stand once in all.
struct CommitRequest {
  CollectionId collection = {};
  Principal actor = {};
  int64_t time_us = 0;     // the caller's clock; apply reads none
  std::string request_id = {};  // empty: none. A known id changes nothing and gets the first reply
  std::vector<RowInput> upserts = {};
  std::vector<PointId> deletes = {};  // unknown ids are no error
  std::vector<DocumentChange> documents = {};
  std::vector<Artifact> artifacts = {};
  // Where set: ABORTED unless this is the collection's latest version (compare and swap).
  std::optional<Version> expected_version = {};
  // All must hold, else nothing is changed. Decided where commits are ordered, so no other commit
  // comes between. A known request id is answered before they are looked at.
  std::vector<PointCondition> conditions = {};
  // CollectionInfo::schema_version that the rows were made for. Where the schema is another by now: ABORTED, with the payload
  // kSchemaAlteredPayload.
  Version schema_version = {};
  std::shared_ptr<const PreparedRows> prepared = {};
};

// What `commits` keeps of a commit. Headers and rows together are the whole history.
struct CommitHeader {
  Version version = {};
  int64_t time_us = 0;
  std::string actor = {};  // "tenant/subject"
  std::string request_id = {};
  RowId first_row = {};
  uint64_t row_count = 0;
  uint64_t live_rows = 0;  // visible rows of the collection at this version
  std::vector<RowId> retired = {};  // ascending

  // Rows of the collection at this version, visible or retired: row < rows_end.
  RowId rows_end() const { return RowId(first_row.value + row_count); }
};

struct CommitResult {
  CommitHeader header = {};
  bool replayed = false;  // the request id was known: `header` is that of the first commit
};

// One row as stored.
struct RowRecord {
  RowId row = {};
  PointId id = {};
  RowId previous = kNoRow;  // the row of the same point before this one, retired or not
  std::string payload = {};
  std::string provenance = {};
  std::vector<std::string> access = {};
  std::vector<std::vector<float>> vectors = {};  // as in RowInput; left empty where vectors were not asked for
  std::vector<SparseVector> sparse = {};    // likewise
  std::vector<MultiVector> multi_vectors = {};  // likewise
};

}  // namespace vouch
