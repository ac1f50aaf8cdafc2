#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/document.h"

namespace vouch {

struct ParseLimits {
  static constexpr size_t kMaxDocumentBytes = size_t{64} << 20;
  static constexpr size_t kMaxLineBytes = size_t{16} << 20;  // of a JSONL record
  static constexpr int kMaxDepth = 256;                      // nested HTML or Markdown
};

// By file name: .txt .text .rst, README and the like without an ending, .md .markdown, .html .htm .xhtml, .jsonl .ndjson,
// .pdf, .docx, .csv .tsv, .eml; nullopt for others.
std::optional<MediaType> MediaTypeOf(std::string_view file_name);

// The parser of a media type with its version, as ParsedDocument::parser has it: "markdown/1".
std::string_view ParserId(MediaType type);

// Parses text, Markdown, HTML, CSV and single JSONL records (SplitJsonLines cuts a file into those) here, and PDF, DOCX and
// e-mail in a child process (parser_child.h). INVALID_ARGUMENT: not UTF-8 or a NUL (names the byte offset), too large, too
// deep, a record that is none, a damaged file. FAILED_PRECONDITION: a program that reads such files is missing.
// RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, INTERNAL: the child took too much memory or time, or crashed. Never crashes on
// any bytes.
absl::StatusOr<ParsedDocument> ParseDocument(const Document& document, const CancelToken& cancel = CancelToken());

// Each record {_id, title, text, metadata} of a JSONL file becomes one Document (media type kJsonLines, id
// "FILE_ID#_id", bytes: the line). `on_error` hears of each bad line (truncated, not an object, no _id, bad UTF-8, a
// repeated _id) with its number, from 1, and the rest goes on. Stops with what `on_document` returns if that is an error.
absl::Status SplitJsonLines(std::string_view file_id, std::string_view bytes,
                            const std::function<absl::Status(Document&&)>& on_document,
                            const std::function<void(uint64_t line, const absl::Status&)>& on_error);

}  // namespace vouch
