#include "index/segment_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "index/dense/index_choice.h"
#include "index/flat_codec.h"
#include "index/segment_format.h"

namespace vouch {
namespace {

using namespace segment_format;  // NOLINT: constants of this format only

// --- reading ---

struct Section {
  SectionKind kind;
  uint32_t field = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t checksum = 0;
};

struct Header {
  RowRange rows;
  std::vector<Section> sections;  // one after the other, as far apart as their alignments ask for
  uint64_t bytes = 0;             // without its checksum
  uint64_t vectors_begin = 0;     // the file's size where there are none
};

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("segment file: ", absl::string_view(what.data(), what.size())));
}

// Reads the entries that the header's checksum was found to fit.
absl::Status ReadEntries(FlatReader& reader, uint32_t count, uint64_t file_bytes, Header& header) {
  uint64_t end = header.bytes + kHeaderChecksumBytes;
  header.vectors_begin = file_bytes;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t kind = 0;
    Section section;
    if (!reader.Number(&kind) || !reader.Number(&section.field) || !reader.Number(&section.offset) ||
        !reader.Number(&section.length) || !reader.Number(&section.checksum)) {
      return Damaged("shorter than its header");
    }
    section.kind = static_cast<SectionKind>(kind);
    const bool vectors = section.kind == SectionKind::kVectors;
    if (!vectors && header.vectors_begin < file_bytes) return Damaged("a section follows the vectors");
    if (section.offset != BeginOf(section.kind, end) || section.offset > file_bytes ||
        section.length > file_bytes - section.offset) {
      return Damaged("a section lies outside of the file");
    }
    if (vectors && section.checksum != 0) return Damaged("vectors have a checksum of the section");
    if (vectors) header.vectors_begin = std::min(header.vectors_begin, section.offset);
    end = section.offset + section.length;
    header.sections.push_back(section);
  }
  return AlignUp(end) == file_bytes ? absl::OkStatus() : Damaged("bytes are missing or left over");
}

// `head`: the file's first bytes, with the whole header.
absl::StatusOr<Header> ReadHeader(const IndexSchema& schema, std::string_view head, uint64_t file_bytes) {
  FlatReader reader(head);
  uint64_t magic = 0, fingerprint = 0, first_row = 0, row_count = 0, checksum = 0;
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
  Header header;
  header.bytes = kFixedHeaderBytes + count * kSectionEntryBytes;
  if (head.size() < header.bytes + kHeaderChecksumBytes) return Damaged("shorter than its header");
  std::memcpy(&checksum, head.data() + header.bytes, sizeof(checksum));
  if (checksum != XXH3_64bits(head.data(), header.bytes)) return Damaged("the header's checksum does not match");
  if (fingerprint != schema.fingerprint) return absl::FailedPreconditionError("segment file: of another schema");
  if (row_count == 0 || row_count >= Segment::kMaxRows || first_row > UINT64_MAX - row_count) {
    return Damaged("the range of rows is out of bounds");
  }
  header.rows = {RowId(first_row), RowId(first_row + row_count)};
  if (absl::Status status = ReadEntries(reader, count, file_bytes, header); !status.ok()) return status;
  return header;
}

// What a field's column section says of its vectors. The spans lie in the section.
struct ColumnTables {
  uint32_t nodes = 0;
  std::span<const uint64_t> checksums;
  std::span<const uint32_t> rows;
};

