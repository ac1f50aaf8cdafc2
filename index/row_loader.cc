#include "index/row_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "index/prepared_rows.h"
#include "index/segment_builder.h"

namespace vouch {
namespace {

// Rows read from the source in one piece.
constexpr uint64_t kLoadRows = 4096;

RowInput InputOf(RowRecord&& record) {
  return {.id = std::move(record.id),
          .vectors = std::move(record.vectors),
          .sparse = std::move(record.sparse),
          .multi_vectors = std::move(record.multi_vectors),
          .payload = std::move(record.payload),
          .provenance = {},
          .access = std::move(record.access)};
}

class Loader {
 public:
  Loader(const IndexSchema& schema, RowId first, const PurgedRows* purged, std::vector<SegmentPtr>& segments,
         uint64_t& refused)
      : schema_(schema), purged_(purged), segments_(segments), refused_(refused), next_(first.value) {}

  absl::Status Add(RowRecord&& record) {
    if (absl::Status status = FillTo(record.row.value); !status.ok()) return status;
    if (record.row.value != next_) {
      return absl::DataLossError(absl::StrCat("row ", next_, " is missing; the next is ", record.row.value));
    }
    rows_.push_back(InputOf(std::move(record)));
    return Count(false);
  }
  absl::Status Finish(RowId end) {
    if (absl::Status status = FillTo(end.value); !status.ok()) return status;
    if (next_ != end.value) return absl::DataLossError(absl::StrCat("row ", next_, " is missing"));
    return Flush();
  }

 private:
  // Empty rows for those that were let go.
  absl::Status FillTo(uint64_t row) {
    while (next_ < row && (purged_ == nullptr || purged_->Contains(RowId(next_)))) {
      rows_.emplace_back().payload = "{}";
      if (absl::Status status = Count(true); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  // The last of rows_ is the next row.
  absl::Status Count(bool dropped) {
    ++next_;
    dropped_.push_back(dropped);
    return rows_.size() < kLoadRows ? absl::OkStatus() : Flush();
  }
  absl::Status Flush() {
    if (rows_.empty()) return absl::OkStatus();
    const auto prepared = IndexedRows::PrepareStored(schema_, rows_, refused_);
    absl::StatusOr<SegmentPtr> segment =
        BuildFreshSegment(schema_, RowId(next_ - rows_.size()), rows_, *prepared, &dropped_);
    if (!segment.ok()) return segment.status();
    segments_.push_back(*std::move(segment));
    rows_.clear();
    dropped_.clear();
    return absl::OkStatus();
  }

  const IndexSchema& schema_;
  const PurgedRows* purged_;
  std::vector<SegmentPtr>& segments_;
  uint64_t& refused_;
  uint64_t next_;
  std::vector<RowInput> rows_;
  std::vector<bool> dropped_;
};

}  // namespace

absl::Status LoadRows(const IndexSchema& schema, const ScanRows& scan, RowRange range, const PurgedRows* purged,
                      std::vector<SegmentPtr>& segments, uint64_t& refused) {
  Loader loader(schema, range.begin, purged, segments, refused);
  absl::Status status = scan(range, [&](RowRecord&& record) { return loader.Add(std::move(record)); });
  return status.ok() ? loader.Finish(range.end) : status;
}

absl::StatusOr<SegmentPtr> LoadSegment(const IndexSchema& schema, const ScanRows& scan, RowRange range) {
  std::vector<SegmentPtr> parts;
  uint64_t refused = 0;
  if (absl::Status status = LoadRows(schema, scan, range, nullptr, parts, refused); !status.ok()) return status;
  if (parts.size() == 1) return parts.front();
  return MergeSegments(schema, parts);
}

uint64_t CountUndropped(const Segment& segment, const PurgedRows& purged) {
  const uint64_t gone = purged.Count(segment.rows);
  const uint64_t dropped = segment.ids->dropped_rows();
  return gone > dropped ? gone - dropped : 0;
}

}  // namespace vouch
