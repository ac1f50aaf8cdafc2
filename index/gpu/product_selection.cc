#include "index/gpu/product_selection.h"

#include <algorithm>

namespace vouch {
namespace {

constexpr uint32_t kMostBlocks = 128;

}  // namespace

uint32_t ProductSelection::BlocksFor(uint32_t slice) { return std::clamp(slice / kRowsOfBlock, 1u, kMostBlocks); }

absl::StatusOr<ProductSelection> ProductSelection::Begin(KernelLane& lane, const Form& form, const ProductQueries& queries) {
  ProductSelection selection(lane, form, queries);
  absl::StatusOr<float*> products = lane.Take<float>(uint64_t{form.slice} * queries.count);
  if (!products.ok()) return products.status();
  const uint64_t keys = StrideFor(form) * queries.count;
  absl::StatusOr<uint64_t*> best = lane.Take<uint64_t>(keys);
  if (!best.ok()) return best.status();
  absl::StatusOr<uint64_t*> compact = lane.Take<uint64_t>(uint64_t{form.wide} * queries.count);
  if (!compact.ok()) return compact.status();
  selection.products_ = *products;
  selection.best_ = *best;
  selection.compact_ = *compact;
  if (absl::Status status = lane.stream().Fill(*best, 0xFF, keys * sizeof(uint64_t)); !status.ok()) return status;
  return selection;
}

absl::Status ProductSelection::Add(const Slice& slice) {
  absl::Status status = lane_->stream().Multiply({.half = form_.half,
                                                  .rounded = form_.rounded,
                                                  .rows = slice.rows,
                                                  .row_count = slice.count,
                                                  .queries = queries_.rows,
                                                  .query_count = queries_.count,
                                                  .values = form_.row_bytes / (form_.half ? 2 : 4),
                                                  .products = products_});
  if (!status.ok()) return status;
  const uint64_t stride = StrideFor(form_);
  const gpu::ProductSelectArgs select{.products = products_,
                                      .lengths = slice.lengths,
                                      .list = slice.list,
                                      .first_node = slice.first_node,
                                      .rows = slice.count,
                                      .words = queries_.words,
                                      .word_start = queries_.word_start,
                                      .best = best_,
                                      .best_stride = stride,
                                      .own = queries_.own,
                                      .k = form_.wide,
                                      .out = best_,
                                      .out_stride = stride,
                                      .out_offset = form_.wide};
  status = lane_->stream().Run(select, {.blocks = BlocksFor(form_.slice), .queries = queries_.count});
  if (!status.ok()) return status;
  const gpu::MergeKeysArgs merge{.keys = best_,
                                 .out = slice.last ? compact_ : best_,
                                 .count = stride,
                                 .stride = stride,
                                 .out_stride = slice.last ? form_.wide : stride,
                                 .k = form_.wide};
  return lane_->stream().Run(merge, {.blocks = 1, .queries = queries_.count});
}

}  // namespace vouch