absl::StatusOr<ColumnTables> ParseColumn(const DenseField& field, std::string_view bytes, uint32_t segment_rows) {
  FlatReader reader(bytes);
  ColumnTables tables;
  uint32_t dim = 0, has_rows = 0;
  if (bytes.size() < kColumnHeaderBytes || !reader.Number(&dim) || !reader.Number(&tables.nodes) ||
      !reader.Number(&has_rows)) {
    return Damaged("column: shorter than its header");
  }
  const uint64_t nodes = tables.nodes;
  if (dim != field.dim || nodes > segment_rows || has_rows != (nodes == segment_rows || nodes == 0 ? 0u : 1u)) {
    return Damaged("column: a number of the header does not fit");
  }
  const uint64_t checksums_end = kColumnHeaderBytes + nodes * sizeof(uint64_t);
  const uint64_t rows_at = AlignUp(checksums_end);
  if (bytes.size() != (has_rows == 0 ? checksums_end : rows_at + nodes * sizeof(uint32_t))) {
    return Damaged("column: bytes are missing or left over");
  }
  tables.checksums = {reinterpret_cast<const uint64_t*>(bytes.data() + kColumnHeaderBytes), nodes};
  if (has_rows != 0) tables.rows = {reinterpret_cast<const uint32_t*>(bytes.data() + rows_at), nodes};
  for (size_t i = 0; i < tables.rows.size(); ++i) {
    if (tables.rows[i] >= segment_rows || (i > 0 && tables.rows[i] <= tables.rows[i - 1])) {
      return Damaged("column: the rows do not ascend within the segment");
    }
  }
  return tables;
}

// Takes the sections in the one order that EncodeSegment writes.
class SegmentParser {
 public:
  SegmentParser(const IndexSchema& schema, const SegmentBytes& bytes, const Header& header)
      : schema_(schema.schema), bytes_(bytes), header_(header) {}

  absl::Status ParseInto(Segment& segment) {
    if (absl::Status status = CheckSums(); !status.ok()) return status;
    const uint32_t rows = segment.row_count();
    const Section* section = Take(SectionKind::kIds, 0);
    if (section == nullptr) return Damaged("no ids");
    absl::StatusOr<std::shared_ptr<const IdColumn>> ids = IdColumn::Parse(BytesOf(*section), rows, bytes_.read);
    if (!ids.ok()) return ids.status();
    segment.ids = *std::move(ids);
    if (absl::Status status = ParseDense(segment); !status.ok()) return status;
    if (next_ > 0) kept_bytes_ = header_.sections[next_ - 1].offset + header_.sections[next_ - 1].length;
    if (section = Take(SectionKind::kAccess, 0); section != nullptr) {
      absl::StatusOr<std::shared_ptr<const AccessColumn>> access = AccessColumn::Parse(BytesOf(*section), rows);
      if (!access.ok()) return access.status();
      segment.access = *std::move(access);
    }
    for (size_t field = 0; field < schema_.text.size(); ++field) {
      if (section = Take(SectionKind::kText, field); section == nullptr) return Damaged("a text field is missing");
      absl::StatusOr<std::shared_ptr<const TextIndex>> text = TextIndex::Parse(BytesOf(*section), rows);
      if (!text.ok()) return text.status();
      segment.text.push_back(*std::move(text));
    }
    for (size_t field = 0; field < schema_.sparse.size(); ++field) {
      if (section = Take(SectionKind::kSparse, field); section == nullptr) return Damaged("a sparse field is missing");
      absl::StatusOr<std::shared_ptr<const SparseIndex>> sparse = SparseIndex::Parse(BytesOf(*section), rows);
      if (!sparse.ok()) return sparse.status();
      segment.sparse.push_back(*std::move(sparse));
    }
    if (section = Take(SectionKind::kPayload, 0); section == nullptr) return Damaged("no payload section");
    absl::StatusOr<std::shared_ptr<const PayloadColumns>> payload =
        PayloadColumns::Parse(schema_, BytesOf(*section), rows);
    if (!payload.ok()) return payload.status();
    segment.payload = *std::move(payload);
    if (absl::Status status = ParseVectors(segment); !status.ok()) return status;
    return next_ == header_.sections.size() ? absl::OkStatus() : Damaged("a section too many");
  }
  // The first bytes of the file that the segment uses where they lie, vectors aside.
  uint64_t kept_bytes() const { return kept_bytes_; }

 private:
  // Null, and nothing taken, where another section comes next.
  const Section* Take(SectionKind kind, size_t field) {
    if (next_ == header_.sections.size()) return nullptr;
    const Section& section = header_.sections[next_];
    if (section.kind != kind || section.field != field) return nullptr;
    ++next_;
    return &section;
  }
  std::string_view BytesOf(const Section& section) const {
    return bytes_.read->view().substr(section.offset, section.length);
  }

