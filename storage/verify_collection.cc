#include "storage/verify_collection.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "storage/commit_codec.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"

namespace vouch {

namespace {

// 0 is kept for "does not read".
uint64_t IdHash(std::string_view encoded_id) {
  return XXH3_64bits(encoded_id.data(), encoded_id.size()) | 1;
}

}  // namespace

CollectionVerifier::CollectionVerifier(const Rocks& rocks, const CollectionInfo& info,
                                       const CollectionEntry& entry, VerifyFindings& findings)
    : rocks_(rocks),
      entry_(entry),
      label_(Concat("collection \"", Escape(info.name), "\" of tenant \"", Escape(info.tenant), "\": ")),
      findings_(findings) {}

void CollectionVerifier::Problem(std::string_view what) { findings_.Add(Concat(label_, what)); }

absl::Status CollectionVerifier::Run() {
  using Step = absl::Status (CollectionVerifier::*)();
  for (const Step step :
       {&CollectionVerifier::CheckCommits, &CollectionVerifier::CheckRequests,
        &CollectionVerifier::CheckRetired, &CollectionVerifier::CheckRows,
        &CollectionVerifier::CheckVectors, &CollectionVerifier::CheckPoints,
        &CollectionVerifier::CheckArtifacts, &CollectionVerifier::CheckTags}) {
    if (auto s = (this->*step)(); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status CollectionVerifier::CheckCommits() {
  const std::string begin = CommitKeyPrefix(entry_.prefix);
  CommitHeader before;
  return rocks_.Scan(
      Family::kCommits, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<CommitKeyParts> parts = DecodeCommitKey(key);
        if (!parts.ok()) {
          Problem(ToStd(parts.status().message()));
          return true;
        }
        ++findings_.report().commits;
        if (parts->version.value != latest_ + 1) {
          Problem(Concat("versions are not dense: ", parts->version.value, " follows ", latest_));
          // What follows cannot be compared with a header that is not there.
          rows_end_.resize(std::min<uint64_t>(parts->version.value - 1, rows_end_.size() + 4096), rows_);
        }
        latest_ = parts->version.value;
        absl::StatusOr<CommitHeader> header = DecodeCommitHeader(entry_.id, parts->version, value);
        if (!header.ok()) {
          Problem(ToStd(header.status().message()));
          rows_end_.push_back(rows_);
          return true;
        }
        CheckHeader(*header, before);
        // A header cannot claim more than a commit may hold: what is allocated by row stays bounded.
        rows_ = std::min(header->rows_end().value, rows_ + Limits::kMaxCommitRows);
        live_rows_ = header->live_rows;
        rows_end_.push_back(rows_);
        before = *std::move(header);
        return true;
      });
}

void CollectionVerifier::CheckHeader(const CommitHeader& header, const CommitHeader& before) {
  const std::string commit = Concat("commit ", header.version.value, ": ");
  if (header.version.value != before.version.value + 1) return;
  if (header.first_row != before.rows_end()) {
    Problem(Concat(commit, "its rows start at ", header.first_row.value, "; the commit before it ends at ",
                   before.rows_end().value));
  }
  if (header.time_us < before.time_us) {
    Problem(Concat(commit, "its time is before that of the commit before it"));
  }
  const uint64_t expected = before.live_rows + header.row_count - header.retired.size();
  if (header.live_rows != expected) {
    Problem(Concat(commit, "it says ", header.live_rows, " live rows; its rows and retired rows make ",
                   expected));
  }
  if (retired_at_.size() < rows_) retired_at_.resize(rows_);
  for (const RowId row : header.retired) {
    if (row.value >= retired_at_.size()) {
      Problem(Concat(commit, "it retires row ", row.value, ", which was not there before it"));
    } else if (retired_at_[row.value] != 0) {
      Problem(Concat(commit, "it retires row ", row.value, ", as commit ", retired_at_[row.value],
                     " did already"));
    } else {
      retired_at_[row.value] = header.version.value;
    }
  }
  if (header.request_id.empty()) return;
  const auto stored = rocks_.Get(Family::kCommits, RequestKey(entry_.prefix, header.request_id));
  if (!stored.ok() || !stored->has_value()) {
    Problem(Concat(commit, "its request id \"", Escape(header.request_id), "\" is not recorded"));
  }
}

absl::Status CollectionVerifier::CheckRequests() {
  const std::string begin = RequestKeyPrefix(entry_.prefix);
  return rocks_.Scan(
      Family::kCommits, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
        const std::string_view id = key.substr(begin.size());
        const std::string request = Concat("request id \"", Escape(id), "\": ");
        const absl::StatusOr<Version> version = DecodeVersion(value);
        if (!version.ok()) {
          Problem(Concat(request, version.status().message()));
          return true;
        }
        const auto stored = rocks_.Get(Family::kCommits, CommitKey(entry_.prefix, *version));
        if (!stored.ok() || !stored->has_value()) {
          Problem(Concat(request, "it names version ", version->value, ", which is not there"));
          return true;
        }
        const auto header = DecodeCommitHeader(entry_.id, *version, **stored);
        if (header.ok() && header->request_id != id) {
          Problem(Concat(request, "it names version ", version->value, ", which has another one"));
        }
        return true;
      });
}

absl::Status CollectionVerifier::CheckRetired() {
  retired_at_.resize(rows_);
  uint64_t expected = 0;
  for (const uint64_t version : retired_at_) expected += version != 0 ? 1 : 0;
  uint64_t found = 0;
  const absl::Status scanned = rocks_.Scan(
      Family::kRetired, entry_.prefix, PrefixEnd(entry_.prefix),
      [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
        const absl::StatusOr<Version> version = DecodeVersion(value);
        if (!parts.ok() || !version.ok()) {
          Problem(Concat("retired: ", (parts.ok() ? version.status() : parts.status()).message()));
        } else if (!HasRow(parts->row)) {
          Problem(Concat("row ", parts->row.value, " is retired, but was never committed"));
        } else if (retired_at_[parts->row.value] != version->value) {
          Problem(Concat("row ", parts->row.value, " is retired at version ", version->value,
                         "; the headers say ", retired_at_[parts->row.value], " (0: not retired)"));
        } else {
          ++found;
        }
        return true;
      });
  if (found < expected) {
    Problem(Concat(expected - found, " rows are retired by headers, but not in the list of retired rows"));
  }
  if (live_rows_ != rows_ - expected) {
    Problem(Concat("the last commit says ", live_rows_, " live rows; there are ", rows_ - expected));
  }
  return scanned;
}

absl::Status CollectionVerifier::CheckRows() {
  id_hash_.assign(rows_, 0);
  superseded_.assign(rows_, false);
  vector_bits_.assign(rows_, 0);
  uint64_t next = 0;
  size_t commit = 0;  // the commit of `next`, as an index of rows_end_
  const absl::Status scanned = rocks_.Scan(
      Family::kRows, entry_.prefix, PrefixEnd(entry_.prefix),
      [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<RowKeyParts> parts = DecodeRowKey(key);
        if (!parts.ok()) {
          Problem(ToStd(parts.status().message()));
          return true;
        }
        ++findings_.report().rows;
        if (!HasRow(parts->row)) {
          Problem(Concat("row ", parts->row.value, " is past the last commit's end, ", rows_));
          return true;
        }
        if (parts->row.value != next) {
          Problem(Concat("rows are not dense: ", next, " to ", parts->row.value, " (exclusive) are missing"));
        }
        next = parts->row.value + 1;
        while (commit < rows_end_.size() && rows_end_[commit] <= parts->row.value) ++commit;
        const absl::StatusOr<DecodedRow> row = DecodeRow(entry_.id, parts->row, value);
        if (!row.ok()) {
          Problem(ToStd(row.status().message()));
        } else {
          CheckRow(*row, Version(commit + 1));
        }
        return true;
      });
  if (next < rows_) Problem(Concat("rows are not dense: ", next, " to ", rows_, " (exclusive) are missing"));
  return scanned;
}

void CollectionVerifier::CheckRow(const DecodedRow& decoded, Version version) {
  const RowRecord& row = decoded.record;
  const std::string label = Concat("row ", row.row.value, ": ");
  id_hash_[row.row.value] = IdHash(row.id.Encode());
  if (decoded.has_vector.size() != entry_.dims.size()) {
    Problem(Concat(label, "it has ", decoded.has_vector.size(), " vector fields; the schema has ",
                   entry_.dims.size()));
  }
  for (size_t field = 0; field < decoded.has_vector.size(); ++field) {
    if (decoded.has_vector[field]) vector_bits_[row.row.value] |= uint64_t{1} << field;
  }
  // Past nlohmann's parser, which takes any bytes, JSON that is stored must be an object.
  if (!row.payload.empty() && (row.payload.front() != '{' || !nlohmann::json::accept(row.payload))) {
    Problem(Concat(label, "its payload is not a JSON object"));
  }
  if (row.previous == kNoRow) return;
  if (row.previous >= row.row) {
    Problem(Concat(label, "the row before it, ", row.previous.value, ", is not before it"));
    return;
  }
  const uint64_t previous = row.previous.value;
  if (id_hash_[previous] != 0 && id_hash_[previous] != id_hash_[row.row.value]) {
    Problem(Concat(label, "the row before it, ", previous, ", is of another point"));
  }
  if (superseded_[previous]) {
    Problem(Concat(label, "the row before it, ", previous, ", has another successor"));
  }
  superseded_[previous] = true;
  if (retired_at_[previous] == 0 || retired_at_[previous] > version.value) {
    Problem(Concat(label, "it replaces row ", previous, ", which was not retired by then"));
  }
}

absl::Status CollectionVerifier::CheckVectors() {
  const absl::Status scanned = rocks_.Scan(
      Family::kVectors, entry_.prefix, PrefixEnd(entry_.prefix),
      [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<VectorKeyParts> parts = DecodeVectorKey(key);
        if (!parts.ok()) {
          Problem(ToStd(parts.status().message()));
          return true;
        }
        ++findings_.report().vectors;
        CheckVector(parts->row, parts->field, value);
        return true;
      });
  for (uint64_t row = 0; row < rows_; ++row) {
    for (size_t field = 0; field < Limits::kMaxFields && vector_bits_[row] >> field != 0; ++field) {
      if ((vector_bits_[row] >> field & 1) != 0) {
        Problem(Concat("row ", row, ": its vector of field ", field, " is missing"));
      }
    }
  }
  return scanned;
}

void CollectionVerifier::CheckVector(RowId row, uint16_t field, std::string_view value) {
  const std::string label = Concat("vector ", field, " of row ", row.value, ": ");
  if (!HasRow(row)) {
    Problem(Concat(label, "there is no such row"));
    return;
  }
  // A row that does not read is a problem of its own, and says nothing of its vectors.
  if (id_hash_[row.value] != 0) {
    const uint64_t bit = field < Limits::kMaxFields ? uint64_t{1} << field : 0;
    if ((vector_bits_[row.value] & bit) == 0) {
      Problem(Concat(label, "the row says that it has none"));
    }
    vector_bits_[row.value] &= ~bit;
  }
  std::vector<float> vector;
  if (auto s = DecodeVector(row, field, value, vector); !s.ok()) {
    Problem(ToStd(s.message()));
    return;
  }
  if (field >= entry_.dims.size() || vector.size() != entry_.dims[field]) {
    Problem(Concat(label, "it has ", vector.size(), " dimensions, unlike its field"));
  }
  for (const float x : vector) {
    if (std::isfinite(x)) continue;
    Problem(Concat(label, "it has a value that is not finite"));
    break;
  }
}

absl::Status CollectionVerifier::CheckPoints() {
  uint64_t points = 0;
  const absl::Status scanned = rocks_.Scan(
      Family::kPoints, entry_.prefix, PrefixEnd(entry_.prefix),
      [&](std::string_view key, std::string_view value) {
        ++points;
        CheckPoint(key.substr(kCollectionPrefixBytes), value);
        return true;
      });
  uint64_t expected = 0;
  for (uint64_t row = 0; row < rows_; ++row) expected += superseded_[row] ? 0 : 1;
  if (points != expected) {
    Problem(Concat("there are ", points, " point entries, but rows of ", expected, " points"));
  }
  return scanned;
}

void CollectionVerifier::CheckPoint(std::string_view encoded_id, std::string_view value) {
  const absl::StatusOr<PointId> id = PointId::Decode(encoded_id);
  if (!id.ok()) {
    Problem(ToStd(id.status().message()));
    return;
  }
  const std::string label = Concat("point ", Escape(id->ToString()), ": ");
  const absl::StatusOr<PointState> point = DecodePoint(value);
  if (!point.ok()) {
    Problem(Concat(label, point.status().message()));
    return;
  }
  if (!HasRow(point->row)) {
    Problem(Concat(label, "it names row ", point->row.value, ", which was never committed"));
    return;
  }
  const uint64_t row = point->row.value;
  if (id_hash_[row] != 0 && id_hash_[row] != IdHash(encoded_id)) {
    Problem(Concat(label, "it names row ", row, ", which is of another point"));
  }
  if (superseded_[row]) Problem(Concat(label, "it names row ", row, ", which is not its latest"));
  if (point->deleted != (retired_at_[row] != 0)) {
    Problem(Concat(label, "it is ", point->deleted ? "deleted" : "live", ", but row ", row, " is ",
                   point->deleted ? "not retired" : "retired"));
  }
}

absl::Status CollectionVerifier::CheckArtifacts() {
  return rocks_.Scan(Family::kArtifacts, entry_.prefix, PrefixEnd(entry_.prefix),
                     [&](std::string_view key, std::string_view value) {
                       ++findings_.report().artifacts;
                       const auto bytes =
                           DecodeArtifact(key.substr(kCollectionPrefixBytes), value);
                       if (!bytes.ok()) Problem(ToStd(bytes.status().message()));
                       return true;
                     });
}

absl::Status CollectionVerifier::CheckTags() {
  const std::string begin = TagKey(entry_.prefix, "");
  return rocks_.Scan(
      Family::kCatalog, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<Tag> tag = DecodeTag(key.substr(begin.size()), value);
        if (!tag.ok()) {
          Problem(ToStd(tag.status().message()));
        } else if (tag->version < Version(1) || tag->version.value > latest_) {
          Problem(Concat("tag \"", Escape(tag->name), "\": it names version ", tag->version.value,
                         ", which was never committed"));
        }
        return true;
      });
}

}  // namespace vouch
