#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"
#include "rag/parse/text_builder.h"

namespace vouch {

// The text of an HTML page: headings, paragraphs, list items, preformatted text and table rows. Left out are script,
// style, template, noscript, svg, textarea, nav, footer, aside, what is in head save the title, and DocBook's
// navheader and navfooter. Linear in the size of the page, whatever the page is.
//
// The page is read as a run of tags with the end tags that HTML lets one leave out, not made into a tree: gumbo, the
// usual parser, loses the source position of text around misnested tags and takes time and memory quadratic in the
// depth (160 s for 250 KB of nested div).
//
// INVALID_ARGUMENT: block elements nested deeper than ParseLimits::kMaxDepth, with the offset.
absl::StatusOr<ParsedDocument> ParseHtml(std::string_view bytes);

// The same for bytes [begin, end) of a document of another kind. `title` takes the first title or heading, may be null.
absl::Status AppendHtml(std::string_view bytes, uint64_t begin, uint64_t end, TextBuilder* builder,
                        std::string* title);

}  // namespace vouch
