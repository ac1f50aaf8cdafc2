#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/aligned_buffer.h"
#include "index/index_schema.h"
#include "index/segment.h"
#include "index/segment_truth.h"
#include "storage/mapped_file.h"

namespace vouch {

// A segment as the bytes of its file: pieces to be written one after the other. They lie in the segment and in
// `owned`, so that vectors are not copied for writing.
struct EncodedSegment {
  // The vectors of a dense or multi-vector field; checksums by vector, or by row.
  struct Vectors {
    uint64_t offset = 0;  // in the file
    std::shared_ptr<const std::vector<uint64_t>> checksums;
  };

  std::vector<std::string_view> pieces;
  std::vector<std::unique_ptr<std::string>> owned;
  std::vector<Vectors> vectors;    // one a dense field
  std::vector<Vectors> tokens;     // one a multi-vector field
  uint64_t vectors_begin = 0;      // from here to the end there are only vectors
  uint64_t size_bytes = 0;
  // 32 hexadecimal digits of the XXH3-128 of the header, which holds the checksums of all sections and, through the
  // columns', of all vectors: a hash of the content. Equal rows and schema give equal bytes and so equal ids.
  std::string build_id;
};

// All vectors of the segment must lie in private memory.
EncodedSegment EncodeSegment(const IndexSchema& schema, const Segment& segment);

// Lets the segment take its vectors from its file, which `encoded` was written to. `file` is mapped from
// encoded.vectors_begin on to the end.
void TakeVectorsFromFile(const EncodedSegment& encoded, std::shared_ptr<const MappedFile> file,
                         std::shared_ptr<SegmentTruth> truth, Segment& segment);

// Where the vectors of a file begin, or its end where it has none. `head` is its first bytes: kMaxHeaderBytes, or all of it.
// Errors as of DecodeSegment.
absl::StatusOr<uint64_t> FindVectors(const IndexSchema& schema, std::string_view head, uint64_t file_bytes);

// The bytes of a segment file as they are had from the system.
struct SegmentBytes {
  std::shared_ptr<AlignedBuffer> read;          // up to the vectors, or the whole file
  std::shared_ptr<const MappedFile> vectors;    // what follows `read`; null where that is the whole file
  std::shared_ptr<SegmentTruth> truth;          // of the file's rows; not null where `vectors` is not
};

// A sealed segment that lies in `bytes`, which it keeps; of those read only what is used where it lies. DATA_LOSS: a
// checksum, bound or invariant does not hold. FAILED_PRECONDITION: another format version or schema.
//
// All that is read is checked here, once, since it is private. Mapped vectors are not looked at: each is checked whenever it
// is used (dense/mapped_vectors.h).
absl::StatusOr<Segment> DecodeSegment(const IndexSchema& schema, SegmentBytes bytes);

}  // namespace vouch
