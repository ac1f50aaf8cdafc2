#pragma once

#include <string_view>

namespace vouch {

// Whether words of the language are cut.
bool CutsElisions(std::string_view language);

// The word without the article, pronoun or conjunction elided before it: "eau" of French "l'eau",
// "arte" of Italian "dell'arte", "aigua" of Catalan "l'aigua". Nothing is cut in other languages,
// and never the whole word.
//
// `word` is folded, its apostrophe the plain one. What is elided in a language are the sets that
// Apache Lucene gives its ElisionFilter (FrenchAnalyzer.DEFAULT_ARTICLES, ItalianAnalyzer and
// CatalanAnalyzer: DEFAULT_ARTICLES).
std::string_view CutElision(std::string_view language, std::string_view word);

}  // namespace vouch
