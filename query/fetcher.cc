#include "query/fetcher.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using OrderedJson = nlohmann::ordered_json;

absl::StatusOr<std::string> KeepKeys(const std::string& payload,
                                     const std::vector<std::string>& keys, RowId row) {
  const OrderedJson all = OrderedJson::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) {
    return absl::DataLossError(
        absl::StrCat("the stored payload of row ", row.value, " is not a JSON object"));
  }
  OrderedJson kept = OrderedJson::object();
  for (auto entry = all.begin(); entry != all.end(); ++entry) {
    for (const std::string& key : keys) {
      if (entry.key() != key) continue;
      kept[key] = entry.value();
      break;
    }
  }
  return kept.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

bool NeedsStore(const Projection& projection) {
  return projection.payload || projection.vectors || projection.provenance ||
         projection.access || projection.written_version;
}

absl::Status FetchHits(const Store& store, const CollectionInfo& info, const Projection& projection,
                       std::span<PointHit> hits) {
  if (!NeedsStore(projection) || hits.empty()) return absl::OkStatus();
  std::vector<RowId> rows;
  rows.reserve(hits.size());
  for (const PointHit& hit : hits) rows.push_back(hit.row);
  absl::StatusOr<std::vector<RowRecord>> records =
      store.ReadRows(info.id, rows, projection.vectors);
  if (!records.ok()) return records.status();
  for (size_t i = 0; i < hits.size(); ++i) {
    RowRecord& record = (*records)[i];
    if (projection.payload && projection.payload_keys.empty()) {
      hits[i].payload = std::move(record.payload);
    } else if (projection.payload) {
      absl::StatusOr<std::string> kept =
          KeepKeys(record.payload, projection.payload_keys, record.row);
      if (!kept.ok()) return kept.status();
      hits[i].payload = *std::move(kept);
    }
    if (projection.access) hits[i].access = std::move(record.access);
    if (projection.written_version) {
      const absl::StatusOr<CommitHeader> header = store.FindCommitOfRow(info.id, hits[i].row);
      if (!header.ok()) return header.status();
      hits[i].written_version = header->version;
    }
    if (projection.provenance) hits[i].provenance = std::move(record.provenance);
    if (!projection.vectors) continue;
    for (size_t field = 0; field < record.vectors.size() && field < info.schema.dense.size();
         ++field) {
      if (record.vectors[field].empty() || info.schema.dense[field].dropped) continue;
      hits[i].vectors.emplace(info.schema.dense[field].name, std::move(record.vectors[field]));
    }
    for (size_t field = 0; field < record.sparse.size() && field < info.schema.sparse.size();
         ++field) {
      if (record.sparse[field].empty() || info.schema.sparse[field].dropped) continue;
      hits[i].sparse_vectors.emplace(info.schema.sparse[field].name,
                                     std::move(record.sparse[field]));
    }
    for (size_t field = 0;
         field < record.multi_vectors.size() && field < info.schema.multi_vector.size(); ++field) {
      if (record.multi_vectors[field].empty() || info.schema.multi_vector[field].dropped) continue;
      hits[i].multi_vectors.emplace(info.schema.multi_vector[field].name,
                                    std::move(record.multi_vectors[field]));
    }
  }
  return absl::OkStatus();
}

}  // namespace vouch