  absl::Status CheckSums() const {
    for (const Section& section : header_.sections) {
      if (section.kind == SectionKind::kVectors) break;
      const std::string_view bytes = BytesOf(section);
      if (XXH3_64bits(bytes.data(), bytes.size()) != section.checksum) {
        return Damaged("a section's checksum does not match");
      }
    }
    return absl::OkStatus();
  }

  absl::Status ParseGraph(size_t field, uint32_t nodes, Segment& segment) {
    const DenseField& dense = schema_.dense[field];
    const Section* section = Take(SectionKind::kCodes, field);
    if (section == nullptr) return Damaged("a field's codes are missing");
    absl::StatusOr<std::shared_ptr<const VectorCodes>> codes =
        VectorCodes::Parse(BytesOf(*section), nodes, dense.dim, dense.metric, bytes_.read);
    if (!codes.ok()) return codes.status();
    if (section = Take(SectionKind::kGraph, field); section == nullptr) return Damaged("a graph is missing");
    absl::StatusOr<std::shared_ptr<const Graph>> graph =
        Graph::Parse(BytesOf(*section), *std::move(codes), bytes_.read);
    if (!graph.ok()) return graph.status();
    segment.graphs[field] = *std::move(graph);
    return absl::OkStatus();
  }
  absl::Status ParseIvf(size_t field, DenseIndexKind kind, uint32_t nodes, Segment& segment) {
    const Section* section = Take(SectionKind::kIvf, field);
    if (section == nullptr) return Damaged("an inverted file is missing");
    absl::StatusOr<std::shared_ptr<const Ivf>> ivf = Ivf::Parse(
        BytesOf(*section), nodes, schema_.dense[field].dim, kind == DenseIndexKind::kIvfPq, bytes_.read);
    if (!ivf.ok()) return ivf.status();
    segment.ivfs.resize(schema_.dense.size());
    segment.ivfs[field] = *std::move(ivf);
    return absl::OkStatus();
  }

  // What the file has for the field. Where `auto` picked, its builder may have been short of memory.
  DenseIndexKind KindOf(const DenseField& field, uint32_t nodes) const {
    const bool has_ivf = next_ < header_.sections.size() && header_.sections[next_].kind == SectionKind::kIvf;
    return ChooseKind(field, nodes, has_ivf).kind;
  }

  // Columns without their vectors, and what is searched in their place.
  absl::Status ParseDense(Segment& segment) {
    for (size_t field = 0; field < schema_.dense.size(); ++field) {
      const DenseField& dense = schema_.dense[field];
      const Section* section = Take(SectionKind::kColumn, field);
      if (section == nullptr) return Damaged("a dense field is missing");
      absl::StatusOr<ColumnTables> tables = ParseColumn(dense, BytesOf(*section), segment.row_count());
      if (!tables.ok()) return tables.status();
      tables_.push_back(*tables);
      segment.graphs.emplace_back();
      const DenseIndexKind kind = KindOf(dense, tables->nodes);
      if (kind == DenseIndexKind::kFlat) continue;
      absl::Status status = kind == DenseIndexKind::kHnsw ? ParseGraph(field, tables->nodes, segment)
                                                          : ParseIvf(field, kind, tables->nodes, segment);
      if (!status.ok()) return status;
      if (dense.recall_target == 0) continue;
      if (section = Take(SectionKind::kRecalls, field); section == nullptr) return Damaged("recalls are missing");
      absl::StatusOr<std::shared_ptr<const RecallCurves>> recalls = RecallCurves::Parse(BytesOf(*section));
      if (!recalls.ok()) return recalls.status();
      segment.recalls.resize(schema_.dense.size());
      segment.recalls[field] = *std::move(recalls);
    }
    return absl::OkStatus();
  }

