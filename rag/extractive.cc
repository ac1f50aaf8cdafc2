#include "rag/extractive.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "rag/quotable.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr double kContextShare = 0.25;
constexpr double kPairShare = 0.2;
// Under a heading that speaks of the question, sentences speak of it more.
constexpr double kHeadingShare = 0.15;
// What a sentence starts with it is about.
constexpr double kFirstShare = 0.25;
// What a term in the rest of the chunk counts as evidence that the chunk speaks of the question.
constexpr double kChunkShare = 0.4;
// A list's stub answers nothing by itself; a long sentence says much that was not asked.
constexpr size_t kFewTerms = 3;
constexpr double kFewTermsFactor = 0.8;
constexpr size_t kManyTerms = 16;
constexpr double kQuestionFactor = 0.7;
// A paragraph that goes without a stop (rag/quotable.h).
constexpr double kNoStopFactor = 0.6;
// What starts in lower case or in brackets may be the rest of something; what starts as `Leans`
// says, or points elsewhere on its page, needs what stands around it.
constexpr double kLeaningFactor = 0.85;
// Code and figures between words.
constexpr double kFewLettersFactor = 0.8;
constexpr double kFewLetters = 0.85;
// Words that ask and help to ask; they say nothing of what is asked.
constexpr std::string_view kAskingWords =
    "what which who whom whose when where why how do does did done doing can could should would "
    "may might must shall i you "
    "we me my mine our us your he she his her him has have had having am were been being about any "
    "some there please tell "
    "explain describe show give mean means happen happens";

struct Candidate {
  ExtractedSentence sentence;
  std::set<std::string> terms;
  double evidence =
      0;  // share of the question's weight in the sentence, its headings and its chunk
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

double Idf(double points, double found) {
  return std::log(1.0 + (points - found + 0.5) / (found + 0.5));
}

Question ReadQuestion(std::string_view text, const std::vector<std::set<std::string>>& chunk_terms,
                      const std::map<std::string, double>& idf, const Analyzer& analyzer,
                      const ExtractiveOptions& options) {
  std::set<std::string> asking;
  if (analyzer.id().starts_with("english/")) asking = TermsOf(analyzer.Tokenize(kAskingWords));
  Question question;
  const double chunks = static_cast<double>(chunk_terms.size());
  // A term that nothing has is as rare as can be where the others' weights come from.
  const double rarest =
      Idf(idf.empty() ? chunks : std::max<double>(static_cast<double>(options.points), chunks), 0);
  std::string last;
  for (const Token& token : analyzer.Tokenize(text)) {
    const std::string& term = token.term;
    if (asking.contains(term)) {
      last.clear();
      continue;
    }
    if (!last.empty()) question.pairs.emplace(last, term);
    last = term;
    if (const auto known = idf.find(term); known != idf.end()) {
      question.weights[term] = known->second;
      continue;
    }
    double found = 0;
    for (const std::set<std::string>& terms : chunk_terms) found += terms.contains(term) ? 1 : 0;
    question.weights[term] = found > 0 ? Idf(chunks, found) : rarest;
  }
  for (const auto& [term, weight] : question.weights) question.total += weight;
  return question;
}

// What of the question must be there at least, so that quoting is better than silence. No sentence
// holds all of a long one.
double NeededEvidence(const Question& question) {
  constexpr size_t kShort = 2;
  constexpr size_t kLong = 8;
  if (question.weights.size() <= kShort) return 0.51;
  return question.weights.size() <= kLong ? 0.34 : 0.25;
}

// Sets score and evidence; both are 0 where the sentence holds no term of the question.
void Weigh(const Question& question, const std::vector<Token>& tokens,
           const std::set<std::string>& context, const std::set<std::string>& chunk,
           Candidate* candidate) {
  double own = 0;
  double around = 0;
  double nearby = 0;
  double headed = 0;
  for (const auto& [term, weight] : question.weights) {
    if (context.contains(term)) headed += weight;
    if (candidate->terms.contains(term)) {
      own += weight;
    } else if (context.contains(term)) {
      around += weight;
    } else if (chunk.contains(term)) {
      nearby += weight;
    }
  }
  if (own <= 0) return;
  double pairs = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (question.pairs.contains({tokens[i - 1].term, tokens[i].term})) pairs += 1;
  }
  const double all_pairs = std::max<double>(1.0, static_cast<double>(question.pairs.size()));
  const auto first = std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) {
    return question.weights.contains(token.term);
  });
  candidate->sentence.score =
      ((own + kContextShare * around + kHeadingShare * headed) / question.total +
       kPairShare * std::min(1.0, pairs / all_pairs)) *
      (1.0 + kFirstShare / static_cast<double>(1 + (first - tokens.begin())));
  candidate->evidence = (own + around + kChunkShare * nearby) / question.total;
}

