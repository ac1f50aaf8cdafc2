#include "index/segment_file.h"

#include <xxhash.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "index/flat_codec.h"
#include "index/segment_format.h"

namespace vouch {
namespace {

using namespace segment_format;  // NOLINT: constants of this format only

const char kZeros[kSectionAlignment] = {};

// Collects pieces and cuts them into sections.
class SectionWriter {
 public:
  explicit SectionWriter(EncodedSegment& out) : out_(out) {}

  void Begin(SectionKind kind, size_t field) {
    entries_.push_back({kind, static_cast<uint32_t>(field)});
    XXH3_64bits_reset(hash_.get());
  }
  void Add(std::string_view bytes) {
    if (bytes.empty()) return;
    XXH3_64bits_update(hash_.get(), bytes.data(), bytes.size());
    pieces_.push_back(bytes);
    entries_.back().length += bytes.size();
  }
  void AddOwned(std::string bytes) {
    out_.owned.push_back(std::make_unique<std::string>(std::move(bytes)));
    Add(*out_.owned.back());
  }
  // Zeros up to the next multiple of the alignment, counted from the section's begin.
  void Pad() { Add({kZeros, AlignUp(entries_.back().length) - entries_.back().length}); }
  void End() {
    entries_.back().checksum = XXH3_64bits_digest(hash_.get());
    pieces_.push_back({kZeros, AlignUp(entries_.back().length) - entries_.back().length});
  }

  // Writes the header before the sections and gives everything to the segment.
  void Finish(const IndexSchema& schema, RowRange rows) {
    FlatWriter header;
    header.Number(kMagic);
    header.Number(kFormatVersion);
    header.Number(static_cast<uint32_t>(entries_.size()));
    header.Number(schema.fingerprint);
    header.Number(rows.begin.value);
    header.Number(rows.size());
    uint64_t offset = AlignUp(kFixedHeaderBytes + entries_.size() * kSectionEntryBytes + kHeaderChecksumBytes);
    for (const Entry& entry : entries_) {
      header.Number(static_cast<uint32_t>(entry.kind));
      header.Number(entry.field);
      header.Number(offset);
      header.Number(entry.length);
      header.Number(entry.checksum);
      offset += AlignUp(entry.length);
    }
    std::string bytes = std::move(header).Take();
    const XXH128_hash_t build = XXH3_128bits(bytes.data(), bytes.size());
    out_.build_id = absl::StrFormat("%016x%016x", build.high64, build.low64);
    const uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
    bytes.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
    bytes.resize(AlignUp(bytes.size()), '\0');
    out_.owned.push_back(std::make_unique<std::string>(std::move(bytes)));
    out_.pieces.push_back(*out_.owned.back());
    for (std::string_view piece : pieces_) {
      if (!piece.empty()) out_.pieces.push_back(piece);
    }
    out_.size_bytes = offset;
  }

 private:
  struct Entry {
    SectionKind kind;
    uint32_t field = 0;
    uint64_t length = 0;
    uint64_t checksum = 0;
  };
  struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  EncodedSegment& out_;
  std::vector<Entry> entries_;
  std::vector<std::string_view> pieces_;
  std::unique_ptr<XXH3_state_t, FreeHash> hash_{XXH3_createState()};
};

template <typename T>
std::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

void WriteVectors(const DenseColumn& column, SectionWriter& writer) {
  FlatWriter header;
  header.Number(column.dim());
  header.Number(column.nodes());
  header.Number(static_cast<uint32_t>(column.rows().empty() ? 0 : 1));
  writer.AddOwned(std::move(header).Take());
  writer.Pad();
  writer.Add(BytesOf(column.vectors()));
  if (column.rows().empty()) return;
  writer.Pad();
  writer.Add(BytesOf(column.rows()));
}

// --- reading ---

struct Section {
  SectionKind kind;
  uint32_t field = 0;
  std::string_view bytes;
};

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("segment file: ", absl::string_view(what.data(), what.size())));
}

