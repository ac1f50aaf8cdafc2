#include "storage/verify_collection.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "storage/checksum.h"
#include "storage/commit_codec.h"
#include "storage/concat.h"
#include "storage/point_id.h"
#include "storage/prepared_commit.h"
#include "storage/retention_table.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"
#include "storage/row_codec.h"
#include "storage/schema.h"
#include "storage/verify_vector.h"

namespace vouch {

namespace {

static_assert(Limits::kMaxFields <= 64, "SeenRow has one bit a field");

// What is kept of a row between the passes.
struct SeenRow {
  uint64_t row = 0;
  uint64_t vectors = 0;            // by dense field: said to be there, and not found yet
  uint64_t sparse = 0;             // likewise, by sparse field
  uint64_t multi_vectors = 0;      // likewise, by multi-vector field
  uint64_t id_hash : 60 = 0;       // of the encoded point id
  uint64_t stub : 1 = 0;           // let go, but for the way to an older row
  uint64_t damaged : 1 = 0;        // id and vectors are not known
  uint64_t has_successor : 1 = 0;  // another row names it as `previous`
  uint64_t has_point : 1 = 0;      // its point names it as the latest row
};

struct SeenCommit {
  uint64_t version = 0;
  uint64_t rows_end = 0;
};

struct Retirement {
  uint64_t version : 63 = 0;
  uint64_t found : 1 = 0;  // in `retired`
};

uint64_t HashId(std::string_view encoded) {
  return XXH3_64bits(encoded.data(), encoded.size()) >> 4;
}

uint64_t BitsOf(const std::vector<bool>& fields) {
  uint64_t bits = 0;
  for (size_t field = 0; field < fields.size(); ++field) {
    if (fields[field]) bits |= uint64_t{1} << field;
  }
  return bits;
}

// The passes over one collection, in the order in which they need each other. Thread compatible.
class CollectionVerifier {
 public:
  CollectionVerifier(const Rocks& rocks, TenantNumber tenant, const CollectionInfo& info,
                     VerifyReport& report, ProblemList& problems, const VerifyProgress& progress)
      : rocks_(rocks),
        info_(info),
        prefix_(CollectionPrefix(tenant, info.id)),
        label_(Concat("collection ", info.id.value, " (", info.tenant, "/", info.name, "): ")),
        report_(report),
        problems_(problems),
        progress_(progress) {}

  void Run() {
    LoadRetention();
    CheckCommits();
    CheckRows();
    CheckVectors();
    CheckRetired();
    CheckPoints();
    CheckNamed();
    CheckTags();
    CheckRetention();
  }

 private:
  template <typename... Pieces>
  void Problem(const Pieces&... pieces) {
    problems_.Add(Concat(label_, pieces...));
  }
  void Problem(const absl::Status& status) { Problem(std::string(status.message())); }

  // Visits all keys of the prefix; false where the family could not be read to its end.
  bool Scan(Family family, const std::function<void(std::string_view, std::string_view)>& visit);
  void LoadRetention();
  void CheckRetention();
  void CheckStub(RowId row, std::string_view value);
  void CheckCommits();
  void CheckHeader(Version version, std::string_view value);
  void CheckRequestOf(const CommitHeader& header);
  void CheckRequest(std::string_view request_id, std::string_view value);
  void CheckRows();
  void CheckRow(RowId row, std::string_view value);
  void CheckPrevious(RowId row, RowId previous, uint64_t id_hash);
  void CheckVectors();
  void CheckVector(const VectorKeyParts& parts, std::string_view value);
  void CheckRetired();
  void CheckPoints();
  void CheckPoint(std::string_view name, std::string_view value);
  void CheckNamed();
  void CheckTags();

  SeenRow* FindRow(uint64_t row);
  // The version whose commit added the row; 0 where none did.
  uint64_t VersionOf(uint64_t row) const;
  bool HasVersion(uint64_t version) const;

  const Rocks& rocks_;
  const CollectionInfo& info_;
  const std::string prefix_;
  const std::string label_;
  VerifyReport& report_;
  ProblemList& problems_;
  const VerifyProgress& progress_;
  uint64_t visited_ = 0;  // keys

