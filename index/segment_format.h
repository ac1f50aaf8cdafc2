#pragma once

#include <cstddef>
#include <cstdint>

namespace vouch::segment_format {

// The constants of segment files, shared by writer and reader. The grammar stands in index/README.md.
inline constexpr uint64_t kMagic = 0x4745534843554F56u;  // "VOUCHSEG"
inline constexpr uint32_t kFormatVersion = 3;

// Header: u64 magic, u32 format version, u32 sections, u64 schema fingerprint, u64 first row, u64 rows; then one entry
// a section; then u64 XXH3-64 of all bytes before it. All numbers are little-endian.
inline constexpr size_t kFixedHeaderBytes = 40;
// u32 kind, u32 field, u64 offset, u64 length, u64 XXH3-64 of the section's bytes, 0 for vectors.
inline constexpr size_t kSectionEntryBytes = 32;
inline constexpr size_t kHeaderChecksumBytes = 8;
// Sections start at multiples of this, so that codes and neighbours can be used where they lie; those of vectors at
// multiples of the other, so that few vectors lie across two pages.
inline constexpr size_t kSectionAlignment = 64;
inline constexpr size_t kVectorsAlignment = 4096;
// Of each kind of field at most Limits::kMaxFields, dense ones with a column, codes, a graph, recalls and vectors,
// multi-vector ones with tables and vectors.
inline constexpr uint32_t kMaxSections = 3 + 9 * 64;
inline constexpr size_t kMaxHeaderBytes = kFixedHeaderBytes + kMaxSections * kSectionEntryBytes + kHeaderChecksumBytes;

// In the order of the file: those that stay in memory as they are, those that are parsed, and those that are mapped.
enum class SectionKind : uint32_t {
  kIds = 1,
  kColumn = 9,   // of each dense field
  kCodes = 7,    // only for fields with a graph, as the graph
  kGraph = 4,
  kIvf = 11,     // of those with an inverted file, which have no codes and graph
  kRecalls = 10,  // of the same, where the field has a recall target
  kTokens = 12,  // of each multi-vector field: its tables
  kAccess = 2,   // left out where no row has an access list
  kText = 5,
  kSparse = 8,   // of each sparse field
  kPayload = 6,
  kVectors = 3,  // of each dense field; not checked when the file is opened: each vector has its checksum in the column
  kTokenVectors = 13,  // of each multi-vector field; likewise: each row's tokens have their checksum in the tables
};

// Those that are mapped: at the file's end, and without a checksum of the section.
constexpr bool IsMapped(SectionKind kind) {
  return kind == SectionKind::kVectors || kind == SectionKind::kTokenVectors;
}

constexpr uint64_t AlignmentOf(SectionKind kind) {
  return IsMapped(kind) ? kVectorsAlignment : kSectionAlignment;
}

// Where a section of the kind begins that follows one that ends at `end`.
constexpr uint64_t BeginOf(SectionKind kind, uint64_t end) {
  return (end + AlignmentOf(kind) - 1) / AlignmentOf(kind) * AlignmentOf(kind);
}

// u32 dim, u32 nodes, u32 has rows, zeros up to here; checksums; zeros up to a multiple of 64; rows where they are told.
inline constexpr size_t kColumnHeaderBytes = 64;
// u32 dim, u32 rows, u64 tokens, zeros up to here; starts; checksums of the rows, right after.
inline constexpr size_t kTokensHeaderBytes = 64;

}  // namespace vouch::segment_format
