#include "rag/chunk/token_packer.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "rag/chunk/chunk_maker.h"
#include "rag/chunk/chunker.h"
#include "rag/parse/token_estimate.h"

namespace vouch {
namespace {

// A part of a block.
struct Piece {
  size_t block = 0;  // its place in the document
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t tokens = 0;
  bool inside_sentence = false;  // the cut before it ended no sentence
};

enum class Grain { kBlocks, kSentences, kWords };

using Sink = std::function<void(const Piece&)>;

// Cuts a document into pieces of at most `max` tokens.
class PieceCutter {
 public:
  PieceCutter(const ParsedDocument& document, uint64_t max) : document_(document), text_(document.text), max_(max) {}

  void CutBlock(size_t index, Grain grain, const Sink& sink) const {
    const Block& block = document_.blocks[index];
    CutPiece({.block = index, .begin = block.begin, .end = block.end, .tokens = Count(block.begin, block.end)}, grain, sink);
  }

  void CutPiece(const Piece& piece, Grain grain, const Sink& sink) const {
    const Block::Kind kind = document_.blocks[piece.block].kind;
    const bool splits = kind == Block::Kind::kParagraph || kind == Block::Kind::kCode;
    const bool whole = grain == Grain::kBlocks || (grain == Grain::kSentences && !splits);
    if (whole && piece.tokens <= max_) return sink(piece);
    if (grain == Grain::kWords) return CutWords(piece, /*each=*/true, sink);
    bool first = true;
    for (const ByteSpan& part : PartsOf(piece, kind)) {
      Piece next{.block = piece.block,
                 .begin = part.begin,
                 .end = part.end,
                 .tokens = Count(part.begin, part.end),
                 .inside_sentence = first && piece.inside_sentence};
      first = false;
      if (next.tokens <= max_) {
        sink(next);
      } else {
        CutWords(next, /*each=*/false, sink);
      }
    }
  }

 private:
  uint64_t Count(uint64_t begin, uint64_t end) const { return EstimateTokens(text_.substr(begin, end - begin)); }

  // Sentences; of code and rows, lines.
  std::vector<ByteSpan> PartsOf(const Piece& piece, Block::Kind kind) const {
    std::vector<ByteSpan> parts;
    if (kind != Block::Kind::kCode && kind != Block::Kind::kTable) {
      for (const ByteSpan& sentence : SplitSentences(text_.substr(piece.begin, piece.end - piece.begin))) {
        parts.push_back({piece.begin + sentence.begin, piece.begin + sentence.end});
      }
      return parts;
    }
    for (uint64_t at = piece.begin; at < piece.end;) {
      const uint64_t end = std::min<uint64_t>(text_.find('\n', at), piece.end);
      if (text_.substr(at, end - at).find_first_not_of(" \t\r") != text_.npos) parts.push_back({at, end});
      at = end + 1;
    }
    return parts;
  }

  // Words one by one, or as many of them as fit together.
  void CutWords(const Piece& piece, bool each, const Sink& sink) const {
    Piece open{.block = piece.block, .begin = piece.begin, .end = piece.begin, .tokens = 0,
               .inside_sentence = piece.inside_sentence};
    const auto give = [&](uint64_t next_begin) {
      if (open.end > open.begin) sink(open);
      open = {.block = piece.block, .begin = next_begin, .end = next_begin, .tokens = 0, .inside_sentence = true};
    };
    for (uint64_t at = piece.begin; at < piece.end;) {
      uint64_t begin = at;
      uint64_t end = piece.end;
      TrimSpace(text_, &begin, &end);
      if (begin >= end) break;
      end = std::min<uint64_t>(text_.find_first_of(" \n\t\r\f", begin), piece.end);
      uint64_t tokens = Count(begin, end);
      if (tokens > max_) {
        // A token has a byte or more.
        end = CharacterBorder(text_, begin, std::min(begin + max_, end));
        tokens = Count(begin, end);
      }
      if (each || open.tokens + tokens > max_) give(begin);
      if (open.end == open.begin) open.begin = begin;
      open.end = end;
      open.tokens += tokens;
      at = end;
    }
    give(piece.end);
  }

  const ParsedDocument& document_;
  const std::string_view text_;
  const uint64_t max_;
};

// Puts pieces together as long as they fit.
class Packer {
 public:
  using Emit = std::function<void(const std::vector<Piece>&)>;

  // `sections`: a heading begins a new pack.
  Packer(const ParsedDocument& document, uint64_t max, bool sections, Emit emit)
      : document_(document), max_(max), sections_(sections), emit_(std::move(emit)) {}

  // Of what each pack repeats from the end of the one before.
  void OverlapTokens(uint64_t tokens) { overlap_tokens_ = tokens; }
  void OverlapPieces(size_t pieces) { overlap_pieces_ = pieces; }

  void Add(const Piece& piece) {
    const bool heading = IsHeading(piece);
    const bool new_section = sections_ && heading && !only_headings_;
    if (!pieces_.empty() && (new_section || tokens_ + piece.tokens > max_)) {
      Flush();
      if (!new_section) Repeat(piece.tokens);
    }
    if (pieces_.empty()) only_headings_ = true;
    only_headings_ = only_headings_ && heading;
    pieces_.push_back(piece);
    tokens_ += piece.tokens;
  }

