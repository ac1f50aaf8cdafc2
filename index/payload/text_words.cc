#include "index/payload/text_words.h"

#include <memory>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "index/inverted/analyzer.h"

namespace vouch {
namespace {

// Analyzers are costly to make and filters are compiled often: one is kept for each language that was asked for.
const Analyzer* AnalyzerOf(const std::string& language) {
  static std::mutex mu;
  static auto* const analyzers = new absl::flat_hash_map<std::string, std::shared_ptr<const Analyzer>>();
  std::lock_guard lock(mu);
  const auto known = analyzers->find(language);
  if (known != analyzers->end()) return known->second.get();
  absl::StatusOr<std::shared_ptr<const Analyzer>> made = Analyzer::Create(language);
  if (!made.ok()) return nullptr;
  return analyzers->emplace(language, *std::move(made)).first->second.get();
}

}  // namespace

std::vector<std::string> WordsOf(const PayloadField& field, std::string_view text) {
  std::vector<std::string> words;
  const Analyzer* analyzer = AnalyzerOf(field.language);
  if (analyzer == nullptr) return words;
  for (Token& token : analyzer->Tokenize(text)) {
    if (token.term != kEndOfText) words.push_back(std::move(token.term));
  }
  return words;
}

std::string WordsId(const PayloadField& field) {
  const Analyzer* analyzer = AnalyzerOf(field.language);
  return analyzer == nullptr ? "" : analyzer->id();
}

}  // namespace vouch
