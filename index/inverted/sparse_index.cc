#include "index/inverted/sparse_index.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/flat_codec.h"

namespace vouch {
namespace {

// The grammar stands in README.md.
constexpr uint32_t kSparseIndexMagic = 0x58505356;  // "VSPX"
constexpr uint32_t kSparseIndexFormat = 1;

absl::Status CorruptSparse(std::string_view what) {
  return absl::DataLossError(absl::StrCat("sparse index: ", std::string(what)));
}

// The bits of floats that are not negative compare as the floats do.
class LargestWeight final : public BoundMaker {
 public:
  void AppendBlock(const PostingBlock& block, std::vector<PostingBound>* bounds) const override {
    bounds->push_back({.a = *std::max_element(block.values, block.values + block.count), .b = 0});
  }
  void AppendList(std::span<const PostingBound> blocks,
                  std::vector<PostingBound>* bounds) const override {
    PostingBound largest;
    for (const PostingBound& bound : blocks) largest.a = std::max(largest.a, bound.a);
    bounds->push_back(largest);
  }
};

}  // namespace

PostingList SparseIndex::postings(uint32_t term) const {
  const auto found = std::lower_bound(terms_.begin(), terms_.end(), term);
  if (found == terms_.end() || *found != term) return PostingList();
  return lists_.list(static_cast<size_t>(found - terms_.begin()));
}

bool SparseIndex::Holds(uint32_t row, const SparseVector& vector) const {
  for (size_t i = 0; i < vector.indices.size(); ++i) {
    const PostingList list = postings(vector.indices[i]);
    if (list.empty() || list.Find(row) != std::bit_cast<uint32_t>(vector.values[i])) return false;
  }
  return true;
}

size_t SparseIndex::memory_bytes() const {
  return sizeof(*this) + terms_.capacity() * sizeof(uint32_t) + lists_.memory_bytes();
}

std::string SparseIndex::Serialize() const {
  FlatWriter writer;
  writer.Reserve(16 + terms_.size() * 8 + lists_.memory_bytes());
  writer.Number(kSparseIndexMagic);
  writer.Number(kSparseIndexFormat);
  writer.Number(rows_);
  writer.Number(static_cast<uint32_t>(terms_.size()));
  writer.Array(terms_);
  lists_.Write(&writer);
  return std::move(writer).Take();
}

void SparseIndex::Add(uint32_t term, std::span<const uint32_t> rows,
                      std::span<const uint32_t> weights) {
  terms_.push_back(term);
  lists_.Add(rows, weights, LargestWeight());
  entries_ += rows.size();
}

void SparseIndex::ShrinkToFit() {
  terms_.shrink_to_fit();
  lists_.ShrinkToFit();
}

std::shared_ptr<const SparseIndex> SparseIndex::Build(
    std::span<const SparseVector* const> vectors) {
  struct Entry {
    uint64_t place = 0;  // the term, then the row
    uint32_t weight = 0;
  };
  size_t count = 0;
  for (const SparseVector* vector : vectors) count += vector->indices.size();
  std::vector<Entry> entries;
  entries.reserve(count);
  for (size_t row = 0; row < vectors.size(); ++row) {
    const SparseVector& vector = *vectors[row];
    for (size_t i = 0; i < vector.indices.size(); ++i) {
      entries.push_back(
          {uint64_t{vector.indices[i]} << 32 | row, std::bit_cast<uint32_t>(vector.values[i])});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.place < b.place; });
  auto index = std::make_shared<SparseIndex>();
  index->rows_ = static_cast<uint32_t>(vectors.size());
  std::vector<uint32_t> rows;
  std::vector<uint32_t> weights;
  for (size_t i = 0; i < entries.size(); ++i) {
    rows.push_back(static_cast<uint32_t>(entries[i].place));
    weights.push_back(entries[i].weight);
    const auto term = static_cast<uint32_t>(entries[i].place >> 32);
    if (i + 1 < entries.size() && entries[i + 1].place >> 32 == term) continue;
    index->Add(term, rows, weights);
    rows.clear();
    weights.clear();
  }
  index->ShrinkToFit();
  return index;
}

std::shared_ptr<const SparseIndex> SparseIndex::Merge(std::span<const SparseIndex* const> parts) {
  auto index = std::make_shared<SparseIndex>();
  std::vector<uint32_t> terms;
  for (const SparseIndex* part : parts) {
    terms.insert(terms.end(), part->terms_.begin(), part->terms_.end());
  }
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  std::vector<size_t> next(parts.size(), 0);  // term of each part
  std::vector<uint32_t> rows;
  std::vector<uint32_t> weights;
  for (const uint32_t term : terms) {
    rows.clear();
    weights.clear();
    uint32_t first_row = 0;
    for (size_t i = 0; i < parts.size(); first_row += parts[i]->rows_, ++i) {
      const SparseIndex& part = *parts[i];
      if (next[i] == part.terms_.size() || part.terms_[next[i]] != term) continue;
      part.lists_.list(next[i]++).ForEachBlock([&](const PostingBlock& block) {
        for (uint32_t p = 0; p < block.count; ++p) rows.push_back(first_row + block.rows[p]);
        weights.insert(weights.end(), block.values, block.values + block.count);
      });
    }
    index->Add(term, rows, weights);
  }
  for (const SparseIndex* part : parts) index->rows_ += part->rows_;
  index->ShrinkToFit();
  return index;
}

absl::Status SparseIndex::Read(std::string_view bytes, uint32_t rows) {
  FlatReader reader(bytes);
  uint32_t magic = 0;
  uint32_t format = 0;
  uint32_t terms = 0;
  if (!reader.Number(&magic) || magic != kSparseIndexMagic) {
    return CorruptSparse("the magic number is missing");
  }
  if (!reader.Number(&format) || format != kSparseIndexFormat) {
    return CorruptSparse(absl::StrCat("format ", format, ", this program reads ", kSparseIndexFormat));
  }
  if (!reader.Number(&rows_) || rows_ != rows) {
    return CorruptSparse(absl::StrCat("holds ", rows_, " rows, wanted ", rows));
  }
  if (!reader.Number(&terms) || !reader.Array(terms, &terms_)) {
    return CorruptSparse("the terms are cut short");
  }
  for (size_t i = 1; i < terms_.size(); ++i) {
    if (terms_[i] <= terms_[i - 1]) return CorruptSparse("the terms do not ascend");
  }
  bool weights_good = true;
  const absl::Status postings =
      lists_.Read(&reader, terms_.size(), rows, LargestWeight(), [&](const PostingBlock& block) {
        entries_ += block.count;
        for (uint32_t i = 0; i < block.count; ++i) {
          const float weight = std::bit_cast<float>(block.values[i]);
          weights_good = weights_good && weight > 0 && weight <= kMaxSparseWeight;
        }
      });
  if (!postings.ok()) return CorruptSparse(std::string(postings.message()));
  if (!weights_good) return CorruptSparse(absl::StrCat("a weight not in 0 … ", kMaxSparseWeight));
  if (!reader.AtEnd()) return CorruptSparse("bytes after the postings");
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SparseIndex>> SparseIndex::Parse(std::string_view bytes,
                                                                      uint32_t rows) {
  auto index = std::make_shared<SparseIndex>();
  if (absl::Status read = index->Read(bytes, rows); !read.ok()) return read;
  return index;
}

}  // namespace vouch
