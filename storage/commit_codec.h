#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/commit.h"
#include "storage/ids.h"

namespace vouch {

// The value of a commit in `commits`; grammar in README.md. `header.retired` is ascending.
std::string EncodeCommitHeader(CollectionId collection, const CommitHeader& header);
// DATA_LOSS naming the collection and the version.
absl::StatusOr<CommitHeader> DecodeCommitHeader(CollectionId collection, Version version, std::string_view value);

// The value of an artifact: compressed with zstd where that helps.
std::string EncodeArtifact(std::string_view bytes);
// DATA_LOSS where the bytes do not have the hash.
absl::StatusOr<std::string> DecodeArtifact(std::string_view hash, std::string_view value);

}  // namespace vouch
