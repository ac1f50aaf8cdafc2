#include "query/diff.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using Json = nlohmann::json;

constexpr size_t kRowsCompared = 1'000;

// Where a page starts in the list: entries before it, and the versions that it was made of.
struct Place {
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t entries = 0;
};

std::string EncodePlace(const Place& place) {
  return absl::StrCat("d", place.from, "-", place.to, "-", place.entries);
}

absl::StatusOr<Place> DecodePlace(std::string_view cursor) {
  const auto bad = absl::InvalidArgumentError(
      absl::StrCat("cursor '", std::string(cursor.substr(0, 64)), "' is none of a diff"));
  if (!cursor.starts_with('d')) return bad;
  cursor.remove_prefix(1);
  uint64_t numbers[3] = {};
  for (int i = 0; i < 3; ++i) {
    const size_t end = i < 2 ? cursor.find('-') : cursor.size();
    if (end == std::string_view::npos) return bad;
    const std::string digits(cursor.substr(0, end));
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
        !absl::SimpleAtoi(digits, &numbers[i])) {
      return bad;
    }
    cursor.remove_prefix(std::min(cursor.size(), end + 1));
  }
  return Place{numbers[0], numbers[1], numbers[2]};
}

void ComparePayloads(const std::string& old_text, const std::string& new_text,
                     std::vector<std::string>& changed) {
  if (old_text == new_text) return;
  const Json old_json = Json::parse(old_text, nullptr, /*allow_exceptions=*/false);
  const Json new_json = Json::parse(new_text, nullptr, /*allow_exceptions=*/false);
  if (!old_json.is_object() || !new_json.is_object()) {
    changed.push_back("payload");
    return;
  }
  for (const auto& [key, value] : old_json.items()) {
    const auto other = new_json.find(key);
    if (other == new_json.end() || *other != value) changed.push_back("payload." + key);
  }
  for (const auto& [key, value] : new_json.items()) {
    if (!old_json.contains(key)) changed.push_back("payload." + key);
  }
}

std::vector<std::string> Compare(const CollectionSchema& schema, const RowRecord& before,
                                 const RowRecord& after) {
  std::vector<std::string> changed;
  ComparePayloads(before.payload, after.payload, changed);
  for (size_t field = 0; field < schema.dense.size(); ++field) {
    if (!schema.dense[field].dropped && before.vectors[field] != after.vectors[field]) {
      changed.push_back(absl::StrCat("vector ", schema.dense[field].name));
    }
  }
  for (size_t field = 0; field < schema.sparse.size(); ++field) {
    if (!schema.sparse[field].dropped && !(before.sparse[field] == after.sparse[field])) {
      changed.push_back(absl::StrCat("sparse ", schema.sparse[field].name));
    }
  }
  for (size_t field = 0; field < schema.multi_vector.size(); ++field) {
    if (!schema.multi_vector[field].dropped && !(before.multi_vectors[field] == after.multi_vectors[field])) {
      changed.push_back(absl::StrCat("multi-vector ", schema.multi_vector[field].name));
    }
  }
  if (before.access != after.access) changed.push_back("access");
  if (before.provenance != after.provenance) changed.push_back("provenance");
  return changed;
}

class Differ {
 public:
  Differ(const Store& store, const CollectionInfo& info, const DiffRequest& request,
         const IndexReader& from, uint64_t from_rows, const IndexReader& to)
      : store_(store),
        info_(info),
        request_(request),
        from_(from),
        to_(to),
        from_rows_(from_rows) {}

  absl::StatusOr<DiffResponse> Run();

 private:
  absl::Status FindRetired();
  absl::Status Pair();
  absl::Status AddRetired();
  absl::Status Show(size_t begin, std::vector<DiffEntry>& shown) const;

  const Store& store_;
  const CollectionInfo& info_;
  const DiffRequest& request_;
  const IndexReader& from_;
  const IndexReader& to_;
  const uint64_t from_rows_;
  RowMask from_mask_;
  RowMask to_mask_;
  // Rows seen at `from` that are not seen at `to`, by the encoded id.
  absl::flat_hash_map<std::string, RowId> gone_;
  DiffResponse response_;
  std::vector<DiffEntry> all_;
};

absl::Status Differ::FindRetired() {
  // A row that both versions have and one of them shows is retired between them: the access list
  // of a row never changes.
  std::vector<RowId> rows;
  absl::Status status = store_.ScanRetired(
      info_.id, {RowId(0), RowId(from_rows_)}, [&](RowId row, Version version) {
        if (version > from_.at() && version <= to_.at()) rows.push_back(row);
      });
  if (!status.ok()) return status;
  for (const RowId row : rows) {
    if (from_.IsAllowed(row, from_mask_)) gone_.emplace(from_.IdOf(row).Encode(), row);
  }
  return request_.cancel.Check();
}

