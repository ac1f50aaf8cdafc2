#include "rag/eval/drift_words.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "index/inverted/analyzer.h"
#include "rag/eval/permutation_p.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Texts of both sides, of which any may be taken as the window.
class PooledTexts {
 public:
  PooledTexts(std::span<const DriftWords> window, std::span<const DriftWords> reference)
      : texts_(window.size() + reference.size()), window_(window.size()) {
    DriftWords all;
    for (const auto& side : {window, reference}) {
      for (const DriftWords& words : side) all.insert(all.end(), words.begin(), words.end());
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    in_all_.resize(all.size());
    in_window_.resize(all.size());
    begins_.push_back(0);
    for (const auto& side : {window, reference}) {
      for (const DriftWords& words : side) {
        for (uint64_t word : words) {
          words_.push_back(static_cast<uint32_t>(std::lower_bound(all.begin(), all.end(), word) - all.begin()));
          ++in_all_[words_.back()];
        }
        begins_.push_back(words_.size());
      }
    }
    for (size_t i = 0; i <= texts_ + 1; ++i) logs_.push_back(std::log(static_cast<double>(std::max<size_t>(1, i))));
    rarity_.resize(texts_);
  }

  // Where the first of `order` are the window: how many of it are among the rarest.
  double RareInWindow(const std::vector<uint32_t>& order, double rare_share) {
    std::fill(in_window_.begin(), in_window_.end(), 0);
    for (size_t i = 0; i < window_; ++i) {
      for (uint32_t word : Of(order[i])) ++in_window_[word];
    }
    const size_t reference = texts_ - window_;
    for (size_t i = 0; i < texts_; ++i) rarity_[order[i]] = Rarity(order[i], i < window_, reference);
    sorted_ = rarity_;
    const auto wanted = static_cast<size_t>(std::ceil(rare_share * static_cast<double>(texts_)));
    std::nth_element(sorted_.begin(), sorted_.begin() + static_cast<std::ptrdiff_t>(wanted - 1), sorted_.end(), std::greater<>());
    const double limit = sorted_[wanted - 1];
    const auto above = static_cast<size_t>(std::count_if(rarity_.begin(), rarity_.end(), [&](double r) { return r > limit; }));
    const auto from = static_cast<size_t>(std::count_if(rarity_.begin(), rarity_.end(), [&](double r) { return r >= limit; }));
    // Many may be as rare as each other: each counts as much as there is place for.
    size_t above_in_window = 0;
    size_t from_in_window = 0;
    for (size_t i = 0; i < window_; ++i) {
      above_in_window += rarity_[order[i]] > limit ? 1 : 0;
      from_in_window += rarity_[order[i]] >= limit ? 1 : 0;
    }
    rare_ = static_cast<double>(wanted);
    rare_in_window_ = static_cast<double>(above_in_window) +
                      static_cast<double>((from_in_window - above_in_window) * (wanted - above)) / static_cast<double>(from - above);
    return rare_in_window_;
  }

  // As the last call found it.
  double Moved() const {
    return std::max(0.0, rare_in_window_ / static_cast<double>(window_) -
                             (rare_ - rare_in_window_) / static_cast<double>(texts_ - window_));
  }
  const std::vector<double>& rarity() const { return rarity_; }

 private:
  std::span<const uint32_t> Of(size_t text) const {
    return {words_.data() + begins_[text], begins_[text + 1] - begins_[text]};
  }

  // 0 … 1; a text without words says nothing new.
  double Rarity(size_t text, bool in_window, size_t reference) const {
    const std::span<const uint32_t> words = Of(text);
    if (words.empty()) return 0;
    const size_t self = in_window ? 0 : 1;
    double known = 0;
    for (uint32_t word : words) known += logs_[in_all_[word] - in_window_[word] - self + 1];
    const double most = logs_[reference - self + 1];
    return most > 0 ? 1 - known / static_cast<double>(words.size()) / most : 0;
  }

  const size_t texts_;
  const size_t window_;
  std::vector<uint32_t> words_;  // of all texts, one after another, by their place among the different ones
  std::vector<size_t> begins_;   // of each text in words_, and their end
  std::vector<uint32_t> in_all_;  // texts, by word
  std::vector<uint32_t> in_window_;
  std::vector<double> logs_;  // by number
  std::vector<double> rarity_;  // by text
  std::vector<double> sorted_;
  double rare_ = 0;
  double rare_in_window_ = 0;
};

}  // namespace

DriftWords DriftWordsOf(const Analyzer& analyzer, std::string_view text) {
  DriftWords words;
  for (const AnalyzedText::Term& term : analyzer.Analyze(text).terms)
    words.push_back(XXH3_64bits(term.term.data(), term.term.size()));
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  if (words.size() > kMaxDriftWords) words.resize(kMaxDriftWords);  // hashes fall evenly
  return words;
}

absl::StatusOr<WordsComparison> CompareWords(std::span<const DriftWords> reference, std::span<const DriftWords> window,
                                             const WordsOptions& options) {
  if (reference.empty() || window.empty()) {
    return absl::InvalidArgumentError(
        Concat("words of ", window.size(), " texts against those of ", reference.size(), "; it takes 1 of either"));
  }
  PooledTexts texts(window, reference);
  std::vector<uint32_t> order(window.size() + reference.size());
  std::iota(order.begin(), order.end(), 0U);
  const double observed = texts.RareInWindow(order, options.rare_share);
  WordsComparison comparison;
  comparison.moved = texts.Moved();
  comparison.rarity.assign(texts.rarity().begin(), texts.rarity().begin() + static_cast<std::ptrdiff_t>(window.size()));
  SeededRandom random(options.seed);
  const absl::StatusOr<double> p = PermutationP(observed, options.draws, options.cancel, [&] {
    DrawToFront(window.size(), random, &order);
    return texts.RareInWindow(order, options.rare_share);
  });
  if (!p.ok()) return p.status();
  comparison.p = *p;
  return comparison;
}

}  // namespace vouch
