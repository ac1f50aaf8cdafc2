#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// Where a chunk's row came from, as its provenance keeps it (RowRecord::provenance). The source's
// bytes are the collection's artifact `source_hash`.
struct Provenance {
  std::string document = {};  // document id
  std::string uri = {};
  std::string source_hash = {};  // ContentHash of the document's bytes
  // ContentHash of the text that a document which is none was made into (an artifact, too); empty: the bytes are text.
  std::string rendition_hash = {};
  ByteSpan source = {};          // what the chunk covers of the bytes, or of the rendition
  SpanMap spans = {};            // payload "text" → source
  // What stands in the payload's text; nullopt in rows of chunkers before structure/2.
  std::optional<std::vector<Block>> blocks = {};
  std::vector<Place> places = {};  // pages and positions of the payload's text; of sources with pages
  // The ordinals [first, last] of the chunks that make its parent up, where it is a child.
  std::optional<std::pair<uint32_t, uint32_t>> parent = {};
  std::string parser = {};
  std::string chunker = {};
  std::string embedder = {};  // empty where the collection embeds nothing

  // The artifact that spans count in.
  const std::string& text_hash() const { return rendition_hash.empty() ? source_hash : rendition_hash; }
};

// {"document": …, "uri": …, "source_hash": …, "source": [begin, end], "spans": SpanMap::Encode,
// "blocks": EncodeBlocks (may be missing), "rendition_hash", "places": EncodePlaces, "parent": [first, last] (each may be
// missing), "parser": …, "chunker": …, "embedder": …}
std::string EncodeProvenance(const Provenance& provenance);
// INVALID_ARGUMENT: not the provenance of an ingested chunk (rows that users wrote have others, or
// none); names the key.
absl::StatusOr<Provenance> DecodeProvenance(std::string_view json);

}  // namespace vouch
