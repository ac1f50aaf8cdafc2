#include "rag/eval/question_score.h"

#include <algorithm>
#include <cmath>

#include "rag/answer_cost.h"
#include "rag/eval/metrics.h"
#include "rag/eval/paired_test.h"

namespace vouch {
namespace {

// Cut before a character that does not fit.
std::string Shorten(const std::string& text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

bool HasRelevant(const JudgedRetrieval& judged) {
  return std::any_of(judged.levels.begin(), judged.levels.end(),
                     [](const auto& unit) { return unit.second > 0; });
}

void AddRanking(const JudgedRetrieval& judged, uint32_t context, QuestionResult* result) {
  const bool any = HasRelevant(judged);
  MetricValues values;
  if (any) values = Evaluate({{"q", judged.levels}}, {{"q", judged.scores}}, true).all;
  for (const MeasureInfo& measure : EvaluationMeasures()) {
    const auto found = values.find(std::string(measure.name));
    if (found != values.end()) result->metrics[found->first] = found->second;
  }
  if (!any) return;
  std::vector<std::string> relevant;
  for (const auto& [unit, level] : judged.levels) {
    if (level > 0) relevant.push_back(unit);
  }
  const std::vector<std::string> given(
      judged.ranked.begin(),
      judged.ranked.begin() +
          static_cast<int64_t>(std::min<size_t>(context, judged.ranked.size())));
  const ContextScores scores = CompareContext(given, relevant);
  result->metrics["context_precision"] = scores.precision;
  result->metrics["context_recall"] = scores.recall;
  result->metrics["context_ranked_precision"] = scores.ranked_precision;
}

// Of a model's answer the sentences that were checked, of a quoted one its quotes.
std::vector<CitedStatement> StatementsOf(const Answer& answer) {
  std::vector<CitedStatement> statements;
  if (answer.abstained) return statements;
  if (!answer.generation || answer.generation->sentences.empty()) {
    for (const Citation& citation : answer.citations) {
      statements.push_back({citation.verified, {citation.verified}});
    }
    return statements;
  }
  for (const AnswerSentence& sentence : answer.generation->sentences) {
    CitedStatement& statement = statements.emplace_back();
    statement.supported = sentence.problems.empty();
    for (uint32_t source : sentence.sources) {
      const auto citation = std::find_if(
          answer.citations.begin(), answer.citations.end(), [&](const Citation& c) {
            return c.source_number == source && c.answer == sentence.answer;
          });
      statement.citations.push_back(citation != answer.citations.end() && citation->verified);
    }
  }
  return statements;
}

void AddAnswer(const DatasetQuestion& question, const SubjectResult& subject,
               QuestionResult* result) {
  const Answer& answer = *subject.answer;
  result->answer_id = answer.id;
  result->answer = Shorten(subject.kept_text.value_or(answer.text), QuestionResult::kKeptAnswerBytes);
  result->answered = !answer.abstained;
  result->confidence = answer.generation ? answer.generation->grounding
                       : answer.hits.empty() ? 0
                                             : answer.hits.front().score;
  std::map<std::string, double>& metrics = result->metrics;
  metrics["answered"] = answer.abstained ? 0 : 1;
  // SQuAD 2.0: to abstain is right where there is no answer, and to answer is wrong.
  ReferenceScores scores{kNotANumber, kNotANumber, kNotANumber};
  if (question.unanswerable) {
    const double right = answer.abstained ? 1 : 0;
    scores = {right, right, right};
  } else if (answer.abstained) {
    if (!question.references.empty()) scores = {0, 0, 0};
  } else {
    scores = CompareWithReferences(answer.text, question.references);
  }
  metrics["exact_match"] = scores.exact_match;
  metrics["token_f1"] = scores.f1;
  metrics["rouge_l"] = scores.rouge_l;
  const CitationScores citations = ScoreCitations(StatementsOf(answer));
  metrics["citation_precision"] = citations.precision;
  metrics["citation_recall"] = citations.recall;
  metrics["grounding"] = answer.abstained      ? kNotANumber
                         : answer.generation ? answer.generation->grounding
                                               : citations.recall;
  metrics["cost"] = static_cast<double>(CostNanoOf(answer)) / 1e9;
}

}  // namespace

const std::vector<MeasureInfo>& EvaluationMeasures() {
  static const std::vector<MeasureInfo> kMeasures = {
      {"ndcg_cut_10"},
      {"map"},
      {"recip_rank_cut_10"},
      {"recip_rank"},
      {"P_5"},
      {"P_10"},
      {"Rprec"},
      {"recall_10"},
      {"recall_100"},
      {"recall_1000"},
      {"success_1"},
      {"success_5"},
      {"bpref"},
      {"rbp"},
      {"ndcg"},
      {"context_precision"},
      {"context_recall"},
      {"context_ranked_precision"},
      {"exact_match", false, true},
      {"token_f1", false, true},
      {"rouge_l", false, true},
      {"grounding", false, true},
      {"citation_precision", false, true},
      {"citation_recall", false, true},
      {"answered", false, true},
      {"judge_faithfulness", false, true, true},
      {"judge_relevance", false, true, true},
      {"judge_correctness", false, true, true},
      {"latency_ms", true},
      {"cost", true, true},
  };
  return kMeasures;
}

const MeasureInfo* FindMeasure(std::string_view name) {
  for (const MeasureInfo& measure : EvaluationMeasures()) {
    if (measure.name == name) return &measure;
  }
  return nullptr;
}

QuestionResult ScoreQuestion(const DatasetQuestion& question, const SubjectResult& subject,
                             const JudgedRetrieval& judged, uint32_t context) {
  QuestionResult result;
  result.id = question.id;
  result.lost_passages = judged.lost_passages;
  for (const MeasureInfo& measure : EvaluationMeasures()) {
    if (!measure.by_judge && (!measure.of_answers || subject.answer)) {
      result.metrics[std::string(measure.name)] = kNotANumber;
    }
  }
  AddRanking(judged, context, &result);
  if (subject.answer) AddAnswer(question, subject, &result);
  result.metrics["latency_ms"] = static_cast<double>(subject.latency_us) / 1000;
  result.top.assign(judged.ranked.begin(),
                    judged.ranked.begin() + static_cast<int64_t>(std::min(
                                                QuestionResult::kKeptTop, judged.ranked.size())));
  return result;
}

}  // namespace vouch
