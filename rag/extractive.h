#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/inverted/analyzer.h"
#include "rag/document.h"

namespace vouch {

// A retrieved chunk as the generator sees it.
struct ExtractiveChunk {
  std::string text;     // UTF-8
  std::string context;  // title and headings above it
  std::optional<std::vector<Block>> blocks =
      {};  // of the text; nullopt: not known (rag/quotable.h)
};

struct ExtractiveOptions {
  uint32_t max_sentences = 4;  // of the answer
  // A sentence is left out where its score is below this share of the best one's. Higher: shorter
  // answers that keep to the point.
  double min_relative_score = 0.5;
  // Share of relevance against novelty in choosing the next sentence (maximal marginal relevance).
  double relevance_weight = 0.7;
  // Sentences with so many of their terms in common (Jaccard) say the same; so do those of which
  // one has nearly all of the other's.
  double near_duplicate = 0.6;
  double near_contained = 0.85;
  // Points that `idf` was taken over; weighs the question's terms that nothing retrieved has.
  uint64_t points = 0;
};

// A sentence of the answer: bytes [begin, end) of chunks[chunk].text.
struct ExtractedSentence {
  size_t chunk = 0;
  ByteSpan text;
  double score = 0;
};

// builtin/extractive: answers by quoting whole sentences of prose (rag/quotable.h). They are scored
// by the share of the question's terms that they hold, weighted by idf (a term in the chunk's
// headings counts a quarter), by pairs of neighbouring terms, by what they start with, by how they
// read alone (long ones, questions, and those that lean on others less), and by the chunk's rank and
// the place in it; the best ones are chosen by maximal marginal relevance (Carbonell and Goldstein, 1998),
// near duplicates left out. `idf` gives the collection's weights; a term that is missing there gets
// one from the chunks at hand, and one that no chunk has weighs as the rarest. Words that ask
// ("how", "what", "does") are no terms of an English question.
//
// Result: at most max_sentences, chunks in the order of their best sentence, inside a chunk in
// reading order. Empty, so that the answer abstains, where even the best sentence with its headings
// and its chunk holds too little of the question: of one or two terms more than half of the weight,
// of more a third, of more than eight a quarter. A function of its arguments alone.
std::vector<ExtractedSentence> ExtractSentences(std::string_view question,
                                                const std::vector<ExtractiveChunk>& chunks,
                                                const std::map<std::string, double>& idf,
                                                const Analyzer& analyzer,
                                                const ExtractiveOptions& options);

// The generator's id with its parameters: "builtin/extractive/2?max_sentences=4".
std::string ExtractiveId(const ExtractiveOptions& options);

}  // namespace vouch
