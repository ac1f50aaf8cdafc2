#include "rag/embed/builtin_hash.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/elision.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr uint32_t kMinDim = 8;
constexpr uint32_t kMaxDim = 4096;
constexpr size_t kTextsPerCheck = 64;
// No term has this byte, so that a pair never equals another feature.
constexpr char kPairSeparator = '\x1f';

class HashEmbedder final : public Embedder {
 public:
  HashEmbedder(uint32_t dim, std::string id, std::shared_ptr<const Analyzer> analyzer)
      : dim_(dim), id_(std::move(id)), analyzer_(std::move(analyzer)) {}

  std::string id() const override { return id_; }
  uint32_t dim() const override { return dim_; }

  absl::StatusOr<std::vector<std::vector<float>>> Embed(std::span<const std::string> texts,
                                                        const CancelToken& cancel) const override {
    std::vector<std::vector<float>> vectors;
    vectors.reserve(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i % kTextsPerCheck == 0) {
        if (absl::Status status = cancel.Check(); !status.ok()) return status;
      }
      vectors.push_back(Hash(texts[i]));
    }
    return vectors;
  }

 private:
  std::vector<float> Hash(std::string_view text) const {
    const std::vector<Token> tokens = analyzer_->Tokenize(text);
    std::vector<uint64_t> features;
    features.reserve(2 * tokens.size());
    std::string pair;
    for (size_t i = 0; i < tokens.size(); ++i) {
      features.push_back(XXH3_64bits(tokens[i].term.data(), tokens[i].term.size()));
      if (i == 0) continue;
      pair.assign(tokens[i - 1].term).append(1, kPairSeparator).append(tokens[i].term);
      features.push_back(XXH3_64bits(pair.data(), pair.size()));
    }
    // Sorted, so that equal features stand together and sums have one order.
    std::sort(features.begin(), features.end());
    std::vector<double> sums(dim_, 0.0);
    for (size_t begin = 0, end = 0; begin < features.size(); begin = end) {
      while (end < features.size() && features[end] == features[begin]) ++end;
      const double weight = 1.0 + std::log(static_cast<double>(end - begin));
      const uint64_t hash = features[begin];
      sums[(hash >> 1) % dim_] += (hash & 1) != 0 ? weight : -weight;
    }
    double squares = 0;
    for (double sum : sums) squares += sum * sum;
    const double norm = std::sqrt(squares);
    if (norm == 0) return {};  // no term, or all of them cancel out
    std::vector<float> vector(dim_);
    for (uint32_t d = 0; d < dim_; ++d) vector[d] = static_cast<float>(sums[d] / norm);
    return vector;
  }

  const uint32_t dim_;
  const std::string id_;
  const std::shared_ptr<const Analyzer> analyzer_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Embedder>> CreateHashEmbedder(uint32_t dim,
                                                                   const std::string& language) {
  if (dim < kMinDim || dim > kMaxDim) {
    return absl::InvalidArgumentError(
        Concat("builtin/hash: dim is ", dim, "; it takes ", kMinDim, " to ", kMaxDim));
  }
  absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer = Analyzer::Create(language);
  if (!analyzer.ok()) return analyzer.status();
  std::string id = Concat("builtin/hash?dim=", dim);
  // English is the default of every spec, so it is not part of the id.
  if (language != "english") id += Concat("&language=", language);
  // Their texts gave other vectors when nothing was cut.
  if (CutsElisions(language)) id += "&elision=cut";
  return std::make_shared<const HashEmbedder>(dim, std::move(id), *std::move(analyzer));
}

}  // namespace vouch
