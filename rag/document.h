#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vouch {

// Bytes [begin, end) of a document's source, exactly as it was read.
struct ByteSpan {
  uint64_t begin = 0;
  uint64_t end = 0;
  friend bool operator==(const ByteSpan&, const ByteSpan&) = default;
};

enum class MediaType : uint8_t { kText, kMarkdown, kHtml, kJsonLines, kPdf, kDocx, kCsv, kEmail };
// As MIME calls it: "text/plain", "application/pdf"; "application/jsonl" of a record.
std::string_view MediaTypeName(MediaType type);
// False where no type has that name.
bool FindMediaType(std::string_view name, MediaType* type);

// A source as it came: a file, or one record of a JSONL file.
struct Document {
  std::string id = {};   // unique in the collection: "docs/guide/intro.md", "corpus.jsonl#184"
  std::string uri = {};  // where it came from, for people: "docs/guide/intro.md"
  MediaType media_type = MediaType::kText;
  std::string bytes = {};       // the source; spans count in it
  std::string metadata = "{}";  // a JSON object, added to the payload of each chunk
  std::string external_id = {};  // the record's `_id`, else the document's id; what judgements name
};

// Where text came from, piece by piece: text[text_begin, +length) is source[source_begin, +length) byte for byte, or,
// where `exact` is false (an entity, collapsed white space), the whole piece stands for source[source_begin,
// source_end).
struct SpanPiece {
  uint64_t text_begin = 0;
  uint64_t text_end = 0;
  uint64_t source_begin = 0;
  uint64_t source_end = 0;
  bool exact = true;
  friend bool operator==(const SpanPiece&, const SpanPiece&) = default;
};

// Pieces ascending by text, without overlap. A byte of text that no piece covers was put in by the parser (a space or
// line break between blocks).
class SpanMap {
 public:
  SpanMap() = default;
  explicit SpanMap(std::vector<SpanPiece> pieces) : pieces_(std::move(pieces)) {}
  // The identity over `size` bytes, starting at `source_begin`.
  static SpanMap Identity(uint64_t size, uint64_t source_begin = 0);

  // The smallest source span that covers text [begin, end); empty (begin == end) where nothing there has a source.
  ByteSpan ToSource(uint64_t begin, uint64_t end) const;
  // The map of text [begin, end), counted from `begin`.
  SpanMap Slice(uint64_t begin, uint64_t end) const;
  const std::vector<SpanPiece>& pieces() const { return pieces_; }

  // Compact text for provenance: "0,12,400,412;13,20,430,437~" (~ marks inexact pieces).
  std::string Encode() const;
  static bool Decode(std::string_view text, SpanMap* map);

 private:
  std::vector<SpanPiece> pieces_;
};

// A run of text of one kind in reading order.
struct Block {
  enum class Kind : uint8_t { kHeading, kParagraph, kListItem, kCode, kTable };
  Kind kind = Kind::kParagraph;
  int level = 0;        // headings: 1 … 6; table rows: 1 for one that names the columns
  uint64_t begin = 0;   // in the text that it is a block of
  uint64_t end = 0;
  friend bool operator==(const Block&, const Block&) = default;
};

// Compact text for provenance, without levels: "h0,7;p9,83" (h heading, p paragraph, l list item, c
// code, t table).
std::string EncodeBlocks(const std::vector<Block>& blocks);
// False where the text is none that EncodeBlocks gives, or blocks are empty or do not ascend.
bool DecodeBlocks(std::string_view text, std::vector<Block>* blocks);

// Where text [begin, end) stands on a page: a rectangle in points (1/72 inch) from the page's upper left corner.
struct Place {
  uint32_t page = 0;  // from 1
  uint64_t begin = 0;
  uint64_t end = 0;
  int32_t left = 0;
  int32_t top = 0;
  int32_t right = 0;
  int32_t bottom = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

// Compact text for provenance: "0,83@12:72,59,286,117;…".
std::string EncodePlaces(const std::vector<Place>& places);
// False where the text is none that EncodePlaces gives, or places are empty or do not ascend.
bool DecodePlaces(std::string_view text, std::vector<Place>* places);
// The page that text byte `at` stands on: that of the last place that begins at or before it; 0 without places.
uint32_t PageAt(const std::vector<Place>& places, uint64_t at);

// A document as text with its structure.
struct ParsedDocument {
  std::string title = {};
  std::string text = {};           // UTF-8
  // The source is no text (PDF, DOCX) or an encoded one (e-mail): `text` is its canonical rendition, which is kept beside
  // it, and spans count in the rendition.
  bool rendered = false;
  SpanMap spans = {};              // text → source, or rendition
  std::vector<Block> blocks = {};  // ascending, inside text
  std::vector<Place> places = {};  // ascending, inside text; only of sources with pages
  std::string metadata = "{}";     // a JSON object: what the source says of itself (an e-mail's sender and date)
  std::string parser = {};         // id with version: "markdown/1"
};

// A piece of a document; becomes a point.
struct Chunk {
  uint32_t ordinal = 0;  // from 0 in its document
  std::string text = {};      // a slice of ParsedDocument::text
  std::string heading = {};   // the headings above it, joined by " > "
  ByteSpan source = {};       // what it covers of the source
  SpanMap spans = {};         // text → source
  // What stands in `text`: blocks, or pieces of those that were cut. A piece that starts inside a
  // sentence is listed from the next sentence on, so that no block starts with half of one.
  std::vector<Block> blocks = {};
  std::vector<Place> places = {};  // in `text`
  // Of a child: the ordinals [first, last] of the chunks that make its parent up, which is what an answer is given.
  std::optional<std::pair<uint32_t, uint32_t>> parent = {};
};

}  // namespace vouch
