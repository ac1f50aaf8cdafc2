#include "rag/eval/answer_metrics.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "rag/eval/paired_test.h"

namespace vouch {
namespace {

// Calls visit(code point) for each character; a byte that is no UTF-8 is U+FFFD.
template <typename Visit>
void ForEachCharacter(std::string_view text, Visit visit) {
  const auto size = static_cast<int32_t>(std::min(text.size(), size_t{INT32_MAX}));
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (int32_t at = 0; at < size;) {
    UChar32 character = 0;
    U8_NEXT_OR_FFFD(bytes, at, size, character);
    visit(character);
  }
}

void Append(UChar32 character, std::string* text) {
  char bytes[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, character);
  text->append(bytes, static_cast<size_t>(length));
}

bool IsPunctuation(UChar32 character) {
  // Python's string.punctuation, as SQuAD's script has it.
  return character < 128 && character > 32 && character != 127 && !u_isalnum(character);
}

std::vector<std::string> NormalizedWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto close = [&] {
    if (!word.empty() && word != "a" && word != "an" && word != "the") words.push_back(word);
    word.clear();
  };
  ForEachCharacter(text, [&](UChar32 character) {
    if (u_isUWhiteSpace(character)) {
      close();
    } else if (!IsPunctuation(character)) {
      Append(u_tolower(character), &word);
    }
  });
  close();
  return words;
}

std::vector<std::string> RougeWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto close = [&] {
    if (!word.empty() && words.size() < kMaxRougeTokens) words.push_back(word);
    word.clear();
  };
  ForEachCharacter(text, [&](UChar32 character) {
    if (u_isalnum(character)) {
      Append(u_tolower(character), &word);
    } else {
      close();
    }
  });
  close();
  return words;
}

double F1Of(size_t common, size_t one, size_t other) {
  if (one == 0 || other == 0) return one == other ? 1 : 0;
  if (common == 0) return 0;
  const double precision = static_cast<double>(common) / static_cast<double>(one);
  const double recall = static_cast<double>(common) / static_cast<double>(other);
  return 2 * precision * recall / (precision + recall);
}

