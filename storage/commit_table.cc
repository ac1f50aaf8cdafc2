#include "storage/commit_table.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "storage/commit_codec.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/retention_table.h"
#include "storage/rocks.h"
#include "storage/row_codec.h"

namespace vouch {

absl::StatusOr<CommitHeader> CommitTable::Get(const CollectionEntry& entry, Version latest,
                                              Version version) const {
  if (version < Version(1) || version > latest) {
    return absl::NotFoundError(Concat("collection ", entry.id.value, " has no version ",
                                            version.value, "; the latest is ", latest.value));
  }
  auto value = rocks_.Get(Family::kCommits, CommitKey(entry.prefix, version));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    return absl::DataLossError(Concat("commit ", version.value, " of collection ",
                                            entry.id.value, " is missing"));
  }
  return DecodeCommitHeader(entry.id, version, **value);
}

absl::StatusOr<std::vector<CommitHeader>> CommitTable::List(const CollectionEntry& entry,
                                                            Version latest, Version first,
                                                            Version last, size_t limit) const {
  std::vector<CommitHeader> headers;
  first = std::max(first, Version(1));
  last = std::min(last, latest);
  if (first > last || limit == 0) return headers;
  absl::Status status;
  Version expected = first;
  const absl::Status scanned = rocks_.Scan(
      Family::kCommits, CommitKey(entry.prefix, first),
      CommitKey(entry.prefix, Version(last.value + 1)),
      [&](std::string_view key, std::string_view value) {
        if (key != CommitKey(entry.prefix, expected)) return false;
        absl::StatusOr<CommitHeader> header = DecodeCommitHeader(entry.id, expected, value);
        if (!header.ok()) {
          status = header.status();
          return false;
        }
        headers.push_back(*std::move(header));
        ++expected.value;
        return headers.size() < limit;
      });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  if (headers.size() < std::min<uint64_t>(limit, last.value - first.value + 1)) {
    return absl::DataLossError(Concat("commit ", expected.value, " of collection ",
                                            entry.id.value, " is missing"));
  }
  return headers;
}

absl::StatusOr<Version> CommitTable::FindVersionAt(const CollectionEntry& entry, Version latest,
                                                   int64_t time_us) const {
  uint64_t lo = 0;  // known to be at or before the time
  uint64_t hi = latest.value + 1;
  while (hi - lo > 1) {
    const uint64_t middle = lo + (hi - lo) / 2;
    absl::StatusOr<CommitHeader> header = Get(entry, latest, Version(middle));
    if (!header.ok()) return header.status();
    (header->time_us <= time_us ? lo : hi) = middle;
  }
  return Version(lo);
}

absl::StatusOr<std::optional<CommitHeader>> CommitTable::FindRequest(
    const CollectionEntry& entry, Version latest, std::string_view request_id) const {
  if (request_id.empty()) return std::nullopt;
  auto value = rocks_.Get(Family::kCommits, RequestKey(entry.prefix, request_id));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  absl::StatusOr<Version> version = DecodeVersion(**value);
  if (!version.ok()) return version.status();
  // One that is durable and not yet told to readers.
  if (*version > latest) return std::nullopt;
  absl::StatusOr<CommitHeader> header = Get(entry, latest, *version);
  if (!header.ok()) return header.status();
  return std::optional<CommitHeader>(*std::move(header));
}

absl::StatusOr<CommitHeader> CommitTable::FindCommitOfRow(const CollectionEntry& entry,
                                                          Version latest, RowId row) const {
  uint64_t lo = 0;  // known to end at or before the row
  uint64_t hi = latest.value + 1;
  CommitHeader found;
  while (hi - lo > 1) {
    const uint64_t middle = lo + (hi - lo) / 2;
    absl::StatusOr<CommitHeader> header = Get(entry, latest, Version(middle));
    if (!header.ok()) return header.status();
    if (header->rows_end() <= row) {
      lo = middle;
    } else {
      hi = middle;
      found = *std::move(header);
    }
  }
  if (found.version == Version(0)) {
    return absl::NotFoundError(
        Concat("no commit of collection ", entry.id.value, " added row ", row.value));
  }
  return found;
}

absl::StatusOr<CollectionTip> CommitTable::RecoverTip(const CollectionEntry& entry) const {
  const std::string commits = CommitKeyPrefix(entry.prefix);
  auto last = rocks_.LastKey(Family::kCommits, commits, PrefixEnd(commits));
  if (!last.ok()) return last.status();
  CollectionTip tip;
  if (last->has_value()) {
    absl::StatusOr<CommitKeyParts> parts = DecodeCommitKey(**last);
    if (!parts.ok()) return parts.status();
    absl::StatusOr<CommitHeader> header = Get(entry, parts->version, parts->version);
    if (!header.ok()) return header.status();
    tip.state = {parts->version, header->rows_end().value, header->live_rows};
    tip.time_us = header->time_us;
  }
  // A lost data file takes its families back by different amounts; the cheapest sign of it is looked for here.
  for (const Family family : {Family::kRows, Family::kVectors}) {
    auto last_row = rocks_.LastKey(family, entry.prefix, PrefixEnd(entry.prefix));
    if (!last_row.ok()) return last_row.status();
    uint64_t rows = 0;
    if (last_row->has_value()) {
      absl::StatusOr<RowKeyParts> parts =
          DecodeRowKey(std::string_view(**last_row).substr(0, kCollectionPrefixBytes + 8));
      if (!parts.ok()) return parts.status();
      rows = parts->row.value + 1;
    }
    uint64_t purged = 0;  // the last rows may have been let go
    if (family == Family::kRows && rows < tip.state.rows) {
      const RowRange last_rows{RowId(rows), RowId(tip.state.rows)};
      const absl::StatusOr<PurgedRows> found = RetentionTable(rocks_).LoadPurged(entry, last_rows);
      if (!found.ok()) return found.status();
      purged = found->Count(last_rows);
    }
    if (rows > tip.state.rows || (family == Family::kRows && rows + purged < tip.state.rows)) {
      return absl::DataLossError(Concat(
          "collection ", entry.id.value, ": the last commit, ", tip.state.latest.value, ", ends at row ",
          tip.state.rows, ", but ", kFamilyNames[static_cast<size_t>(family)], " end at ", rows));
    }
  }
  return tip;
}

}  // namespace vouch
