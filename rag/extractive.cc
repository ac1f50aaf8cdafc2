#include "rag/extractive.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "rag/chunk/chunker.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// A longer one (a table row, a list without full stops) is quoted up to the last word before this.
constexpr size_t kMaxSentenceBytes = 600;
constexpr double kContextShare = 0.25;
constexpr double kPairShare = 0.2;
// A list's stub answers nothing by itself.
constexpr size_t kFewTerms = 3;
constexpr double kFewTermsFactor = 0.6;
constexpr double kQuestionFactor = 0.7;

struct Candidate {
  ExtractedSentence sentence;
  std::set<std::string> terms;
};

struct Question {
  std::map<std::string, double> weights;                // term → idf
  std::set<std::pair<std::string, std::string>> pairs;  // neighbours
  double total = 0;
};

std::set<std::string> TermsOf(const std::vector<Token>& tokens) {
  std::set<std::string> terms;
  for (const Token& token : tokens) terms.insert(token.term);
  return terms;
}

ByteSpan CutLong(std::string_view text, ByteSpan span) {
  if (span.end - span.begin <= kMaxSentenceBytes) return span;
  const std::string_view head = text.substr(span.begin, kMaxSentenceBytes);
  size_t end = head.find_last_of(" \n\t");
  if (end == std::string_view::npos || end == 0) {
    end = kMaxSentenceBytes;
    while (end > 0 && (static_cast<unsigned char>(text[span.begin + end]) & 0xC0) == 0x80) --end;
  }
  return {span.begin, span.begin + end};
}

Question ReadQuestion(const std::vector<Token>& tokens,
                      const std::vector<std::set<std::string>>& chunk_terms,
                      const std::map<std::string, double>& idf) {
  Question question;
  const double chunks = static_cast<double>(chunk_terms.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& term = tokens[i].term;
    if (i > 0) question.pairs.emplace(tokens[i - 1].term, term);
    const auto known = idf.find(term);
    if (known != idf.end()) {
      question.weights[term] = known->second;
      continue;
    }
    double found = 0;
    for (const std::set<std::string>& terms : chunk_terms) found += terms.contains(term) ? 1 : 0;
    // A term that no chunk has cannot part good sentences from bad ones.
    if (found > 0) question.weights[term] = std::log(1.0 + (chunks - found + 0.5) / (found + 0.5));
  }
  for (const auto& [term, weight] : question.weights) question.total += weight;
  return question;
}

// 0 where the sentence holds no term of the question.
double Relevance(const Question& question, const std::vector<Token>& tokens,
                 const std::set<std::string>& terms, const std::set<std::string>& context) {
  double own = 0;
  double around = 0;
  for (const auto& [term, weight] : question.weights) {
    if (terms.contains(term)) {
      own += weight;
    } else if (context.contains(term)) {
      around += weight;
    }
  }
  if (own <= 0) return 0;
  double pairs = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (question.pairs.contains({tokens[i - 1].term, tokens[i].term})) pairs += 1;
  }
  const double all_pairs = std::max<double>(1.0, static_cast<double>(question.pairs.size()));
  return (own + kContextShare * around) / question.total +
         kPairShare * std::min(1.0, pairs / all_pairs);
}

double Overlap(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  const double all = static_cast<double>(a.size() + b.size() - common.size());
  return all > 0 ? static_cast<double>(common.size()) / all : 1.0;
}

std::vector<Candidate> ScoreSentences(std::string_view question_text,
                                      const std::vector<ExtractiveChunk>& chunks,
                                      const std::map<std::string, double>& idf,
                                      const Analyzer& analyzer) {
  std::vector<std::set<std::string>> chunk_terms;
  for (const ExtractiveChunk& chunk : chunks)
    chunk_terms.push_back(TermsOf(analyzer.Tokenize(chunk.text)));
  const Question question = ReadQuestion(analyzer.Tokenize(question_text), chunk_terms, idf);
  std::vector<Candidate> candidates;
  if (question.total <= 0) return candidates;
  for (size_t c = 0; c < chunks.size(); ++c) {
    const std::string_view text = chunks[c].text;
    const std::set<std::string> context = TermsOf(analyzer.Tokenize(chunks[c].context));
    size_t place = 0;
    for (const ByteSpan& whole : SplitSentences(text)) {
      const ByteSpan span = CutLong(text, whole);
      const std::string_view sentence = text.substr(span.begin, span.end - span.begin);
      const std::vector<Token> tokens = analyzer.Tokenize(sentence);
      std::set<std::string> terms = TermsOf(tokens);
      double score = Relevance(question, tokens, terms, context);
      score *= 1.0 + 0.1 / static_cast<double>(1 + place);
      score /= 1.0 + 0.05 * static_cast<double>(c);
      if (terms.size() <= kFewTerms) score *= kFewTermsFactor;
      // A heading says what follows, not what is so.
      if (chunks[c].context.find(sentence) != std::string::npos) score = 0;
      if (sentence.ends_with('?')) score *= kQuestionFactor;
      if (score > 0) {
        candidates.push_back(
            {.sentence = {.chunk = c, .text = span, .score = score}, .terms = std::move(terms)});
      }
      ++place;
    }
  }
  return candidates;
}

// Chunks in the order of their best sentence, which comes first among `chosen`; inside a chunk in
// reading order.
void Arrange(std::vector<ExtractedSentence>* chosen) {
  std::map<size_t, size_t> first_of_chunk;
  for (size_t i = 0; i < chosen->size(); ++i) first_of_chunk.try_emplace((*chosen)[i].chunk, i);
  std::sort(chosen->begin(), chosen->end(),
            [&](const ExtractedSentence& a, const ExtractedSentence& b) {
              if (a.chunk != b.chunk) return first_of_chunk[a.chunk] < first_of_chunk[b.chunk];
              return a.text.begin < b.text.begin;
            });
}

}  // namespace

std::vector<ExtractedSentence> ExtractSentences(std::string_view question,
                                                const std::vector<ExtractiveChunk>& chunks,
                                                const std::map<std::string, double>& idf,
                                                const Analyzer& analyzer,
                                                const ExtractiveOptions& options) {
  std::vector<Candidate> candidates = ScoreSentences(question, chunks, idf, analyzer);
  // Order of equals: chunk, then place, as they were made.
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.sentence.score > b.sentence.score; });
  std::vector<ExtractedSentence> chosen;
  if (candidates.empty()) return chosen;
  const double best = candidates.front().sentence.score;
  std::vector<double> overlap(candidates.size(), 0.0);  // with what has been chosen, at most
  std::vector<bool> out(candidates.size(), false);
  while (chosen.size() < options.max_sentences) {
    size_t next = candidates.size();
    double next_value = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double score = candidates[i].sentence.score;
      if (score < options.min_relative_score * best) break;
      if (out[i] || overlap[i] >= options.near_duplicate) continue;
      const double value =
          options.relevance_weight * score / best - (1.0 - options.relevance_weight) * overlap[i];
      if (next == candidates.size() || value > next_value) {
        next = i;
        next_value = value;
      }
    }
    if (next == candidates.size()) break;
    out[next] = true;
    chosen.push_back(candidates[next].sentence);
    for (size_t i = 0; i < candidates.size(); ++i) {
      overlap[i] = std::max(overlap[i], Overlap(candidates[i].terms, candidates[next].terms));
    }
  }
  Arrange(&chosen);
  return chosen;
}

std::string ExtractiveId(const ExtractiveOptions& options) {
  return Concat("builtin/extractive/1?max_sentences=", options.max_sentences);
}

}  // namespace vouch
