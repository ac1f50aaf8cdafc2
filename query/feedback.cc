#include "query/feedback.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace vouch {
namespace {

using TermShares = std::vector<std::pair<std::string_view, double>>;

std::vector<double> DocumentShares(std::span<const FeedbackText> documents) {
  double sum = 0;
  bool usable = true;
  for (const FeedbackText& document : documents) {
    if (document.text.length == 0) continue;
    usable = usable && document.score >= 0;
    sum += document.score;
  }
  usable = usable && sum > 0 && std::isfinite(sum);
  std::vector<double> shares;
  double counted = 0;
  for (const FeedbackText& document : documents) counted += document.text.length > 0 ? 1 : 0;
  for (const FeedbackText& document : documents) {
    shares.push_back(usable ? document.score / sum : 1 / counted);
  }
  return shares;
}

// The relevance model: the best terms of the documents, their shares summing to 1.
TermShares RelevanceModel(std::span<const FeedbackText> documents, size_t terms) {
  const std::vector<double> shares = DocumentShares(documents);
  absl::flat_hash_map<std::string_view, double> sums;
  for (size_t i = 0; i < documents.size(); ++i) {
    const AnalyzedText& text = documents[i].text;
    for (const AnalyzedText::Term& term : text.terms) {
      sums[term.term] += shares[i] * term.frequency / static_cast<double>(text.length);
    }
  }
  TermShares model(sums.begin(), sums.end());
  const auto best_first = [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  };
  const size_t kept = std::min(terms, model.size());
  std::partial_sort(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(kept), model.end(),
                    best_first);
  model.resize(kept);
  double total = 0;
  for (const auto& [term, share] : model) total += share;
  for (auto& [term, share] : model) share /= total;
  return model;
}

}  // namespace

std::vector<WeightedTerm> ExpandByRm3(const AnalyzedText& query,
                                      std::span<const FeedbackText> documents, const Rm3& options) {
  const TermShares model = RelevanceModel(documents, options.terms);
  const double own = model.empty() ? 1 : options.original_weight;
  std::map<std::string_view, double> weights;
  for (const AnalyzedText::Term& term : query.terms) weights[term.term] = own * term.frequency;
  for (const auto& [term, share] : model) {
    weights[term] += (1 - own) * static_cast<double>(query.length) * share;
  }
  std::vector<WeightedTerm> expanded;
  expanded.reserve(weights.size());
  for (const auto& [term, weight] : weights) {
    if (weight > 0) expanded.push_back({std::string(term), weight});
  }
  return expanded;
}

std::vector<float> ExpandByRocchio(std::span<const float> query,
                                   std::span<const std::span<const float>> documents,
                                   const Rocchio& options) {
  std::vector<float> expanded(query.begin(), query.end());
  if (documents.empty()) return expanded;
  for (size_t i = 0; i < expanded.size(); ++i) {
    double sum = 0;
    for (const std::span<const float> document : documents) sum += double{document[i]};
    expanded[i] = static_cast<float>(options.alpha * double{query[i]} +
                                     options.beta * sum / static_cast<double>(documents.size()));
  }
  return expanded;
}

}  // namespace vouch
