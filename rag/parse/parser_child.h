#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/document.h"

namespace vouch {

// What one document may take of the machine.
struct ParserChildLimits {
  std::chrono::milliseconds time = std::chrono::seconds(120);
  uint64_t memory_bytes = uint64_t{1} << 30;  // of each of its processes
  uint64_t output_bytes = uint64_t{96} << 20;  // text and structure
};

// Whether documents of this type are parsed in a child: those whose formats are large and whose parsers are not ours.
bool IsParsedInChild(MediaType type);

// Parses a document in a child process: this program, started anew as RunParserChild has it, in a sandbox (sandbox.h).
// What comes back is checked like bytes from the network.
//
// INVALID_ARGUMENT: what the parser says of the document. FAILED_PRECONDITION: the program did not call RunParserChild, or
// one that the parser needs is missing. DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED: a limit, by number. INTERNAL: the parser
// crashed; names the signal.
absl::StatusOr<ParsedDocument> ParseInChild(MediaType type, std::string_view bytes, const ParserChildLimits& limits,
                                            const CancelToken& cancel);

// The first thing that a program's main calls: where it was started as a parser it parses standard input, writes the
// outcome to standard output and ends, or gives the exit code where it was started wrongly. Otherwise nullopt, and ParseInChild works from then on.
std::optional<int> RunParserChild(int argc, char** argv);

// Parses here and now, by the parsers that otherwise run in the child.
absl::StatusOr<ParsedDocument> ParseInProcess(MediaType type, std::string_view bytes);

// What a child writes: a line of its kind and sizes, then the parts as they are.
//   outcome  = "ok " title " " text " " metadata " " blocks " " places "\n" parts  |  "error " code "\n" message
//   blocks   = (kind " " level " " begin " " end "\n")*; places as EncodePlaces writes them; sizes in bytes
std::string EncodeOutcome(const absl::StatusOr<ParsedDocument>& outcome);
// The document or the error that the child told of. INTERNAL: the bytes are none that EncodeOutcome gives, or a document
// that breaks an invariant of ParsedDocument.
absl::StatusOr<ParsedDocument> DecodeOutcome(std::string_view bytes);

}  // namespace vouch
