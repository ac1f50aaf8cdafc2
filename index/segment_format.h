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
// u32 kind, u32 field, u64 offset, u64 length, u64 XXH3-64 of the section's bytes.
inline constexpr size_t kSectionEntryBytes = 32;
inline constexpr size_t kHeaderChecksumBytes = 8;
// Sections start at multiples of this, so that vectors and neighbours can be used where they lie.
inline constexpr size_t kSectionAlignment = 64;
// Of each kind of field at most Limits::kMaxFields, dense ones with vectors, codes and a graph.
inline constexpr uint32_t kMaxSections = 3 + 5 * 64;

enum class SectionKind : uint32_t {
  kIds = 1,
  kAccess = 2,   // left out where no row has an access list
  kVectors = 3,  // u32 dim, u32 nodes, u32 has rows, zeros up to 64; vectors; zeros up to 64; rows where they are told
  kGraph = 4,    // only for fields with one
  kText = 5,
  kPayload = 6,
  kCodes = 7,    // with each graph, before it
  kSparse = 8,   // one a sparse field, after the text fields
};

inline constexpr size_t kVectorsHeaderBytes = 64;

}  // namespace vouch::segment_format