absl::Status Differ::Pair() {
  RowId after = from_rows_ == 0 ? kNoRow : RowId(from_rows_ - 1);
  while (true) {
    if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
    const std::vector<RowId> rows = to_.ScrollRows(to_mask_, after, kRowsCompared);
    for (const RowId row : rows) {
      DiffEntry entry{.id = to_.IdOf(row), .new_row = row};
      const auto old = gone_.find(entry.id.Encode());
      if (old != gone_.end()) {
        entry.kind = DiffKind::kReplaced;
        entry.old_row = old->second;
        gone_.erase(old);
        ++response_.replaced;
      } else {
        ++response_.added;
      }
      all_.push_back(std::move(entry));
    }
    if (rows.size() < kRowsCompared) return absl::OkStatus();
    after = rows.back();
  }
}

absl::Status Differ::AddRetired() {
  response_.retired = gone_.size();
  const size_t begin = all_.size();
  for (const auto& [id, row] : gone_) {
    all_.push_back({.id = from_.IdOf(row), .kind = DiffKind::kRetired, .old_row = row});
  }
  std::sort(all_.begin() + static_cast<ptrdiff_t>(begin), all_.end(),
            [](const DiffEntry& a, const DiffEntry& b) { return a.old_row < b.old_row; });
  return request_.cancel.Check();
}

absl::Status Differ::Show(size_t begin, std::vector<DiffEntry>& shown) const {
  const size_t end = std::min(all_.size(), begin + request_.limit);
  for (size_t i = begin; i < end; ++i) {
    DiffEntry entry = all_[i];
    if (entry.kind == DiffKind::kReplaced) {
      const RowId rows[] = {entry.old_row, entry.new_row};
      const auto records = store_.ReadRows(info_.id, rows, /*with_vectors=*/true);
      if (!records.ok()) return records.status();
      entry.changed = Compare(info_.schema, (*records)[0], (*records)[1]);
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
    }
    shown.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::StatusOr<DiffResponse> Differ::Run() {
  if (request_.limit > DiffRequest::kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit is ", request_.limit, ", at most ", DiffRequest::kMaxLimit));
  }
  Place place{from_.at().value, to_.at().value, 0};
  if (!request_.cursor.empty()) {
    const absl::StatusOr<Place> decoded = DecodePlace(request_.cursor);
    if (!decoded.ok()) return decoded.status();
    if (decoded->from != place.from || decoded->to != place.to) {
      return absl::InvalidArgumentError(
          absl::StrCat("the cursor is of versions ", decoded->from, " and ", decoded->to,
                       ", the request of ", place.from, " and ", place.to));
    }
    place = *decoded;
  }
  absl::StatusOr<RowMask> mask = from_.MakeMask(nullptr, request_.principal, request_.cancel);
  if (!mask.ok()) return mask.status();
  from_mask_ = *std::move(mask);
  mask = to_.MakeMask(nullptr, request_.principal, request_.cancel);
  if (!mask.ok()) return mask.status();
  to_mask_ = *std::move(mask);
  response_.from = from_.at();
  response_.to = to_.at();
  response_.points_from = from_mask_.allowed_count;
  response_.points_to = to_mask_.allowed_count;
  if (absl::Status status = FindRetired(); !status.ok()) return status;
  if (absl::Status status = Pair(); !status.ok()) return status;
  if (absl::Status status = AddRetired(); !status.ok()) return status;
  const size_t begin = std::min<uint64_t>(place.entries, all_.size());
  if (absl::Status status = Show(begin, response_.entries); !status.ok()) return status;
  place.entries = begin + response_.entries.size();
  if (request_.limit > 0 && place.entries < all_.size()) {
    response_.next_cursor = EncodePlace(place);
  }
  return std::move(response_);
}

}  // namespace

std::string_view DiffKindName(DiffKind kind) {
  switch (kind) {
    case DiffKind::kAdded:
      return "added";
    case DiffKind::kReplaced:
      return "replaced";
    case DiffKind::kRetired:
      return "retired";
  }
  return "unknown";
}

absl::StatusOr<DiffResponse> MakeDiff(const Store& store, const CollectionInfo& info,
                                      const DiffRequest& request, const IndexReader& from,
                                      uint64_t from_rows, const IndexReader& to) {
  return Differ(store, info, request, from, from_rows, to).Run();
}

}  // namespace vouch
