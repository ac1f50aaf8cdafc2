#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/cross_encoder.h"
#include "query/query_tree.h"
#include "query/ranked_row.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

// The texts that the model reads of a point: of the reranking's path, else the model's, else of the
// collection's only text field. INVALID_ARGUMENT: none of these.
absl::StatusOr<TextField> DocumentsOf(const CrossEncoderRerank& rerank, const CrossEncoder& encoder,
                                      const CollectionSchema& schema);

// Scores rows by cross-encoders, for one request on one thread; borrows all it is given.
//
// Invariants:
// 1. A model is asked for a row at most once a node and request, so that a list that is made again
// deeper, and explain and why_not after it, have the same scores.
// 2. After a failure a node asks no more.
class CrossScorer {
 public:
  CrossScorer(const Store& store, const CollectionInfo& info, const CrossEncoders& encoders)
      : store_(store), info_(info), encoders_(encoders) {}

  struct Outcome {
    std::vector<RankedRow> hits = {};
    std::string model = {};    // its id
    std::string failure = {};  // set: the candidates as they were
  };
  // The candidates by the model's scores in total order, without those that have no text. Where the
  // model fails: the error, or, as the reranking says, the candidates as they are. The store's
  // errors and the request's own end are errors in either case.
  absl::StatusOr<Outcome> Rerank(const CrossEncoderRerank& rerank,
                                 std::span<const RankedRow> candidates, const CancelToken& cancel);
  // For explain, of a node that ran: by what its hits have their scores.
  std::string NoteOf(const CrossEncoderRerank& rerank) const;
  // Whether a node that ran found no text in the row.
  bool HasNoText(const CrossEncoderRerank& rerank, RowId row) const;
  // Of nodes that kept their child's order, for the caller of the request.
  std::vector<std::string> Warnings() const;

 private:
  struct Node {
    std::map<uint64_t, std::optional<double>> scores = {};  // by row; nullopt: no text
    std::string model = {};
    std::string failure = {};
  };
  struct Documents {
    std::vector<uint64_t> rows = {};
    std::vector<std::string> texts = {};
  };
  // The texts of those candidates that the node has no score of yet; marks those without text.
  absl::StatusOr<Documents> ReadDocuments(const TextField& field, size_t max_bytes,
                                          std::span<const RankedRow> candidates,
                                          const CancelToken& cancel, Node& node) const;

  const Store& store_;
  const CollectionInfo& info_;
  const CrossEncoders& encoders_;
  std::map<const CrossEncoderRerank*, Node> nodes_;
};

}  // namespace vouch
