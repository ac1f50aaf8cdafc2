#include "rag/chunk/chunker.h"

#include "rag/chunk/chunk_maker.h"
#include "rag/chunk/token_packer.h"

namespace vouch {
namespace {

// Cuts the block so that no part is longer than the limit, at `breaks` (ascending ends of sentences
// or lines) where they are near enough.
void CutLong(std::string_view text, const Block& block, const std::vector<uint64_t>& breaks,
             const ChunkOptions& options, bool trim, std::vector<ChunkUnit>* units) {
  const uint64_t target = options.target_bytes;
  const uint64_t max = options.max_bytes;
  uint64_t begin = block.begin;
  const uint64_t end = block.end;
  auto next = breaks.begin();
  bool inside_sentence = false;
  while (begin < end) {
    uint64_t cut = end;
    bool cuts_sentence = false;
    if (end - begin > max) {
      cut = 0;
      while (next != breaks.end() && *next <= begin) ++next;
      // The first break past the target, or the last one before the limit.
      for (auto at = next; at != breaks.end() && *at - begin <= max; ++at) {
        cut = *at;
        if (cut - begin >= target) break;
      }
      cuts_sentence = cut == 0;
      if (cuts_sentence) cut = CutAtWord(text, begin, max);
    }
    ChunkUnit unit{.block = {.kind = block.kind, .level = 0, .begin = begin, .end = cut},
              .inside_sentence = inside_sentence};
    if (trim) TrimSpace(text, &unit.block.begin, &unit.block.end);
    if (unit.block.begin < unit.block.end) units->push_back(unit);
    inside_sentence = cuts_sentence;
    begin = cut;
    if (!trim && begin < end && text[begin] == '\n') ++begin;
  }
}

void AddUnits(const ParsedDocument& document, const Block& block, const ChunkOptions& options,
              std::vector<ChunkUnit>* units) {
  const std::string_view text = document.text;
  const uint64_t size = block.end - block.begin;
  if (size <= options.max_bytes) {
    units->push_back({.block = block, .inside_sentence = false});
    return;
  }
  std::vector<uint64_t> breaks;
  const bool lines = block.kind == Block::Kind::kCode || block.kind == Block::Kind::kTable;
  if (lines) {
    for (size_t at = text.find('\n', block.begin); at < block.end; at = text.find('\n', at + 1)) {
      breaks.push_back(at);
    }
  } else {
    for (const ByteSpan& sentence : SplitSentences(text.substr(block.begin, size))) {
      breaks.push_back(block.begin + sentence.end);
    }
  }
  CutLong(text, block, breaks, options, !lines, units);
}

// By bytes; the other methods count tokens.
std::vector<Chunk> SplitByBytes(const ParsedDocument& document, const ChunkOptions& options) {
  std::vector<ChunkUnit> units;
  for (const Block& block : document.blocks) AddUnits(document, block, options, &units);
  ChunkMaker maker(document);
  for (const ChunkUnit& unit : units) {
    if (maker.open()) {
      const bool new_section = unit.heading() && !maker.only_headings();
      const bool full = maker.end() - maker.begin() >= options.target_bytes && !maker.only_headings();
      if (new_section || full || unit.block.end - maker.begin() > options.max_bytes) maker.Close();
    }
    maker.Add(unit);
  }
  return maker.Take();
}

}  // namespace

std::vector<Chunk> Chunker::Split(const ParsedDocument& document, MediaType media_type) const {
  using Method = ChunkOptions::Method;
  if (options_.method == Method::kStructure && media_type == MediaType::kJsonLines &&
      document.text.size() <= options_.record_max_bytes) {
    ChunkMaker maker(document);
    for (Block block : document.blocks) {
      maker.Add({.block = block, .inside_sentence = false});
    }
    std::vector<Chunk> chunks = maker.Take();
    for (Chunk& chunk : chunks) chunk.heading.clear();
    // A record without text is still found by its title.
    if (chunks.empty() && !document.title.empty()) chunks.emplace_back();
    return chunks;
  }
  switch (options_.method) {
    case Method::kStructure:
      return options_.structure_tokens > 0 ? PackBlocks(document, options_.structure_tokens)
                                           : SplitByBytes(document, options_);
    case Method::kFixed:
      return PackWords(document, options_.tokens, options_.overlap);
    case Method::kSentence:
      return PackSentences(document, options_.tokens, options_.overlap);
    case Method::kParentChild:
      return PackParentsAndChildren(document, options_.child_tokens, options_.parent_tokens);
  }
  return {};
}

}  // namespace vouch
