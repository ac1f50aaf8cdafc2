#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/chunk_id.h"
#include "rag/document.h"

namespace vouch {

// A document's own words for people: the title that the parser found, else, of a file, the last part of its uri.
std::string TitleOf(const Document& document, const ParsedDocument& parsed);

// {"doc_id": external id, "source": uri, "title", "heading", "media_type", "ordinal", "text", and the metadata's keys};
// a metadata key that is one of these stands in the object "metadata" instead, and a null is left out. "page", where the
// chunk begins, and "language" stand beside them where they are known and the metadata has no such key. INVALID_ARGUMENT
// where the metadata is no JSON object.
absl::StatusOr<std::string> ChunkPayload(const Document& document, const std::string& title, std::string_view language,
                                         const Chunk& chunk);

// What is embedded for a chunk: title and text of a record, title, heading and text of a piece of a file.
std::string TextToEmbed(std::string_view title, std::string_view heading, std::string_view text, bool record);
// The same from a payload that ChunkPayload made.
std::string EmbeddedTextOf(std::string_view payload);

}  // namespace vouch
