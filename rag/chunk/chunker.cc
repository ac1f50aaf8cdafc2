#include "rag/chunk/chunker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

// What a chunk is put together from: a block, or a piece of one that is too long.
struct Unit {
  Block block;                   // in the document's text; a piece has no level
  bool inside_sentence = false;  // the cut before it ended no sentence

  bool heading() const { return block.level > 0; }
};

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The last place at or before `end` that splits no character, after `begin`.
uint64_t CharacterBorder(std::string_view text, uint64_t begin, uint64_t end) {
  uint64_t at = end;
  while (at > begin && at < text.size() && IsContinuation(text[at])) --at;
  return at > begin ? at : end;
}

// Where to cut text that starts at `begin` and goes on past begin + max: after a word where there is one in the second
// half, else at a character.
uint64_t CutAtWord(std::string_view text, uint64_t begin, uint64_t max) {
  const uint64_t limit = begin + max;
  const size_t space = text.substr(begin, max).find_last_of(" \n\t");
  if (space != text.npos && space > max / 2) return begin + space;
  return CharacterBorder(text, begin, limit);
}

void TrimSpace(std::string_view text, uint64_t* begin, uint64_t* end) {
  constexpr std::string_view kSpace = " \n\t\r\f";
  while (*begin < *end && kSpace.find(text[*begin]) != kSpace.npos) ++*begin;
  while (*end > *begin && kSpace.find(text[*end - 1]) != kSpace.npos) --*end;
}

// Cuts the block so that no part is longer than the limit, at `breaks` (ascending ends of sentences
// or lines) where they are near enough.
void CutLong(std::string_view text, const Block& block, const std::vector<uint64_t>& breaks,
             const ChunkOptions& options, bool trim, std::vector<Unit>* units) {
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
    Unit unit{.block = {.kind = block.kind, .level = 0, .begin = begin, .end = cut},
              .inside_sentence = inside_sentence};
    if (trim) TrimSpace(text, &unit.block.begin, &unit.block.end);
    if (unit.block.begin < unit.block.end) units->push_back(unit);
    inside_sentence = cuts_sentence;
    begin = cut;
    if (!trim && begin < end && text[begin] == '\n') ++begin;
  }
}

void AddUnits(const ParsedDocument& document, const Block& block, const ChunkOptions& options,
              std::vector<Unit>* units) {
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

// Adds the unit to the blocks of a chunk that begins at `chunk_begin`; of one that starts inside a
// sentence, what follows that.
void AddBlock(std::string_view text, const Unit& unit, uint64_t chunk_begin,
              std::vector<Block>* blocks) {
  Block block = unit.block;
  if (unit.inside_sentence) {
    const std::vector<ByteSpan> sentences =
        SplitSentences(text.substr(block.begin, block.end - block.begin));
    if (sentences.size() < 2) return;
    block.begin += sentences[1].begin;
  }
  block.begin -= chunk_begin;
  block.end -= chunk_begin;
  blocks->push_back(block);
}

// The headings above a place, as a path.
class HeadingPath {
 public:
  void Enter(int level, std::string_view text) {
    while (!open_.empty() && open_.back().level >= level) open_.pop_back();
    // A path that runs through a page of a heading is of no use in every chunk below it.
    constexpr size_t kMaxHeadingBytes = 200;
    if (text.size() > kMaxHeadingBytes) text = text.substr(0, CharacterBorder(text, 0, kMaxHeadingBytes));
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    open_.push_back({.level = level, .text = std::move(line)});
  }
  std::string Text() const {
    std::string path;
    for (const Heading& heading : open_) absl::StrAppend(&path, path.empty() ? "" : " > ", heading.text);
    return path;
  }

 private:
  struct Heading {
    int level = 0;
    std::string text;
  };
  std::vector<Heading> open_;
};

Chunk MakeChunk(const ParsedDocument& document, uint64_t begin, uint64_t end, std::string heading,
                std::vector<Block> blocks, size_t ordinal) {
  Chunk chunk;
  chunk.ordinal = static_cast<uint32_t>(ordinal);
  chunk.text = document.text.substr(begin, end - begin);
  chunk.heading = std::move(heading);
  chunk.source = document.spans.ToSource(begin, end);
  chunk.spans = document.spans.Slice(begin, end);
  chunk.blocks = std::move(blocks);
  return chunk;
}

}  // namespace

std::vector<Chunk> Chunker::Split(const ParsedDocument& document, MediaType media_type) const {
  std::vector<Chunk> chunks;
  if (media_type == MediaType::kJsonLines && document.text.size() <= options_.record_max_bytes) {
    // A record without text is still found by its title.
    if (document.blocks.empty() && document.title.empty()) return chunks;
    const uint64_t begin = document.blocks.empty() ? 0 : document.blocks.front().begin;
    const uint64_t end = document.blocks.empty() ? 0 : document.blocks.back().end;
    std::vector<Block> blocks;
    for (const Block& block : document.blocks) {
      AddBlock(document.text, {.block = block, .inside_sentence = false}, begin, &blocks);
    }
    chunks.push_back(MakeChunk(document, begin, end, "", std::move(blocks), 0));
    return chunks;
  }
  std::vector<Unit> units;
  for (const Block& block : document.blocks) AddUnits(document, block, options_, &units);

  HeadingPath path;
  std::vector<Block> blocks;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool open = false;
  bool only_headings = false;
  const auto close = [&] {
    if (open) {
      chunks.push_back(
          MakeChunk(document, begin, end, path.Text(), std::exchange(blocks, {}), chunks.size()));
    }
    open = false;
  };
  for (const Unit& unit : units) {
    const Block& block = unit.block;
    const bool heading = unit.heading();
    if (open) {
      const bool new_section = heading && !only_headings;
      const bool full = end - begin >= options_.target_bytes && !only_headings;
      if (new_section || full || block.end - begin > options_.max_bytes) close();
    }
    if (!open) {
      begin = block.begin;
      only_headings = true;
      open = true;
    }
    if (heading) {
      path.Enter(block.level,
                 std::string_view(document.text).substr(block.begin, block.end - block.begin));
    } else {
      only_headings = false;
    }
    end = block.end;
    AddBlock(document.text, unit, begin, &blocks);
  }
  close();
  return chunks;
}

std::string Chunker::id() const {
  return absl::StrCat("structure/2?target=", options_.target_bytes, "&max=", options_.max_bytes,
                      "&record=", options_.record_max_bytes);
}

}  // namespace vouch
