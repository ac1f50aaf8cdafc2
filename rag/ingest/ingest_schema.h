#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/schema.h"

namespace vouch {

// What ingestion uses of a collection's schema.
struct IngestFields {
  int dense = -1;  // the first dense field with an embedder; -1: none
  int text = -1;   // the first text field over the payload's "text"; -1: none
};

// FAILED_PRECONDITION where the schema has neither of the two; says what is missing.
absl::StatusOr<IngestFields> FindIngestFields(const CollectionSchema& schema, std::string_view collection);

// The schema of a collection that ingestion makes: dense field "embedding" (cosine, HNSW) filled by
// `embedder`, text field "text" over title, heading and text, keyword fields doc_id, source, title,
// heading, media_type, language, the integer field page (these two unless the metadata has such a key), and a field for each metadata key whose values (or elements) are all of one
// kind: text of at most 256 bytes, integers, numbers or booleans. Keys of objects in the metadata,
// and in arrays there, come after its own, as paths ("authors.name"), at most 8 levels down.
// INVALID_ARGUMENT: the embedder's spec.
absl::StatusOr<CollectionSchema> DefaultIngestSchema(std::string_view embedder, std::span<const std::string> metadata);

}  // namespace vouch