// Whether the sentence says something only with the one before it.
bool Leans(std::string_view sentence) {
  for (const std::string_view word :
       {"It", "They", "This", "These", "Those", "That", "Such", "However", "Therefore", "Thus",
        "Hence", "Otherwise", "Also", "But", "And", "So", "Then"}) {
    if (sentence.starts_with(word) && sentence.size() > word.size() &&
        (sentence[word.size()] == ' ' || sentence[word.size()] == ',')) {
      return true;
    }
  }
  return false;
}

// Whether it speaks of a place on its page.
bool Points(std::string_view sentence) {
  for (const std::string_view words :
       {" following", " below", " above", " just described", "See also"}) {
    if (sentence.find(words) != std::string_view::npos) return true;
  }
  return false;
}

// How well the sentence reads by itself.
double FormFactor(std::string_view sentence, size_t terms) {
  double factor = 1;
  if (terms <= kFewTerms) factor *= kFewTermsFactor;
  if (terms > kManyTerms)
    factor /= 1.0 + static_cast<double>(terms - kManyTerms) / (3.0 * kManyTerms);
  if (!IsWholeSentence(sentence)) factor *= kNoStopFactor;
  if (sentence.ends_with('?')) factor *= kQuestionFactor;
  if (absl::ascii_islower(sentence.front()) || sentence.front() == '(') factor *= kLeaningFactor;
  if (Leans(sentence)) factor *= kLeaningFactor;
  if (Points(sentence)) factor *= kLeaningFactor;
  if (ShareOfLetters(sentence) < kFewLetters) factor *= kFewLettersFactor;
  return factor;
}

// 1 where one says nothing that the other does not.
double Overlap(const std::set<std::string>& a, const std::set<std::string>& b,
               const ExtractiveOptions& options) {
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  const double common = static_cast<double>(both.size());
  const double all = static_cast<double>(a.size() + b.size()) - common;
  const double fewer = static_cast<double>(std::min(a.size(), b.size()));
  if (all == 0 || common >= options.near_contained * fewer) return 1;
  return common / all;
}

std::vector<Candidate> ScoreSentences(std::string_view question_text,
                                      const std::vector<ExtractiveChunk>& chunks,
                                      const std::map<std::string, double>& idf,
                                      const Analyzer& analyzer, const ExtractiveOptions& options) {
  std::vector<std::set<std::string>> chunk_terms;
  for (const ExtractiveChunk& chunk : chunks)
    chunk_terms.push_back(TermsOf(analyzer.Tokenize(chunk.text)));
  const Question question = ReadQuestion(question_text, chunk_terms, idf, analyzer, options);
  std::vector<Candidate> candidates;
  if (question.total <= 0) return candidates;
  double evidence = 0;
  for (size_t c = 0; c < chunks.size(); ++c) {
    const std::string_view text = chunks[c].text;
    const std::set<std::string> context = TermsOf(analyzer.Tokenize(chunks[c].context));
    size_t place = 0;
    for (const ByteSpan& span : QuotableSentences(text, chunks[c].blocks)) {
      const std::string_view sentence = text.substr(span.begin, span.end - span.begin);
      // A title that is repeated in the text says what follows, not what is so.
      if (chunks[c].context.find(sentence) != std::string::npos) continue;
      const std::vector<Token> tokens = analyzer.Tokenize(sentence);
      Candidate candidate{.sentence = {.chunk = c, .text = span, .score = 0},
                          .terms = TermsOf(tokens),
                          .evidence = 0};
      Weigh(question, tokens, context, chunk_terms[c], &candidate);
      evidence = std::max(evidence, candidate.evidence);
      double& score = candidate.sentence.score;
      score *= FormFactor(sentence, candidate.terms.size()) *
               (1.0 + 0.1 / static_cast<double>(1 + place));
      score /= 1.0 + 0.05 * static_cast<double>(c);
      if (score > 0) candidates.push_back(std::move(candidate));
      ++place;
    }
  }
  if (evidence < NeededEvidence(question)) candidates.clear();
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
  std::vector<Candidate> candidates = ScoreSentences(question, chunks, idf, analyzer, options);
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
      overlap[i] =
          std::max(overlap[i], Overlap(candidates[i].terms, candidates[next].terms, options));
    }
  }
  Arrange(&chosen);
  return chosen;
}

std::string ExtractiveId(const ExtractiveOptions& options) {
  return Concat("builtin/extractive/2?max_sentences=", options.max_sentences);
}

}  // namespace vouch