// The sections in their order, with bounds and checksums checked.
absl::StatusOr<std::vector<Section>> ReadSections(const IndexSchema& schema, std::string_view file, RowRange& rows) {
  FlatReader reader(file);
  uint64_t magic = 0, fingerprint = 0, first_row = 0, row_count = 0;
  uint32_t version = 0, count = 0;
  if (!reader.Number(&magic) || !reader.Number(&version) || !reader.Number(&count) || !reader.Number(&fingerprint) ||
      !reader.Number(&first_row) || !reader.Number(&row_count)) {
    return Damaged("shorter than its header");
  }
  if (magic != kMagic) return Damaged("the magic number is another");
  if (version != kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("segment file: format version ", version, "; this program reads ", kFormatVersion));
  }
  if (count > kMaxSections) return Damaged("too many sections");
  const size_t header_bytes = kFixedHeaderBytes + count * kSectionEntryBytes;
  if (file.size() < header_bytes + kHeaderChecksumBytes) return Damaged("shorter than its header");
  uint64_t checksum = 0;
  std::memcpy(&checksum, file.data() + header_bytes, sizeof(checksum));
  if (checksum != XXH3_64bits(file.data(), header_bytes)) return Damaged("the header's checksum does not match");
  if (fingerprint != schema.fingerprint) return absl::FailedPreconditionError("segment file: of another schema");
  if (row_count == 0 || row_count >= Segment::kMaxRows || first_row > UINT64_MAX - row_count) {
    return Damaged("the range of rows is out of bounds");
  }
  rows = {RowId(first_row), RowId(first_row + row_count)};

  std::vector<Section> sections;
  uint64_t end = AlignUp(header_bytes + kHeaderChecksumBytes);
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t kind = 0, field = 0;
    uint64_t offset = 0, length = 0;
    if (!reader.Number(&kind) || !reader.Number(&field) || !reader.Number(&offset) || !reader.Number(&length) ||
        !reader.Number(&checksum)) {
      return Damaged("shorter than its header");
    }
    if (offset != end || offset > file.size() || length > file.size() - offset) {
      return Damaged("a section lies outside of the file");
    }
    const std::string_view bytes = file.substr(offset, length);
    if (XXH3_64bits(bytes.data(), bytes.size()) != checksum) return Damaged("a section's checksum does not match");
    sections.push_back({static_cast<SectionKind>(kind), field, bytes});
    end = AlignUp(offset + length);
  }
  if (end != file.size()) return Damaged("bytes are missing or left over");
  return sections;
}

absl::StatusOr<DenseColumn> ParseVectors(const DenseField& field, std::string_view bytes, uint32_t segment_rows,
                                         std::shared_ptr<const void> owner) {
  FlatReader reader(bytes);
  uint32_t dim = 0, nodes = 0, has_rows = 0;
  if (bytes.size() < kVectorsHeaderBytes || !reader.Number(&dim) || !reader.Number(&nodes) ||
      !reader.Number(&has_rows)) {
    return Damaged("vectors: shorter than their header");
  }
  if (dim != field.dim || nodes > segment_rows || has_rows != (nodes == segment_rows || nodes == 0 ? 0u : 1u)) {
    return Damaged("vectors: a number of the header does not fit");
  }
  const uint64_t vector_bytes = uint64_t{nodes} * dim * sizeof(float);
  const uint64_t rows_at = AlignUp(kVectorsHeaderBytes + vector_bytes);
  const uint64_t size = has_rows == 0 ? kVectorsHeaderBytes + vector_bytes : rows_at + uint64_t{nodes} * 4;
  if (bytes.size() != size) return Damaged("vectors: bytes are missing or left over");
  const auto* vectors = reinterpret_cast<const float*>(bytes.data() + kVectorsHeaderBytes);
  std::span<const uint32_t> rows;
  if (has_rows != 0) rows = {reinterpret_cast<const uint32_t*>(bytes.data() + rows_at), nodes};
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= segment_rows || (i > 0 && rows[i] <= rows[i - 1])) {
      return Damaged("vectors: the rows do not ascend within the segment");
    }
  }
  return DenseColumn(dim, field.metric, segment_rows, {vectors, uint64_t{nodes} * dim}, rows, std::move(owner));
}

// Takes the sections in the one order that EncodeSegment writes.
class SegmentParser {
 public:
  SegmentParser(const IndexSchema& schema, std::vector<Section> sections, std::shared_ptr<const void> owner)
      : schema_(schema.schema), sections_(std::move(sections)), owner_(std::move(owner)) {}

