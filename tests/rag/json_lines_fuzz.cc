#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/parse/parser.h"
#include "tests/rag/span_checks.h"

std::vector<std::string> FuzzSeeds() {
  return {"{\"_id\":\"a\",\"title\":\"t \\\"q\\\"\",\"text\":\"x\\n\\u00e9\\ud83d\\ude00\",\"metadata\":{\"y\":1}}\n",
          "{\"_id\":1,\"text\":\"x\"}\r\n\n{\"_id\":1,\"text\":\"again\"}\n[1]\n{\"_id\":\"b\",\"text\":\"cut"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::Status status = vouch::SplitJsonLines(
      "f", bytes,
      [](vouch::Document&& document) {
        const absl::StatusOr<vouch::ParsedDocument> parsed = vouch::ParseDocument(document);
        // What the splitter takes, the parser takes.
        if (!parsed.ok()) std::abort();
        for (const vouch::SpanPiece& piece : parsed->spans.pieces()) {
          if (piece.source_end > document.bytes.size() || piece.text_end > parsed->text.size()) std::abort();
          if (piece.exact && parsed->text.substr(piece.text_begin, piece.text_end - piece.text_begin) !=
                                 document.bytes.substr(piece.source_begin, piece.source_end - piece.source_begin)) {
            std::abort();
          }
        }
        return absl::OkStatus();
      },
      [](uint64_t, const absl::Status& error) {
        if (error.ok()) std::abort();
      });
  return status.ok() ? 0 : -1;
}
