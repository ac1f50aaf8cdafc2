#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/index_schema.h"
#include "index/row_truth.h"
#include "index/segment.h"
#include "index/segment_file.h"
#include "storage/filesystem.h"

namespace vouch {

// The segment files of one collection.
//
// Files are named "<first row>-<end row>-<build number>.segment", the numbers with 20 digits. "segments.list" names the
// files that should be there, one a line, and a checksum: without it a missing file could not be told from rows that
// never had one. The files themselves are the truth; the list only lets damage be counted.
//
// Thread safety: Save and Remove may run on any threads; Load runs before them.
class IndexDirectory {
 public:
  struct Loaded {
    std::vector<SegmentPtr> segments;  // in row order, disjoint, below the rows asked for
    uint64_t damaged = 0;              // files that were missing or did not decode
  };

  // `truth` is where rows are read whose vectors turn out to be damaged.
  IndexDirectory(std::string directory, Filesystem* filesystem, std::shared_ptr<const RowTruth> truth)
      : directory_(std::move(directory)), filesystem_(*filesystem), truth_(std::move(truth)) {}

  // Loads what decodes and lies within rows [0, rows): of overlapping files the larger one, as a merge writes its result
  // before it removes what it merged. Removes all other segment files. An error only where the folder cannot be used.
  absl::StatusOr<Loaded> Load(const IndexSchema& schema, uint64_t rows);

  // Writes the segment's file, fills in its file's name and size and its build id, and lets it take its vectors from there
  // instead of from memory. Where the file cannot be mapped they stay in memory.
  absl::Status Save(const IndexSchema& schema, Segment& segment);
  // The files of the segments published now; removes those of `replaced` that are not among them.
  absl::Status Publish(const std::vector<SegmentPtr>& segments, const std::vector<SegmentPtr>& replaced);
  // Removes one segment's file, which turned out not to fit the rows.
  void Discard(const Segment& segment);

 private:
  absl::StatusOr<SegmentBytes> ReadBytes(const IndexSchema& schema, const std::string& name, RowRange rows);
  absl::StatusOr<SegmentPtr> LoadFile(const IndexSchema& schema, const std::string& name, RowRange rows);
  std::vector<std::string> ReadList();
  absl::Status WriteList(const std::vector<SegmentPtr>& segments);
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  Filesystem& filesystem_;
  const std::shared_ptr<const RowTruth> truth_;
  std::mutex mu_;
  uint64_t next_build_ = 1;  // guarded by mu_
};

}  // namespace vouch