  absl::Status ParseInto(Segment& segment) {
    const uint32_t rows = segment.row_count();
    std::string_view bytes;
    if (!Take(SectionKind::kIds, 0, bytes)) return Damaged("no ids");
    absl::StatusOr<std::shared_ptr<const IdColumn>> ids = IdColumn::Parse(bytes, rows, owner_);
    if (!ids.ok()) return ids.status();
    segment.ids = *std::move(ids);
    if (Take(SectionKind::kAccess, 0, bytes)) {
      absl::StatusOr<std::shared_ptr<const AccessColumn>> access = AccessColumn::Parse(bytes, rows);
      if (!access.ok()) return access.status();
      segment.access = *std::move(access);
    }
    if (absl::Status status = ParseDense(segment); !status.ok()) return status;
    for (size_t field = 0; field < schema_.text.size(); ++field) {
      if (!Take(SectionKind::kText, field, bytes)) return Damaged("a text field is missing");
      absl::StatusOr<std::shared_ptr<const TextIndex>> text = TextIndex::Parse(bytes, rows);
      if (!text.ok()) return text.status();
      segment.text.push_back(*std::move(text));
    }
    for (size_t field = 0; field < schema_.sparse.size(); ++field) {
      if (!Take(SectionKind::kSparse, field, bytes)) return Damaged("a sparse field is missing");
      absl::StatusOr<std::shared_ptr<const SparseIndex>> sparse = SparseIndex::Parse(bytes, rows);
      if (!sparse.ok()) return sparse.status();
      segment.sparse.push_back(*std::move(sparse));
    }
    if (!Take(SectionKind::kPayload, 0, bytes)) return Damaged("no payload section");
    absl::StatusOr<std::shared_ptr<const PayloadColumns>> payload = PayloadColumns::Parse(schema_, bytes, rows);
    if (!payload.ok()) return payload.status();
    segment.payload = *std::move(payload);
    return next_ == sections_.size() ? absl::OkStatus() : Damaged("a section too many");
  }

 private:
  // False, and nothing taken, where another section comes next.
  bool Take(SectionKind kind, size_t field, std::string_view& bytes) {
    if (next_ == sections_.size() || sections_[next_].kind != kind || sections_[next_].field != field) return false;
    bytes = sections_[next_++].bytes;
    return true;
  }

  absl::Status ParseDense(Segment& segment) {
    for (size_t field = 0; field < schema_.dense.size(); ++field) {
      std::string_view bytes;
      if (!Take(SectionKind::kVectors, field, bytes)) return Damaged("a dense field is missing");
      absl::StatusOr<DenseColumn> column = ParseVectors(schema_.dense[field], bytes, segment.row_count(), owner_);
      if (!column.ok()) return column.status();
      segment.dense.push_back(*std::move(column));
      segment.graphs.emplace_back();
      const bool wants_graph =
          schema_.dense[field].index == DenseIndexKind::kHnsw && segment.dense.back().nodes() > 0;
      if (!wants_graph) continue;
      if (!Take(SectionKind::kCodes, field, bytes)) return Damaged("a field's codes are missing");
      absl::StatusOr<std::shared_ptr<const VectorCodes>> codes =
          VectorCodes::Parse(bytes, segment.dense.back(), owner_);
      if (!codes.ok()) return codes.status();
      if (!Take(SectionKind::kGraph, field, bytes)) return Damaged("a graph is missing");
      absl::StatusOr<std::shared_ptr<const Graph>> graph = Graph::Parse(bytes, *std::move(codes), owner_);
      if (!graph.ok()) return graph.status();
      segment.graphs.back() = *std::move(graph);
    }
    return absl::OkStatus();
  }

  const CollectionSchema& schema_;
  std::vector<Section> sections_;
  std::shared_ptr<const void> owner_;
  size_t next_ = 0;
};

}  // namespace

EncodedSegment EncodeSegment(const IndexSchema& schema, const Segment& segment) {
  EncodedSegment encoded;
  SectionWriter writer(encoded);
  writer.Begin(SectionKind::kIds, 0);
  writer.Add(segment.ids->bytes());
  writer.End();
  if (segment.access != nullptr) {
    writer.Begin(SectionKind::kAccess, 0);
    writer.AddOwned(segment.access->Serialize());
    writer.End();
  }
  for (size_t field = 0; field < segment.dense.size(); ++field) {
    writer.Begin(SectionKind::kVectors, field);
    WriteVectors(segment.dense[field], writer);
    writer.End();
    if (segment.graphs[field] == nullptr) continue;
    writer.Begin(SectionKind::kCodes, field);
    writer.Add(segment.graphs[field]->codes().bytes());
    writer.End();
    writer.Begin(SectionKind::kGraph, field);
    writer.Add(segment.graphs[field]->bytes());
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
  writer.Finish(schema, segment.rows);
  return encoded;
}

absl::StatusOr<Segment> DecodeSegment(const IndexSchema& schema, std::shared_ptr<const AlignedBuffer> bytes) {
  Segment segment;
  absl::StatusOr<std::vector<Section>> sections = ReadSections(schema, bytes->view(), segment.rows);
  if (!sections.ok()) return sections.status();
  const size_t header_bytes = kFixedHeaderBytes + sections->size() * kSectionEntryBytes;
  const XXH128_hash_t build = XXH3_128bits(bytes->data(), header_bytes);
  segment.build_id = absl::StrFormat("%016x%016x", build.high64, build.low64);
  segment.file_bytes = bytes->size();
  segment.sealed = true;
  SegmentParser parser(schema, *std::move(sections), bytes);
  if (absl::Status status = parser.ParseInto(segment); !status.ok()) return status;
  return segment;
}

}  // namespace vouch