  void Flush() {
    if (pieces_.empty()) return;
    emit_(pieces_);
    last_ = std::exchange(pieces_, {});
    tokens_ = 0;
  }

 private:
  bool IsHeading(const Piece& piece) const {
    return document_.blocks[piece.block].kind == Block::Kind::kHeading;
  }

  // The end of the last pack, as far as it leaves room for the piece that comes.
  void Repeat(uint64_t tokens) {
    size_t begin = last_.size();
    uint64_t repeated = 0;
    // Never all of it: a pack must bring something new.
    while (begin > 1) {
      const Piece& piece = last_[begin - 1];
      const uint64_t more = repeated + piece.tokens;
      const bool wanted = overlap_tokens_ > 0 ? more <= overlap_tokens_ : last_.size() - begin < overlap_pieces_;
      if (!wanted || more + tokens > max_ || (sections_ && IsHeading(piece))) break;
      repeated = more;
      --begin;
    }
    pieces_.assign(last_.begin() + static_cast<ptrdiff_t>(begin), last_.end());
    tokens_ = repeated;
    only_headings_ = pieces_.empty();
  }

  const ParsedDocument& document_;
  const uint64_t max_;
  const bool sections_;
  const Emit emit_;
  uint64_t overlap_tokens_ = 0;
  size_t overlap_pieces_ = 0;
  std::vector<Piece> pieces_;
  std::vector<Piece> last_;
  uint64_t tokens_ = 0;
  bool only_headings_ = true;
};

// One chunk of the pieces; those of a block that follow each other are one unit.
void MakeOne(const ParsedDocument& document, const std::vector<Piece>& pieces, ChunkMaker* maker) {
  for (size_t i = 0; i < pieces.size();) {
    const Block& of = document.blocks[pieces[i].block];
    size_t last = i;
    while (last + 1 < pieces.size() && pieces[last + 1].block == pieces[i].block) ++last;
    Block block{.kind = of.kind, .level = 0, .begin = pieces[i].begin, .end = pieces[last].end};
    if (block.begin == of.begin && block.end == of.end) block.level = of.level;
    maker->Add({.block = block, .inside_sentence = pieces[i].inside_sentence});
    i = last + 1;
  }
  maker->Close();
}

std::vector<Chunk> Pack(const ParsedDocument& document, uint32_t tokens, Grain grain, bool sections,
                        const std::function<void(Packer&)>& set_overlap) {
  ChunkMaker maker(document);
  Packer packer(document, tokens, sections,
                [&](const std::vector<Piece>& pieces) { MakeOne(document, pieces, &maker); });
  set_overlap(packer);
  const PieceCutter cutter(document, tokens);
  for (size_t i = 0; i < document.blocks.size(); ++i) {
    cutter.CutBlock(i, grain, [&packer](const Piece& piece) { packer.Add(piece); });
  }
  packer.Flush();
  return maker.Take();
}

}  // namespace

std::vector<Chunk> PackBlocks(const ParsedDocument& document, uint32_t tokens) {
  return Pack(document, tokens, Grain::kBlocks, /*sections=*/true, [](Packer&) {});
}

std::vector<Chunk> PackSentences(const ParsedDocument& document, uint32_t tokens, uint32_t overlap) {
  return Pack(document, tokens, Grain::kSentences, /*sections=*/true,
              [overlap](Packer& packer) { packer.OverlapPieces(overlap); });
}

std::vector<Chunk> PackWords(const ParsedDocument& document, uint32_t tokens, uint32_t overlap) {
  return Pack(document, tokens, Grain::kWords, /*sections=*/false,
              [overlap](Packer& packer) { packer.OverlapTokens(overlap); });
}

std::vector<Chunk> PackParentsAndChildren(const ParsedDocument& document, uint32_t child_tokens, uint32_t parent_tokens) {
  ChunkMaker maker(document);
  const PieceCutter children(document, child_tokens);
  std::vector<uint32_t> counts;  // of the children of each parent
  const auto make_parent = [&](const std::vector<Piece>& parent) {
    uint32_t count = 0;
    Packer packer(document, child_tokens, /*sections=*/true, [&](const std::vector<Piece>& pieces) {
      MakeOne(document, pieces, &maker);
      ++count;
    });
    for (const Piece& piece : parent) {
      children.CutPiece(piece, Grain::kSentences, [&packer](const Piece& part) { packer.Add(part); });
    }
    packer.Flush();
    counts.push_back(count);
  };
  Packer parents(document, parent_tokens, /*sections=*/true, make_parent);
  const PieceCutter cutter(document, parent_tokens);
  for (size_t i = 0; i < document.blocks.size(); ++i) {
    cutter.CutBlock(i, Grain::kBlocks, [&parents](const Piece& piece) { parents.Add(piece); });
  }
  parents.Flush();
  std::vector<Chunk> chunks = maker.Take();
  uint32_t first = 0;
  for (const uint32_t count : counts) {
    for (uint32_t i = first; i < first + count; ++i) chunks[i].parent = {first, first + count - 1};
    first += count;
  }
  return chunks;
}

}  // namespace vouch
