#include "rag/chunk/chunk_maker.h"

#include <algorithm>
#include <utility>

#include "rag/chunk/chunker.h"
#include "storage/concat.h"

namespace vouch {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Adds the unit to the blocks of a chunk that begins at `chunk_begin`; of one that starts inside a sentence, what follows
// that.
void AddBlock(std::string_view text, const ChunkUnit& unit, uint64_t chunk_begin, std::vector<Block>* blocks) {
  Block block = unit.block;
  if (unit.inside_sentence) {
    const std::vector<ByteSpan> sentences = SplitSentences(text.substr(block.begin, block.end - block.begin));
    if (sentences.size() < 2) return;
    block.begin += sentences[1].begin;
  }
  block.begin -= chunk_begin;
  block.end -= chunk_begin;
  blocks->push_back(block);
}

std::vector<Place> PlacesIn(const std::vector<Place>& places, uint64_t begin, uint64_t end) {
  std::vector<Place> inside;
  auto place = std::partition_point(places.begin(), places.end(), [&](const Place& p) { return p.end <= begin; });
  for (; place != places.end() && place->begin < end; ++place) {
    Place cut = *place;
    cut.begin = std::max(cut.begin, begin) - begin;
    cut.end = std::min(cut.end, end) - begin;
    inside.push_back(cut);
  }
  return inside;
}

size_t CountCells(std::string_view row) { return static_cast<size_t>(std::count(row.begin(), row.end(), '|')); }

}  // namespace

uint64_t CharacterBorder(std::string_view text, uint64_t begin, uint64_t end) {
  uint64_t at = end;
  while (at > begin && at < text.size() && IsContinuation(text[at])) --at;
  return at > begin ? at : end;
}

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

void ChunkMaker::Enter(const Block& block) {
  while (!headings_.empty() && headings_.back().level >= block.level) headings_.pop_back();
  // A path that runs through a page of a heading is of no use in every chunk below it.
  constexpr size_t kMaxHeadingBytes = 200;
  std::string_view text = std::string_view(document_.text).substr(block.begin, block.end - block.begin);
  if (text.size() > kMaxHeadingBytes) text = text.substr(0, CharacterBorder(text, 0, kMaxHeadingBytes));
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  headings_.push_back({.level = block.level, .text = std::move(line)});
}

std::string ChunkMaker::Path() const {
  std::string path;
  for (const Heading& heading : headings_) path += Concat(path.empty() ? "" : " > ", heading.text);
  if (!chunk_columns_.empty()) {
    std::string line(chunk_columns_);
    std::replace(line.begin(), line.end(), '\n', ' ');
    path += Concat(path.empty() ? "" : " > ", line);
  }
  return path;
}

void ChunkMaker::Add(const ChunkUnit& unit) {
  const Block& block = unit.block;
  const std::string_view text = std::string_view(document_.text).substr(block.begin, block.end - block.begin);
  const bool row = block.kind == Block::Kind::kTable;
  if (!row) columns_ = {};
  if (!open_) {
    begin_ = block.begin;
    only_headings_ = true;
    open_ = true;
    // A row of other columns is of another table.
    const bool below = row && block.level == 0 && CountCells(text) == CountCells(columns_);
    chunk_columns_ = below ? columns_ : std::string_view();
  }
  constexpr size_t kMaxColumnsBytes = 400;
  if (row && block.level > 0) columns_ = text.size() > kMaxColumnsBytes ? std::string_view() : text;
  if (unit.heading()) {
    Enter(block);
  } else {
    only_headings_ = false;
  }
  end_ = block.end;
  AddBlock(document_.text, unit, begin_, &blocks_);
}

void ChunkMaker::Close() {
  if (!open_) return;
  open_ = false;
  Chunk chunk;
  chunk.ordinal = static_cast<uint32_t>(chunks_.size());
  chunk.text = document_.text.substr(begin_, end_ - begin_);
  chunk.heading = Path();
  chunk.source = document_.spans.ToSource(begin_, end_);
  chunk.spans = document_.spans.Slice(begin_, end_);
  chunk.blocks = std::exchange(blocks_, {});
  chunk.places = PlacesIn(document_.places, begin_, end_);
  chunks_.push_back(std::move(chunk));
}

}  // namespace vouch
