#include "rag/assemble.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "rag/cite.h"

namespace vouch {
namespace {

std::vector<Passage> Deduped(std::vector<Passage> passages) {
  std::vector<Passage> kept;
  std::vector<std::string> texts;
  for (Passage& passage : passages) {
    std::string text = CollapseSpace(passage.text);
    const bool known = std::any_of(texts.begin(), texts.end(), [&text](const std::string& better) {
      return better.find(text) != std::string::npos;
    });
    if (known) continue;
    texts.push_back(std::move(text));
    kept.push_back(std::move(passage));
  }
  return kept;
}

}  // namespace

std::vector<Passage> AssemblePassages(std::vector<Passage> passages, const AssembleStep& step) {
  if (step.dedupe) passages = Deduped(std::move(passages));
  if (step.order == PassageOrder::kRank) return passages;
  std::map<std::string, size_t> best;  // a document's first place
  for (size_t i = 0; i < passages.size(); ++i) best.emplace(passages[i].provenance.document, i);
  std::stable_sort(passages.begin(), passages.end(), [&best](const Passage& a, const Passage& b) {
    return std::pair(best.at(a.provenance.document), a.provenance.source.begin) <
           std::pair(best.at(b.provenance.document), b.provenance.source.begin);
  });
  return passages;
}

}  // namespace vouch
