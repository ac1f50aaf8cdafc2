#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/ids.h"

namespace vouch {

// From which version on a dense field's rows are embedded by which trained model.
struct EmbedderHistoryEntry {
  Version from_version;  // the commit that embedded by it first
  std::string id;        // Embedder::id()
  std::string artifact;  // content hash of the model's bytes
  friend bool operator==(const EmbedderHistoryEntry&, const EmbedderHistoryEntry&) = default;
};

// The document key that holds a field's history: "embedder/FIELD". The list only grows, in the
// commit that embeds anew, so that its latest value answers for every version.
std::string EmbedderHistoryKey(std::string_view dense_field);

// [{"from_version": 1, "id": "builtin/lsa?dim=300#…", "artifact": "…"}, …], ascending by version.
std::string EncodeEmbedderHistory(std::span<const EmbedderHistoryEntry> entries);
// DATA_LOSS names the entry. Versions must ascend strictly from 1 or more; ids and artifacts must
// not be empty.
absl::StatusOr<std::vector<EmbedderHistoryEntry>> DecodeEmbedderHistory(std::string_view json);

// The entry that holds at a version: the last with from_version <= at; null where there is none.
const EmbedderHistoryEntry* FindEmbedderAt(std::span<const EmbedderHistoryEntry> entries,
                                           Version at);

}  // namespace vouch
