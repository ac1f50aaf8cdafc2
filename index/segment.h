#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/access_column.h"
#include "index/dense/dense_column.h"
#include "index/dense/graph.h"
#include "index/dense/ivf.h"
#include "index/dense/recall_curves.h"
#include "index/id_column.h"
#include "index/inverted/sparse_index.h"
#include "index/inverted/text_index.h"
#include "index/memory_account.h"
#include "index/multi/token_column.h"
#include "index/payload/payload_columns.h"
#include "index/segment_truth.h"
#include "index/visible_rows.h"
#include "storage/ids.h"

namespace vouch {

// A contiguous range of rows with all that can be searched in them. Published as shared_ptr<const Segment> and never
// changed after that, so any number of threads read it; its parts are shared by copies.
//
// Invariants:
// 1. Every part has rows.size() rows, at most kMaxRows.
// 2. A graph or an inverted file stands only in a sealed segment, never both of one field, and its nodes are those of the
//    field's column.
struct Segment {
  static constexpr uint64_t kMaxRows = uint64_t{1} << 31;

  RowRange rows;
  std::shared_ptr<const IdColumn> ids;
  std::shared_ptr<const AccessColumn> access;               // null: everyone may see every row
  std::vector<DenseColumn> dense;                           // one a dense field
  std::vector<std::shared_ptr<const Graph>> graphs;         // one a dense field; null: searched exactly
  std::vector<std::shared_ptr<const Ivf>> ivfs;             // one a dense field, or none at all; null: none
  // One a dense field, or none at all: of fresh rows without a graph, by the axes of an older graph's codes; may be null.
  std::vector<std::shared_ptr<const VectorCodes>> codes;
  // One a dense field, or none at all: of sealed rows, where the field has a recall target; null where nothing was measured.
  std::vector<std::shared_ptr<const RecallCurves>> recalls;
  std::vector<std::shared_ptr<const TextIndex>> text;       // one a text field
  std::vector<std::shared_ptr<const SparseIndex>> sparse;   // one a sparse field
  std::vector<TokenColumn> tokens;                          // one a multi-vector field
  std::shared_ptr<const PayloadColumns> payload;
  std::shared_ptr<VisibleRowsCache> visible = std::make_shared<VisibleRowsCache>();  // never null; changes no answer

  bool sealed = false;
  std::string build_id;     // of its file's content; empty where not sealed
  std::string file_name;    // empty where it has no file (not sealed, or it could not be written)
  uint64_t file_bytes = 0;
  std::shared_ptr<SegmentTruth> truth;  // of columns whose vectors lie in the file; null where none do

  uint32_t row_count() const { return static_cast<uint32_t>(rows.size()); }
  uint32_t LocalRow(RowId row) const { return static_cast<uint32_t>(row.value - rows.begin.value); }
  // Those of fresh rows, or the graph's; null where there are none.
  const VectorCodes* CodesOf(size_t field) const {
    if (graphs[field] != nullptr) return &graphs[field]->codes();
    return field < codes.size() ? codes[field].get() : nullptr;
  }
  const Ivf* IvfOf(size_t field) const { return field < ivfs.size() ? ivfs[field].get() : nullptr; }
  const RecallCurves* RecallsOf(size_t field) const { return field < recalls.size() ? recalls[field].get() : nullptr; }
  // Whether the file is not what was written, as a search or merge found. Answers are right all the same.
  bool damaged() const { return truth != nullptr && truth->damaged(); }
  MemoryAccount Memory() const;
};

using SegmentPtr = std::shared_ptr<const Segment>;

}  // namespace vouch