  absl::Status ParseVectors(Segment& segment) {
    for (size_t field = 0; field < schema_.dense.size(); ++field) {
      const DenseField& dense = schema_.dense[field];
      const ColumnTables& tables = tables_[field];
      const Section* section = Take(SectionKind::kVectors, field);
      if (section == nullptr || section->length != uint64_t{tables.nodes} * VectorBytes(dense.type, dense.dim)) {
        return Damaged("a field's vectors are missing, or of another size");
      }
      if (bytes_.vectors != nullptr) {
        MappedVectors::Place place{.file = bytes_.vectors,
                                   .offset = section->offset - header_.vectors_begin,
                                   .field = static_cast<uint32_t>(field),
                                   .truth = bytes_.truth};
        auto mapped = std::make_shared<const MappedVectors>(VectorBytes(dense.type, dense.dim), tables.checksums,
                                                            bytes_.read, std::move(place));
        segment.dense.emplace_back(dense, segment.row_count(), std::move(mapped), tables.rows, bytes_.read);
        continue;
      }
      segment.dense.emplace_back(dense, segment.row_count(), BytesOf(*section), tables.rows, bytes_.read);
      const DenseColumn& column = segment.dense.back();
      for (uint32_t node = 0; node < tables.nodes; ++node) {
        if (VectorChecksum({column.bytes(node), column.vector_bytes()}) != tables.checksums[node]) {
          return Damaged("a vector's checksum does not match");
        }
      }
    }
    return absl::OkStatus();
  }

  const CollectionSchema& schema_;
  const SegmentBytes& bytes_;
  const Header& header_;
  std::vector<ColumnTables> tables_;  // one a dense field
  size_t next_ = 0;
  uint64_t kept_bytes_ = 0;
};

}  // namespace

void TakeVectorsFromFile(const EncodedSegment& encoded, std::shared_ptr<const MappedFile> file,
                         std::shared_ptr<SegmentTruth> truth, Segment& segment) {
  for (size_t field = 0; field < segment.dense.size(); ++field) {
    const DenseColumn& column = segment.dense[field];
    const EncodedSegment::Vectors& written = encoded.vectors[field];
    MappedVectors::Place place{.file = file,
                               .offset = written.offset - encoded.vectors_begin,
                               .field = static_cast<uint32_t>(field),
                               .truth = truth};
    auto mapped =
        std::make_shared<const MappedVectors>(column.vector_bytes(), *written.checksums, written.checksums,
                                              std::move(place));
    // The table of rows lies beside the vectors, which are to go.
    auto rows = std::make_shared<const std::vector<uint32_t>>(column.rows().begin(), column.rows().end());
    segment.dense[field] = DenseColumn(column, std::move(mapped), *rows, rows);
  }
  segment.truth = std::move(truth);
}

absl::StatusOr<uint64_t> FindVectors(const IndexSchema& schema, std::string_view head, uint64_t file_bytes) {
  absl::StatusOr<Header> header = ReadHeader(schema, head, file_bytes);
  if (!header.ok()) return header.status();
  return header->vectors_begin;
}

absl::StatusOr<Segment> DecodeSegment(const IndexSchema& schema, SegmentBytes bytes) {
  const uint64_t file_bytes = bytes.read->size() + (bytes.vectors == nullptr ? 0 : bytes.vectors->size());
  absl::StatusOr<Header> header = ReadHeader(schema, bytes.read->view(), file_bytes);
  if (!header.ok()) return header.status();
  if (bytes.vectors != nullptr && header->vectors_begin != bytes.read->size()) {
    return Damaged("the vectors lie elsewhere");
  }
  Segment segment;
  segment.rows = header->rows;
  const XXH128_hash_t build = XXH3_128bits(bytes.read->data(), header->bytes);
  segment.build_id = absl::StrFormat("%016x%016x", build.high64, build.low64);
  segment.file_bytes = file_bytes;
  segment.sealed = true;
  SegmentParser parser(schema, bytes, *header);
  if (absl::Status status = parser.ParseInto(segment); !status.ok()) return status;
  if (bytes.vectors != nullptr) {
    segment.truth = bytes.truth;
    bytes.read->Trim(parser.kept_bytes());
  }
  return segment;
}

}  // namespace vouch