  std::vector<SeenCommit>
      commits_;  // ascending; also those that are damaged, with rows_end of the one before
  std::vector<SeenRow> rows_;                          // ascending
  absl::flat_hash_map<uint64_t, Retirement> retired_;  // as the headers say
  bool headers_sound_ = true;                          // all headers are there and decode
  bool rows_sound_ = true;                             // all rows could be read
  RetentionState retention_;
  PurgedRows purged_;
  std::optional<CommitHeader> last_;  // the last header, nullopt after one that is damaged
};

bool CollectionVerifier::Scan(
    Family family, const std::function<void(std::string_view, std::string_view)>& visit) {
  const absl::Status scanned =
      rocks_.Scan(family, prefix_, PrefixEnd(prefix_), [&](std::string_view k, std::string_view v) {
        visit(k, v);
        if (progress_ && ++visited_ % VerifyReport::kKeysBetweenProgress == 0) progress_(report_);
        return true;
      });
  if (!scanned.ok()) Problem(scanned);
  return scanned.ok();
}

SeenRow* CollectionVerifier::FindRow(uint64_t row) {
  // In a sound collection a row stands at its own number.
  if (row < rows_.size() && rows_[row].row == row) return &rows_[row];
  const auto at = std::lower_bound(rows_.begin(), rows_.end(), row,
                                   [](const SeenRow& seen, uint64_t r) { return seen.row < r; });
  return at == rows_.end() || at->row != row ? nullptr : &*at;
}

uint64_t CollectionVerifier::VersionOf(uint64_t row) const {
  const auto at = std::upper_bound(commits_.begin(), commits_.end(), row,
                                   [](uint64_t r, const SeenCommit& c) { return r < c.rows_end; });
  return at == commits_.end() ? 0 : at->version;
}

bool CollectionVerifier::HasVersion(uint64_t version) const {
  const auto at = std::lower_bound(commits_.begin(), commits_.end(), version,
                                   [](const SeenCommit& c, uint64_t v) { return c.version < v; });
  return at != commits_.end() && at->version == version;
}

// --- commits

void CollectionVerifier::CheckCommits() {
  last_ = CommitHeader();
  const std::string headers = CommitKeyPrefix(prefix_);
  const std::string requests = RequestKeyPrefix(prefix_);
  const bool read = Scan(Family::kCommits, [&](std::string_view key, std::string_view value) {
    if (key.substr(0, headers.size()) == headers) {
      absl::StatusOr<CommitKeyParts> parts = DecodeCommitKey(key);
      if (!parts.ok()) return Problem(parts.status());
      CheckHeader(parts->version, value);
    } else if (key.substr(0, requests.size()) == requests) {
      CheckRequest(key.substr(requests.size()), value);
    } else {
      Problem("commits: the key \"", Escape(key, 64), "\" is of no known kind");
    }
  });
  headers_sound_ &= read;
}

void CollectionVerifier::CheckHeader(Version version, std::string_view value) {
  const uint64_t before = commits_.empty() ? 0 : commits_.back().version;
  const uint64_t rows_before = commits_.empty() ? 0 : commits_.back().rows_end;
  if (version.value != before + 1) {
    Problem("commit ", version.value, " follows commit ", before,
            ": version numbers are not dense, ", before + 1, " is missing");
    headers_sound_ = false;
    last_.reset();
  }
  ++report_.commits;
  absl::StatusOr<CommitHeader> header = DecodeCommitHeader(info_.id, version, value);
  if (!header.ok()) {
    Problem(header.status());
    headers_sound_ = false;
    last_.reset();
    commits_.push_back({version.value, rows_before});
    return;
  }
  const uint64_t first = header->first_row.value;
  if (first < rows_before || (last_.has_value() && first != rows_before)) {
    Problem("commit ", version.value, ": its first row is ", first,
            ", but the commits before it end at row ", rows_before);
    headers_sound_ = false;
  }
  if (last_.has_value()) {
    const uint64_t live = last_->live_rows + header->row_count - header->retired.size();
    if (header->live_rows != live) {
      Problem("commit ", version.value, ": live_rows is ", header->live_rows,
              ", but the rows added and retired up to it leave ", live);
    }
    if (header->time_us < last_->time_us) {
      Problem("commit ", version.value, ": its time ", header->time_us,
              " is before that of the commit before it, ", last_->time_us);
    }
  }
  for (const RowId row : header->retired) {
    if (row >= header->first_row) {
      Problem("commit ", version.value, " retires row ", row.value, ", which is not older than it");
    }
    const auto [at, is_new] = retired_.try_emplace(row.value);
    if (is_new) {
      at->second.version = version.value;
    } else {
      Problem("commit ", version.value, " retires row ", row.value, ", which commit ",
              uint64_t{at->second.version}, " has retired already");
    }
  }
  CheckRequestOf(*header);
  commits_.push_back({version.value, std::max(rows_before, header->rows_end().value)});
  last_ = *std::move(header);
  last_->retired.clear();
}

void CollectionVerifier::CheckRequestOf(const CommitHeader& header) {
  if (header.request_id.empty()) return;
  auto value = rocks_.Get(Family::kCommits, RequestKey(prefix_, header.request_id));
  if (!value.ok()) return Problem(value.status());
  // One that names another version is found by CheckRequest.
  if (!value->has_value()) {
    Problem("commit ", header.version.value, ": its request id \"", Escape(header.request_id),
            "\" has no entry");
  }
}

void CollectionVerifier::CheckRequest(std::string_view request_id, std::string_view value) {
  const std::string name = Escape(request_id);
  absl::StatusOr<Version> version = DecodeVersion(value);
  if (!version.ok())
    return Problem("request id \"", name, "\": ", ToStd(version.status().message()));
  auto stored = rocks_.Get(Family::kCommits, CommitKey(prefix_, *version));
  if (!stored.ok()) return Problem(stored.status());
  if (!stored->has_value()) {
    return Problem("request id \"", name, "\" names commit ", version->value, ", which is missing");
  }
  absl::StatusOr<CommitHeader> header = DecodeCommitHeader(info_.id, *version, **stored);
  if (header.ok() && header->request_id != request_id) {
    Problem("request id \"", name, "\" names commit ", version->value,
            ", which has the request id \"", Escape(header->request_id), "\"");
  }
}

// --- rows

void CollectionVerifier::CheckRows() {
  const uint64_t rows_end = commits_.empty() ? 0 : commits_.back().rows_end;
  uint64_t expected = 0;
  const auto missing = [&](uint64_t begin, uint64_t end) {
    if (!headers_sound_ && end == rows_end) return;
    // What was let go is not missing.
    while (begin < end && purged_.Contains(RowId(begin))) ++begin;
    while (begin < end && purged_.Contains(RowId(end - 1))) --end;
    if (begin < end && purged_.Count({RowId(begin), RowId(end)}) > 0) {
      for (uint64_t row = begin; row < end; ++row) {
        if (!purged_.Contains(RowId(row))) Problem("row ", row, " is missing");
      }
      return;
    }
    if (begin + 1 == end) {
      Problem("row ", begin, " is missing");
    } else if (begin < end) {
      Problem("rows ", begin, " to ", end - 1, " are missing");
    }
  };
  rows_sound_ = Scan(Family::kRows, [&](std::string_view key, std::string_view value) {
    absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
    if (!parts.ok()) return Problem("rows: ", ToStd(parts.status().message()));
    ++report_.rows;
    const uint64_t row = parts->row.value;
    if (row >= rows_end) {
      // What is read of a row after the last commit would only say the same again.
      if (headers_sound_)
        Problem("row ", row, " belongs to no commit: the last one ends at row ", rows_end);
    } else {
      missing(expected, row);
      expected = row + 1;
    }
    CheckRow(parts->row, value);
  });
  if (rows_sound_) missing(expected, rows_end);
}

void CollectionVerifier::CheckRow(RowId row, std::string_view value) {
  if (IsRowStub(value)) return CheckStub(row, value);
  SeenRow seen;
  seen.row = row.value;
  if (purged_.Contains(row)) Problem("row ", row.value, " is among those that were let go, and is there");
  absl::StatusOr<DecodedRow> decoded = DecodeRow(info_.id, row, value);
  if (!decoded.ok()) {
    Problem(decoded.status());
    seen.damaged = 1;
    rows_.push_back(seen);
    return;
  }
  // Fields may have been added since.
  if (decoded->has_vector.size() > info_.schema.dense.size() ||
      (info_.schema_version == Version(0) && decoded->has_vector.size() != info_.schema.dense.size())) {
    Problem("row ", row.value, " has ", decoded->has_vector.size(),
            " vector fields; the schema has ", info_.schema.dense.size());
  }
  if (decoded->has_sparse.size() > info_.schema.sparse.size() ||
      (info_.schema_version == Version(0) && decoded->has_sparse.size() != info_.schema.sparse.size())) {
    Problem("row ", row.value, " has ", decoded->has_sparse.size(),
            " sparse fields; the schema has ", info_.schema.sparse.size());
  }
  if (decoded->has_multi_vector.size() > info_.schema.multi_vector.size() ||
      (info_.schema_version == Version(0) && decoded->has_multi_vector.size() != info_.schema.multi_vector.size())) {
    Problem("row ", row.value, " has ", decoded->has_multi_vector.size(),
            " multi-vector fields; the schema has ", info_.schema.multi_vector.size());
  }
  seen.vectors = BitsOf(decoded->has_vector);
  seen.sparse = BitsOf(decoded->has_sparse);
  seen.multi_vectors = BitsOf(decoded->has_multi_vector);
  seen.id_hash = HashId(decoded->record.id.Encode());
  rows_.push_back(seen);
  if (decoded->record.previous != kNoRow)
    CheckPrevious(row, decoded->record.previous, seen.id_hash);
}

void CollectionVerifier::CheckStub(RowId row, std::string_view value) {
  SeenRow seen;
  seen.row = row.value;
  seen.stub = 1;
  const absl::StatusOr<RowStub> stub = DecodeRowStub(info_.id, row, value);
  if (!stub.ok()) {
    Problem(stub.status());
    seen.damaged = 1;
    rows_.push_back(seen);
    return;
  }
  if (!purged_.Contains(row)) Problem("row ", row.value, " is a stub, and is not among those that were let go");
  seen.id_hash = HashId(stub->encoded_id);
  rows_.push_back(seen);
  if (FindRow(stub->previous.value) == nullptr) {
    return Problem("the stub of row ", row.value, " leads to row ", stub->previous.value, ", which is not there");
  }
  CheckPrevious(row, stub->previous, seen.id_hash);
}

void CollectionVerifier::CheckPrevious(RowId row, RowId previous, uint64_t id_hash) {
  if (previous >= row) {
    return Problem("row ", row.value, " has the previous row ", previous.value,
                   ", which is not older than it");
  }
  SeenRow* seen = FindRow(previous.value);
  if (seen == nullptr) {
    if (purged_.Contains(previous)) return;
    return Problem("row ", row.value, " has the previous row ", previous.value,
                   ", which is missing");
  }
  if (!seen->damaged && seen->id_hash != id_hash) {
    Problem("row ", row.value, " has the previous row ", previous.value,
            ", which is of another point");
  }
  if (seen->has_successor) {
    Problem("row ", row.value, " has the previous row ", previous.value,
            ", which is that of another row already");
  }
  seen->has_successor = 1;
  if (!headers_sound_) return;
  const auto at = retired_.find(previous.value);
  if (at == retired_.end() || at->second.version > VersionOf(row.value)) {
    Problem("row ", row.value, " replaces row ", previous.value,
            ", which no commit up to its own, ", VersionOf(row.value), ", retires");
  }
}

// --- vectors

void CollectionVerifier::CheckVectors() {
  const bool read = Scan(Family::kVectors, [&](std::string_view key, std::string_view value) {
    absl::StatusOr<VectorKeyParts> parts = DecodeVectorKey(key);
    if (!parts.ok()) return Problem("vectors: ", ToStd(parts.status().message()));
    ++report_.vectors;
    CheckVector(*parts, value);
  });
  if (!read) return;
  for (const SeenRow& seen : rows_) {
    for (size_t field = 0; (seen.vectors | seen.sparse | seen.multi_vectors) != 0 && field < 64;
         ++field) {
      if ((seen.vectors >> field & 1) != 0)
        Problem("vector ", field, " of row ", seen.row, " is missing");
      if ((seen.sparse >> field & 1) != 0)
        Problem("sparse vector ", field, " of row ", seen.row, " is missing");
      if ((seen.multi_vectors >> field & 1) != 0)
        Problem("multi-vector ", field, " of row ", seen.row, " is missing");
    }
  }
}

void CollectionVerifier::CheckVector(const VectorKeyParts& parts, std::string_view value) {
  const bool is_multi = parts.field >= kFirstMultiVectorField;
  const bool is_sparse = !is_multi && parts.field >= kFirstSparseField;
  const size_t field = parts.field - (is_multi    ? kFirstMultiVectorField
                                      : is_sparse ? kFirstSparseField
                                                  : 0);
  const std::string name = VectorName(parts.row, parts.field);
  SeenRow* seen = FindRow(parts.row.value);
  if (seen == nullptr) {
    if (rows_sound_) Problem(name, ": there is no such row");
  } else if (!seen->damaged) {
    uint64_t& said = is_multi ? seen->multi_vectors : is_sparse ? seen->sparse : seen->vectors;
    const uint64_t bit = field < 64 ? uint64_t{1} << field : 0;
    if ((said & bit) == 0) Problem(name, ": the row says that it has no such vector");
    said &= ~bit;
  }
  if (auto s = VerifyVector(info_.schema, parts, value); !s.ok()) Problem(s);
}

// --- retired rows and points

void CollectionVerifier::CheckRetired() {
  const bool read = Scan(Family::kRetired, [&](std::string_view key, std::string_view value) {
    absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
    if (!parts.ok()) return Problem("retired: ", ToStd(parts.status().message()));
    const uint64_t row = parts->row.value;
    const auto at = retired_.find(row);
    if (at != retired_.end()) at->second.found = 1;
    absl::StatusOr<Version> version = DecodeVersion(value);
    if (!version.ok()) return Problem("retired row ", row, ": ", ToStd(version.status().message()));
    if (at == retired_.end()) {
      if (headers_sound_) {
        Problem("retired row ", row, ": commit ", version->value,
                " should have retired it, but no header lists it");
      }
    } else if (at->second.version != version->value) {
      Problem("retired row ", row, " is kept as retired by commit ", version->value,
              ", but the header of commit ", uint64_t{at->second.version}, " lists it");
    }
  });
  if (!read) return;
  std::vector<uint64_t> lost;
  for (const auto& [row, retirement] : retired_) {
    const bool gone = purged_.Contains(RowId(row)) && FindRow(row) == nullptr;
    if (gone && retirement.found) Problem("retired row ", row, " was let go, but `retired` has an entry");
    if (!retirement.found && !gone) lost.push_back(row);
  }
  std::sort(lost.begin(), lost.end());
  for (const uint64_t row : lost) {
    Problem("retired row ", row, ": the header of commit ", uint64_t{retired_[row].version},
            " lists it, but `retired` has no entry");
  }
}

void CollectionVerifier::CheckPoints() {
  const bool read = Scan(Family::kPoints, [&](std::string_view key, std::string_view value) {
    CheckPoint(key.substr(kCollectionPrefixBytes), value);
  });
  if (!read) return;
  for (const SeenRow& seen : rows_) {
    if (seen.damaged || seen.has_successor || seen.has_point) continue;
    Problem("row ", seen.row, " is the latest of its point, but `points` does not name it");
  }
}

void CollectionVerifier::CheckPoint(std::string_view name, std::string_view value) {
  absl::StatusOr<PointId> id = PointId::Decode(name);
  if (!id.ok()) return Problem("points: ", ToStd(id.status().message()));
  const std::string point = Concat("point ", Escape(id->ToString()));
  absl::StatusOr<PointState> state = DecodePoint(value);
  if (!state.ok()) return Problem(point, ": ", ToStd(state.status().message()));
  const uint64_t row = state->row.value;
  SeenRow* seen = FindRow(row);
  if (seen == nullptr) {
    if (rows_sound_) Problem(point, " names row ", row, ", which is missing");
    return;
  }
  if (seen->damaged) return;
  if (seen->id_hash != HashId(name))
    return Problem(point, " names row ", row, ", which is of another point");
  seen->has_point = 1;
  if (seen->has_successor) Problem(point, " names row ", row, ", which is not its latest row");
  const bool retired = retired_.contains(row);
  if (headers_sound_ && !seen->has_successor && retired != state->deleted) {
    Problem(point, " is kept as ", state->deleted ? "deleted" : "live", ", but its latest row, ",
            row, ", is ", retired ? "retired" : "not retired");
  }
}

// --- retention

void CollectionVerifier::LoadRetention() {
  CollectionEntry entry;
  entry.id = info_.id;
  entry.prefix = prefix_;
  const RetentionTable table(rocks_);
  absl::StatusOr<RetentionState> state = table.Load(entry);
  if (!state.ok()) return Problem(state.status());
  absl::StatusOr<PurgedRows> purged = table.LoadPurged(entry, {RowId(0), RowId(kNoRow.value)});
  if (!purged.ok()) return Problem(purged.status());
  retention_ = *std::move(state);
  purged_ = *std::move(purged);
}

// Only what no readable version shows was let go.
void CollectionVerifier::CheckRetention() {
  if (retention_.purged_rows != purged_.count()) {
    Problem("retention counts ", retention_.purged_rows, " rows that were let go, but there are ", purged_.count());
  }
  if (!headers_sound_) return;
  if (!commits_.empty() && retention_.horizon.value > commits_.back().version) {
    Problem("the horizon is version ", retention_.horizon.value, ", which does not exist");
  }
  purged_.ForEachRange([&](RowRange rows) {
    for (uint64_t row = rows.begin.value; row < rows.end.value; ++row) {
      const auto at = retired_.find(row);
      if (at == retired_.end() || at->second.version > retention_.horizon.value) {
        Problem("row ", row, " was let go, but no commit up to the horizon, ", retention_.horizon.value, ", retires it");
        continue;
      }
      const auto after = std::lower_bound(retention_.kept.begin(), retention_.kept.end(), Version(at->second.version));
      if (after == retention_.kept.begin()) continue;
      if (VersionOf(row) <= std::prev(after)->value) {
        Problem("row ", row, " was let go, but version ", std::prev(after)->value, ", which is kept, shows it");
      }
    }
  });
}

// --- documents, artifacts, tags

void CollectionVerifier::CheckNamed() {
  Scan(Family::kDocuments, [&](std::string_view key, std::string_view) {
    if (auto s = CheckDocumentKey(key.substr(kCollectionPrefixBytes)); !s.ok()) {
      Problem("documents: ", ToStd(s.message()));
    }
  });
  Scan(Family::kArtifacts, [&](std::string_view key, std::string_view value) {
    ++report_.artifacts;
    const std::string_view hash = key.substr(kCollectionPrefixBytes);
    if (!IsContentHash(hash))
      return Problem("artifact \"", Escape(hash, 64), "\": its key is not a content hash");
    absl::StatusOr<std::string> bytes = DecodeArtifact(hash, value);
    if (!bytes.ok()) Problem(bytes.status());
  });
}

void CollectionVerifier::CheckTags() {
  const std::string tags = TagKey(prefix_, "");
  const absl::Status scanned = rocks_.Scan(
      Family::kCatalog, tags, PrefixEnd(tags), [&](std::string_view key, std::string_view value) {
        const std::string name = Escape(key.substr(tags.size()));
        absl::StatusOr<Tag> tag = DecodeTag(name, value);
        if (!tag.ok()) {
          Problem(tag.status());
        } else if (headers_sound_ && !HasVersion(tag->version.value)) {
          Problem("the tag \"", name, "\" names version ", tag->version.value,
                  ", which does not exist");
        } else if (!retention_.IsReadable(tag->version)) {
          Problem("the tag \"", name, "\" names version ", tag->version.value, ", which was let go");
        }
        return true;
      });
  if (!scanned.ok()) Problem(scanned);
}

}  // namespace

void VerifyCollection(const Rocks& rocks, TenantNumber tenant, const CollectionInfo& info,
                      VerifyReport& report, ProblemList& problems, const VerifyProgress& progress) {
  CollectionVerifier(rocks, tenant, info, report, problems, progress).Run();
}

}  // namespace vouch
