#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/collection.h"
#include "rag/ingest/model_keeper.h"

namespace vouch {

// How far a collection follows another one; its document "copy", JSON {format, source, synced, next_row}, changed in the
// commits that bring it further.
struct CopyProgress {
  std::string source = {};  // the collection that is followed
  // Of the source's rows before `next_row`, what every commit up to `synced` did is in the copy; rows from there on are not.
  Version synced = {};
  uint64_t next_row = 0;
  friend bool operator==(const CopyProgress&, const CopyProgress&) = default;
};
inline constexpr std::string_view kCopyDocument = "copy";
std::string EncodeCopyProgress(const CopyProgress& progress);
absl::StatusOr<CopyProgress> DecodeCopyProgress(std::string_view json);  // DATA_LOSS

// Brings one collection to the state of another, whose schema differs in one dense field's dimension and embedder alone:
// the same points with the same payloads, access lists and other vectors, that field embedded anew from the texts that
// ingestion keeps; and the same documents with their sources, so that ingestion goes on there.
//
// It reads the source's rows in commit order, so that what it did before is never looked at again, and it can be cut at
// any moment: each commit says how far it goes. Commits carry the target's fence along, where there is one.
//
// Not thread safe.
class CollectionCopy {
 public:
  struct Step {
    uint64_t rows = 0;  // embedded and written by this object so far
    double fraction = 0;
  };
  static absl::StatusOr<CollectionCopy> Create(Collection& source, Collection& target,
                                               EmbedderRegistry& embedders, std::string_view field,
                                               Principal principal, CancelToken cancel,
                                               std::function<void(const Step&)> progress);

  // Follows the source to its version of now, which it returns; commits nothing where nothing came since. ABORTED: someone
  // else wrote to the target. FAILED_PRECONDITION: a point that was not ingested has a vector of its own in the field.
  absl::StatusOr<Version> CatchUp();
  uint64_t rows() const { return step_.rows; }

  static absl::StatusOr<CopyProgress> ReadProgress(Collection& target, std::string_view source);

 private:
  CollectionCopy(Collection& source, Collection& target, ModelKeeper model, std::string field,
                 Principal principal, CancelToken cancel, std::function<void(const Step&)> progress)
      : source_(source),
        target_(target),
        model_(std::move(model)),
        field_(std::move(field)),
        principal_(std::move(principal)),
        cancel_(std::move(cancel)),
        progress_(std::move(progress)) {}

  // The source's rows that are retired at its version of the pass, and those copied before that went since.
  struct Retired {
    absl::flat_hash_set<uint64_t> rows = {};
    std::vector<RowId> since = {};
  };
  absl::StatusOr<Retired> ReadRetired(const CollectionState& state, const CopyProgress& done) const;
  absl::Status TrainModel(const CollectionState& state, const Retired& retired);
  absl::Status CopyRows(const CollectionState& state, const Retired& retired, CopyProgress* done);
  absl::Status WriteRows(std::span<RowRecord> rows, const CopyProgress& done);
  // Makes points of rows, with their sources there; `texts[i]` is to be embedded for point `embedded[i]`.
  struct Batch;
  absl::Status AddPoint(RowRecord row, const std::string& embedder, Batch* batch);
  absl::Status DeleteGone(const CollectionState& state, const Retired& retired);
  absl::Status CopyArtifact(const std::string& hash);
  absl::Status CopyDocuments(const CopyProgress& done);
  absl::Status Write(WriteRequest write, const CopyProgress* done);

  Collection& source_;
  Collection& target_;
  ModelKeeper model_;
  std::string field_;
  Principal principal_;
  CancelToken cancel_;
  std::function<void(const Step&)> progress_;
  Version at_;                                  // of the target; nobody else writes there
  absl::flat_hash_set<std::string> artifacts_;  // that are there
  Step step_;
};

}  // namespace vouch
