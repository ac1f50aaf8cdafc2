#include <xxhash.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "index/flat_codec.h"
#include "index/segment_file.h"
#include "index/segment_format.h"

namespace vouch {
namespace {

using namespace segment_format;  // NOLINT: constants of this format only

const char kZeros[kVectorsAlignment] = {};

// Collects pieces by section and lays out the file.
class SectionWriter {
 public:
  explicit SectionWriter(EncodedSegment& out) : out_(out) {}

  void Begin(SectionKind kind, size_t field) {
    sections_.push_back({.kind = kind, .field = static_cast<uint32_t>(field), .pieces = {}});
    XXH3_64bits_reset(hash_.get());
  }
  void Add(std::string_view bytes) {
    if (bytes.empty()) return;
    Section& section = sections_.back();
    if (!IsMapped(section.kind)) XXH3_64bits_update(hash_.get(), bytes.data(), bytes.size());
    section.pieces.push_back(bytes);
    section.length += bytes.size();
  }
  void AddOwned(std::string bytes) { Add(Own(std::move(bytes))); }
  // Zeros up to the next multiple of the alignment, counted from the section's begin.
  void Pad() { Add({kZeros, AlignUp(sections_.back().length) - sections_.back().length}); }
  void End() {
    Section& section = sections_.back();
    if (!IsMapped(section.kind)) section.checksum = XXH3_64bits_digest(hash_.get());
  }

  // Gives header and sections to the segment.
  void Finish(const IndexSchema& schema, RowRange rows) {
    const uint64_t header_bytes = kFixedHeaderBytes + sections_.size() * kSectionEntryBytes + kHeaderChecksumBytes;
    const std::string header = MakeHeader(schema, rows, header_bytes);
    const XXH128_hash_t build = XXH3_128bits(header.data(), header.size());
    out_.build_id = absl::StrFormat("%016x%016x", build.high64, build.low64);
    const uint64_t checksum = XXH3_64bits(header.data(), header.size());
    out_.pieces.push_back(Own(header + std::string(reinterpret_cast<const char*>(&checksum), sizeof(checksum))));
    uint64_t end = header_bytes;
    for (const Section& section : sections_) {
      const uint64_t begin = BeginOf(section.kind, end);
      if (begin > end) out_.pieces.push_back({kZeros, begin - end});
      out_.pieces.insert(out_.pieces.end(), section.pieces.begin(), section.pieces.end());
      end = begin + section.length;
    }
    out_.size_bytes = AlignUp(end);
    if (out_.size_bytes > end) out_.pieces.push_back({kZeros, out_.size_bytes - end});
    if (out_.vectors.empty() && out_.tokens.empty()) out_.vectors_begin = out_.size_bytes;
  }

 private:
  struct Section {
    SectionKind kind;
    uint32_t field = 0;
    uint64_t length = 0;
    uint64_t checksum = 0;
    std::vector<std::string_view> pieces;
  };
  struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  std::string_view Own(std::string bytes) {
    out_.owned.push_back(std::make_unique<std::string>(std::move(bytes)));
    return *out_.owned.back();
  }

  // Without its checksum. Notes where the vectors begin.
  std::string MakeHeader(const IndexSchema& schema, RowRange rows, uint64_t header_bytes) {
    FlatWriter header;
    header.Number(kMagic);
    header.Number(kFormatVersion);
    header.Number(static_cast<uint32_t>(sections_.size()));
    header.Number(schema.fingerprint);
    header.Number(rows.begin.value);
    header.Number(rows.size());
    uint64_t end = header_bytes;
    bool vectors = false;
    for (const Section& section : sections_) {
      const uint64_t begin = BeginOf(section.kind, end);
      header.Number(static_cast<uint32_t>(section.kind));
      header.Number(section.field);
      header.Number(begin);
      header.Number(section.length);
      header.Number(section.checksum);
      end = begin + section.length;
      if (!IsMapped(section.kind)) continue;
      (section.kind == SectionKind::kVectors ? out_.vectors : out_.tokens)[section.field].offset = begin;
      if (!vectors) out_.vectors_begin = begin;
      vectors = true;
    }
    return std::move(header).Take();
  }

