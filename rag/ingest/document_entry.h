#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// What a collection keeps of an ingested document, under the document key "doc/DOCUMENT_ID", changed in the commit that
// changes its chunks. As JSON: {"hash", "metadata_hash", "media_type", "uri", "external_id", "parser", "chunker",
// "embedder", "chunks", "rendition_hash" (may be missing)}. The document's bytes are the artifact `hash`.
struct DocumentEntry {
  std::string hash;           // ContentHash of the bytes
  std::string metadata_hash;  // ContentHash of the canonical metadata and the external id
  MediaType media_type = MediaType::kText;
  std::string uri;
  std::string external_id;
  std::string parser;
  std::string chunker;
  // The field's spec, "builtin/lsa?dim=300", where the model is trained (a row's provenance names the model itself), else
  // the embedder's id; empty where the collection embeds nothing.
  std::string embedder;
  // The artifact with the text that it was made into; empty where its bytes are text.
  std::string rendition_hash;
  uint32_t chunks = 0;  // its points are ChunkPointId(document, 0 … chunks - 1)

  std::string Encode() const;
  // DATA_LOSS names the key.
  static absl::StatusOr<DocumentEntry> Decode(std::string_view json);

  // Whether the same document, cut and embedded the same way, is there already.
  bool SameAs(const DocumentEntry& other) const {
    return hash == other.hash && metadata_hash == other.metadata_hash && media_type == other.media_type &&
           parser == other.parser && chunker == other.chunker && embedder == other.embedder;
  }
};

inline constexpr std::string_view kDocumentKeyPrefix = "doc/";
std::string DocumentKey(std::string_view document_id);

// Whether a document lies under a scope: "docs" holds "docs", "docs/…" and "docs#…".
bool InScope(std::string_view document_id, std::string_view scope);

}  // namespace vouch
