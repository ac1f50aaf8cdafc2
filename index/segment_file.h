#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/aligned_buffer.h"
#include "index/index_schema.h"
#include "index/segment.h"

namespace vouch {

// A segment as the bytes of its file: pieces to be written one after the other. They lie in the segment and in
// `owned`, so that vectors are not copied for writing.
struct EncodedSegment {
  std::vector<std::string_view> pieces;
  std::vector<std::unique_ptr<std::string>> owned;
  uint64_t size_bytes = 0;
  // 32 hexadecimal digits of the XXH3-128 of the header, which holds the checksums of all sections: a hash of the
  // content. Equal rows and schema give equal bytes and so equal ids.
  std::string build_id;
};

EncodedSegment EncodeSegment(const IndexSchema& schema, const Segment& segment);

// A sealed segment that lies in `bytes`, which it keeps. DATA_LOSS: a checksum, bound or invariant does not hold.
// FAILED_PRECONDITION: another format version or schema.
//
// The file is read whole into memory, and not mapped: a file that is cut while mapped would end the process (SIGBUS),
// and one that changes would change answers after its checksums were checked.
absl::StatusOr<Segment> DecodeSegment(const IndexSchema& schema, std::shared_ptr<const AlignedBuffer> bytes);

}  // namespace vouch