size_t LongestCommonSubsequence(const std::vector<std::string>& a,
                                const std::vector<std::string>& b) {
  // Words as numbers, so that the inner loop compares no texts.
  std::map<std::string_view, int> numbers;
  const auto number = [&](const std::vector<std::string>& words) {
    std::vector<int> ids;
    for (const std::string& word : words) {
      ids.push_back(numbers.emplace(word, static_cast<int>(numbers.size())).first->second);
    }
    return ids;
  };
  const std::vector<int> left = number(a);
  const std::vector<int> right = number(b);
  std::vector<size_t> row(right.size() + 1, 0);
  for (int word : left) {
    size_t diagonal = 0;
    for (size_t j = 1; j < row.size(); ++j) {
      const size_t above = row[j];
      row[j] = word == right[j - 1] ? diagonal + 1 : std::max(row[j], row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

double Share(size_t part, size_t whole) {
  return whole == 0 ? kNotANumber : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string NormalizeAnswer(std::string_view text) {
  std::string normalized;
  for (const std::string& word : NormalizedWords(text)) {
    if (!normalized.empty()) normalized += ' ';
    normalized += word;
  }
  return normalized;
}

double ExactMatch(std::string_view answer, std::string_view reference) {
  return NormalizedWords(answer) == NormalizedWords(reference) ? 1 : 0;
}

double TokenF1(std::string_view answer, std::string_view reference) {
  const std::vector<std::string> words = NormalizedWords(answer);
  const std::vector<std::string> expected = NormalizedWords(reference);
  std::map<std::string_view, int> counts;
  for (const std::string& word : expected) ++counts[word];
  size_t common = 0;
  for (const std::string& word : words) {
    const auto found = counts.find(word);
    if (found == counts.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  return F1Of(common, words.size(), expected.size());
}

double RougeL(std::string_view answer, std::string_view reference) {
  const std::vector<std::string> words = RougeWords(answer);
  const std::vector<std::string> expected = RougeWords(reference);
  return F1Of(LongestCommonSubsequence(words, expected), words.size(), expected.size());
}

ReferenceScores CompareWithReferences(std::string_view answer,
                                      const std::vector<std::string>& references) {
  if (references.empty()) return {kNotANumber, kNotANumber, kNotANumber};
  ReferenceScores best;
  for (const std::string& reference : references) {
    best.exact_match = std::max(best.exact_match, ExactMatch(answer, reference));
    best.f1 = std::max(best.f1, TokenF1(answer, reference));
    best.rouge_l = std::max(best.rouge_l, RougeL(answer, reference));
  }
  return best;
}

ContextScores CompareContext(const std::vector<std::string>& retrieved,
                             const std::vector<std::string>& relevant) {
  const std::set<std::string_view> wanted(relevant.begin(), relevant.end());
  std::set<std::string_view> seen;
  size_t hits = 0;
  double precision_sum = 0;
  for (const std::string& id : retrieved) {
    if (!seen.insert(id).second || !wanted.contains(id)) continue;
    ++hits;
    precision_sum += Share(hits, seen.size());
  }
  return {.precision = Share(hits, seen.size()),
          .recall = Share(hits, wanted.size()),
          .ranked_precision =
              seen.empty() ? kNotANumber : precision_sum / (static_cast<double>(hits) + 1e-10)};
}

CitationScores ScoreCitations(const std::vector<CitedStatement>& statements) {
  size_t supported = 0;
  size_t citations = 0;
  size_t precise = 0;
  for (const CitedStatement& statement : statements) {
    supported += statement.supported ? 1 : 0;
    citations += statement.citations.size();
    for (bool supports : statement.citations) precise += statement.supported && supports ? 1 : 0;
  }
  return {.precision = Share(precise, citations), .recall = Share(supported, statements.size())};
}

std::vector<RiskPoint> RiskCoverage(const std::vector<Attempt>& attempts) {
  std::vector<std::pair<double, bool>> answered;  // confidence, wrong
  for (const Attempt& attempt : attempts) {
    if (!attempt.answered) continue;
    const double confidence = std::isnan(attempt.confidence)
                                  ? -std::numeric_limits<double>::infinity()
                                  : attempt.confidence;
    answered.emplace_back(confidence, !attempt.correct);
  }
  std::stable_sort(answered.begin(), answered.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<RiskPoint> curve;
  double wrong = 0;
  for (size_t i = 0; i < answered.size();) {
    // Within equals no order is known: each place has their mean.
    size_t end = i;
    size_t group_wrong = 0;
    while (end < answered.size() && answered[end].first == answered[i].first) {
      group_wrong += answered[end++].second ? 1 : 0;
    }
    const double rate = static_cast<double>(group_wrong) / static_cast<double>(end - i);
    for (; i < end; ++i) {
      wrong += rate;
      curve.push_back({Share(i + 1, attempts.size()), wrong / static_cast<double>(i + 1)});
    }
  }
  return curve;
}

AbstentionScores ScoreAbstention(const std::vector<Attempt>& attempts) {
  size_t answered = 0, wrong = 0, unanswerable = 0, rightly = 0;
  for (const Attempt& attempt : attempts) {
    answered += attempt.answered ? 1 : 0;
    wrong += attempt.answered && !attempt.correct ? 1 : 0;
    unanswerable += attempt.answerable ? 0 : 1;
    rightly += !attempt.answerable && !attempt.answered ? 1 : 0;
  }
  const std::vector<RiskPoint> curve = RiskCoverage(attempts);
  double area = 0;
  for (const RiskPoint& point : curve) area += point.risk;
  return {.coverage = Share(answered, attempts.size()),
          .risk = Share(wrong, answered),
          .abstain_precision = Share(rightly, attempts.size() - answered),
          .abstain_recall = Share(rightly, unanswerable),
          .aurc = curve.empty() ? kNotANumber : area / static_cast<double>(curve.size())};
}

}  // namespace vouch
