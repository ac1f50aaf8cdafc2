#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// Where a chunk's row came from, as its provenance keeps it (RowRecord::provenance). The source's
// bytes are the collection's artifact `source_hash`.
struct Provenance {
  std::string document;  // document id
  std::string uri;
  std::string source_hash;  // ContentHash of the document's bytes
  ByteSpan source;          // what the chunk covers of them
  SpanMap spans;            // payload "text" → source
  // What stands in the payload's text; nullopt in rows of chunkers before structure/2.
  std::optional<std::vector<Block>> blocks;
  std::string parser;
  std::string chunker;
  std::string embedder;  // empty where the collection embeds nothing
};

// {"document": …, "uri": …, "source_hash": …, "source": [begin, end], "spans": SpanMap::Encode,
// "blocks": EncodeBlocks (may be missing), "parser": …, "chunker": …, "embedder": …}
std::string EncodeProvenance(const Provenance& provenance);
// INVALID_ARGUMENT: not the provenance of an ingested chunk (rows that users wrote have others, or
// none); names the key.
absl::StatusOr<Provenance> DecodeProvenance(std::string_view json);

}  // namespace vouch