  EncodedSegment& out_;
  std::vector<Section> sections_;
  std::unique_ptr<XXH3_state_t, FreeHash> hash_{XXH3_createState()};
};

template <typename T>
std::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// What of a column stays in memory; gives the vectors' checksums.
std::shared_ptr<const std::vector<uint64_t>> WriteColumn(const DenseColumn& column, SectionWriter& writer) {
  auto checksums = std::make_shared<std::vector<uint64_t>>(column.nodes());
  for (uint32_t node = 0; node < column.nodes(); ++node) {
    (*checksums)[node] = VectorChecksum({column.bytes(node), column.vector_bytes()});
  }
  FlatWriter header;
  header.Number(column.dim());
  header.Number(column.nodes());
  header.Number(static_cast<uint32_t>(column.rows().empty() ? 0 : 1));
  writer.AddOwned(std::move(header).Take());
  writer.Pad();
  writer.Add(BytesOf(std::span<const uint64_t>(*checksums)));
  if (!column.rows().empty()) {
    writer.Pad();
    writer.Add(BytesOf(column.rows()));
  }
  return checksums;
}

// The tables of a multi-vector field; gives the rows' checksums.
std::shared_ptr<const std::vector<uint64_t>> WriteTokens(const TokenColumn& column, SectionWriter& writer) {
  auto checksums = std::make_shared<std::vector<uint64_t>>(column.rows());
  for (uint32_t row = 0; row < column.rows(); ++row) (*checksums)[row] = VectorChecksum(column.view(row));
  FlatWriter header;
  header.Number(column.dim());
  header.Number(column.rows());
  header.Number(column.tokens());
  writer.AddOwned(std::move(header).Take());
  writer.Pad();
  writer.Add(BytesOf(column.starts()));
  writer.Add(BytesOf(std::span<const uint64_t>(*checksums)));
  return checksums;
}

}  // namespace

EncodedSegment EncodeSegment(const IndexSchema& schema, const Segment& segment) {
  EncodedSegment encoded;
  SectionWriter writer(encoded);
  writer.Begin(SectionKind::kIds, 0);
  writer.Add(segment.ids->bytes());
  writer.End();
  for (size_t field = 0; field < segment.dense.size(); ++field) {
    writer.Begin(SectionKind::kColumn, field);
    encoded.vectors.push_back({.checksums = WriteColumn(segment.dense[field], writer)});
    writer.End();
    if (segment.graphs[field] != nullptr) {
      writer.Begin(SectionKind::kCodes, field);
      writer.Add(segment.graphs[field]->codes().bytes());
      writer.End();
      writer.Begin(SectionKind::kGraph, field);
      writer.Add(segment.graphs[field]->bytes());
      writer.End();
    } else if (segment.IvfOf(field) != nullptr) {
      writer.Begin(SectionKind::kIvf, field);
      writer.Add(segment.IvfOf(field)->bytes());
      writer.End();
    }
    if (segment.RecallsOf(field) == nullptr) continue;
    writer.Begin(SectionKind::kRecalls, field);
    writer.AddOwned(segment.RecallsOf(field)->Serialize());
    writer.End();
  }
  for (size_t field = 0; field < segment.tokens.size(); ++field) {
    writer.Begin(SectionKind::kTokens, field);
    encoded.tokens.push_back({.checksums = WriteTokens(segment.tokens[field], writer)});
    writer.End();
  }
  if (segment.access != nullptr) {
    writer.Begin(SectionKind::kAccess, 0);
    writer.AddOwned(segment.access->Serialize());
    writer.End();
  }
  for (size_t field = 0; field < segment.text.size(); ++field) {
    writer.Begin(SectionKind::kText, field);
    writer.AddOwned(segment.text[field]->Serialize());
    writer.End();
  }
  for (size_t field = 0; field < segment.sparse.size(); ++field) {
    writer.Begin(SectionKind::kSparse, field);
    writer.AddOwned(segment.sparse[field]->Serialize());
    writer.End();
  }
  writer.Begin(SectionKind::kPayload, 0);
  writer.AddOwned(segment.payload->Serialize());
  writer.End();
  for (size_t field = 0; field < segment.dense.size(); ++field) {
    writer.Begin(SectionKind::kVectors, field);
    writer.Add(segment.dense[field].vectors());
    writer.End();
  }
  for (size_t field = 0; field < segment.tokens.size(); ++field) {
    writer.Begin(SectionKind::kTokenVectors, field);
    writer.Add(segment.tokens[field].view());
    writer.End();
  }
  writer.Finish(schema, segment.rows);
  return encoded;
}

}  // namespace vouch
