#include "rag/eval/live_questions.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "rag/answer_texts.h"
#include "rag/same_question.h"
#include "storage/concat.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr int kMaxTries = 8;
constexpr std::string_view kCorrectedTag = "corrected";

bool IsOfPipeline(const Answer& answer, const std::string& pipeline) {
  if (pipeline.empty() || answer.pipeline == pipeline) return true;
  return pipeline.find('@') == std::string::npos && answer.pipeline.starts_with(pipeline + "@");
}

// The question as it stands alone.
std::optional<std::string> StandaloneQuestion(const Answer& answer) {
  if (answer.conversation.empty()) return answer.question;
  for (const Rewrite& rewrite : answer.rewrites)
    if (rewrite.kind == "standalone" && rewrite.texts.size() == 1) return rewrite.texts[0];
  return std::nullopt;
}

void JudgeByCitations(const Answer& answer, DatasetQuestion* question) {
  std::set<std::tuple<std::string, std::string, uint64_t, uint64_t>> passages;
  for (const Citation& citation : answer.citations) {
    if (IsErasedText(citation.quote)) continue;
    const std::string& hash = citation.rendition_hash.empty() ? citation.source_hash : citation.rendition_hash;
    if (hash.empty()) {
      question->documents[citation.document] = 1;
      continue;
    }
    passages.emplace(citation.document, hash, citation.source.begin, citation.source.end);
  }
  for (const auto& [document, hash, begin, end] : passages)
    question->passages.push_back({.document = document, .source_hash = hash, .source = {begin, end}, .level = 1});
}

void AddReferences(const std::vector<std::string>& references, DatasetQuestion* question) {
  if (references.empty()) return;
  question->references = references;
  std::set<std::string> tags(question->tags.begin(), question->tags.end());
  tags.insert(std::string(kCorrectedTag));
  question->tags.assign(tags.begin(), tags.end());
}

// A question that answers gave, and nobody has said yet what is right.
bool TakesReferences(const DatasetQuestion& question) {
  return !question.unanswerable && question.references.empty() &&
         std::find(question.tags.begin(), question.tags.end(), "live") != question.tags.end();
}

bool IsJudged(const DatasetQuestion& question) { return !question.passages.empty() || !question.documents.empty(); }

// What decides whether a question is in the sample: no other question has a say in it.
std::string SampleKey(uint64_t seed, const std::string& canonical) { return Sha256Of(Concat(seed, "\n", canonical)); }

}  // namespace

absl::StatusOr<AnswerFilter> AnswerFilter::Parse(const std::vector<std::string>& terms) {
  AnswerFilter filter;
  for (const std::string& term : terms) {
    const auto value_of = [&](std::string_view name) -> std::optional<std::string> {
      if (!term.starts_with(name) || term.size() == name.size()) return std::nullopt;
      return term.substr(name.size());
    };
    double share = 0;
    if (term == "answered" || term == "abstained") {
      filter.abstained_ = term == "abstained";
    } else if (term == "liked" || term == "disliked") {
      filter.liked_ = term == "liked";
    } else if (const auto text = value_of("grounding<"); text && absl::SimpleAtod(*text, &share) && share > 0 && share <= 1) {
      filter.below_grounding_ = share;
    } else if (auto subject = value_of("subject=")) {
      filter.subject_ = std::move(subject);
    } else if (auto collection = value_of("collection=")) {
      filter.collection_ = std::move(collection);
    } else if (auto tier = value_of("tier=")) {
      filter.tier_ = std::move(tier);
    } else {
      return absl::InvalidArgumentError(
          Concat("filter is '", Escape(term), "'; it takes answered, abstained, liked, disliked, grounding<SHARE (above 0, to 1), "
                 "subject=NAME, collection=NAME or tier=NAME"));
    }
  }
  return filter;
}

bool AnswerFilter::Matches(const Answer& answer, const AnswerOpinion& opinion) const {
  const bool modelled = answer.generation && !answer.generation->tier.empty();
  if (abstained_ && answer.abstained != *abstained_) return false;
  if (liked_ && opinion.liked != liked_) return false;
  if (below_grounding_ && (!modelled || answer.generation->grounding >= *below_grounding_)) return false;
  if (subject_ && answer.subject != *subject_) return false;
  if (collection_ && answer.collection != *collection_) return false;
  return !tier_ || (modelled && answer.generation->tier == *tier_);
}

AnswerOpinion OpinionOf(const std::vector<Feedback>& feedback) {
  AnswerOpinion opinion;
  std::map<std::string, bool> thumbs;  // by actor
  for (const Feedback& one : feedback) {
    if (one.said.thumbs_up) thumbs[one.actor] = *one.said.thumbs_up;
    if (!one.said.correction.empty() && !IsErasedText(one.said.correction)) opinion.correction = one.said.correction;
  }
  int64_t balance = 0;
  for (const auto& [actor, up] : thumbs) balance += up ? 1 : -1;
  if (balance != 0) opinion.liked = balance > 0;
  return opinion;
}

std::optional<DatasetQuestion> QuestionOfAnswer(const Answer& answer, const AnswerOpinion& opinion, LiveQuestions* why) {
  const std::optional<std::string> text = StandaloneQuestion(answer);
  if (!text || IsErasedText(*text)) {
    ++why->follow_ups;
    return std::nullopt;
  }
  // Asterisks of a record with covered places may stand for anything.
  if (answer.redacted > 0 && text->find('*') != std::string::npos) {
    ++why->covered;
    return std::nullopt;
  }
  DatasetQuestion question;
  question.text = *text;
  question.id = "live-" + HexOf(Sha256Of(CanonicalQuestion(*text, /*similar=*/false))).substr(0, 16);
  // What an answer cites that nobody likes is no judgement.
  if (!answer.abstained && opinion.liked != false) JudgeByCitations(answer, &question);
  question.tags = IsJudged(question) ? std::vector<std::string>{"cited", "live"} : std::vector<std::string>{"live", "unjudged"};
  if (!opinion.correction.empty()) AddReferences({opinion.correction}, &question);
  return question;
}

namespace {

class LiveGrower {
 public:
  LiveGrower(Database& database, const LiveQuestionsRequest& request)
      : database_(database),
        request_(request),
        store_(EvaluationRecords::Of(database.store()), request.principal.tenant) {}

  absl::StatusOr<LiveQuestions> Run() {
    if (absl::Status status = Collect(); !status.ok()) return status;
    for (int attempt = 0; attempt < kMaxTries; ++attempt) {
      uint32_t base = 0;
      absl::StatusOr<LiveQuestions> grown = Grow(&base);
      // Another version that came between has questions that this one lacks: they are put together in one more.
      if (!grown.ok() || request_.dry_run || grown->info.version <= base + 1) return grown;
    }
    return absl::AbortedError(
        Concat("dataset ", request_.dataset, ": others changed it ", kMaxTries, " times meanwhile; try again"));
  }

 private:
  // The questions by their canonical spelling.
  absl::Status Collect() {
    const auto answers = AnswersBetween(database_.store(), request_.principal.tenant, request_.range,
                                        LiveQuestionsRequest::kMaxAnswers, request_.cancel);
    if (!answers.ok()) return answers.status();
    for (const KeptAnswer& kept : *answers) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      const absl::StatusOr<Answer> answer = GetAnswer(database_, request_.principal, kept.id);
      if (!answer.ok()) return answer.status();
      // Of a shadow no user saw the answer: the question is that of the answer that he got.
      const bool shadow = answer->experiment && !answer->experiment->shadow_of.empty();
      if (answer->evaluation || shadow || !IsOfPipeline(*answer, request_.pipeline)) continue;
      const auto feedback = FeedbackStore(database_.store(), database_.clock()).List(request_.principal.tenant, kept.id);
      if (!feedback.ok()) return feedback.status();
      const AnswerOpinion opinion = OpinionOf(*feedback);
      if (!request_.filter.Matches(*answer, opinion)) continue;
      ++counts_.answers;
      std::optional<DatasetQuestion> question = QuestionOfAnswer(*answer, opinion, &counts_);
      if (!question) continue;
      const std::string canonical = CanonicalQuestion(question->text, /*similar=*/false);
      const auto [place, fresh] = found_.try_emplace(canonical, *question);
      if (fresh) continue;
      ++counts_.repeated;
      // Later ones are newer. What a person said of an earlier answer stays said of the question.
      const std::vector<std::string> references =
          question->references.empty() ? place->second.references : question->references;
      if (IsJudged(*question) || !IsJudged(place->second)) place->second = *std::move(question);
      AddReferences(references, &place->second);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<LiveQuestions> Grow(uint32_t* base) {
    std::vector<DatasetQuestion> questions;
    std::map<std::string, size_t> known;  // by spelling and id, the place among the questions
    const absl::StatusOr<Dataset> before = store_.Get({.name = request_.dataset});
    if (before.ok()) {
      *base = before->info.version;
      questions = before->questions;
      for (size_t i = 0; i < questions.size(); ++i) {
        known.emplace(CanonicalQuestion(questions[i].text, /*similar=*/false), i);
        known.emplace(questions[i].id, i);
      }
    } else if (!absl::IsNotFound(before.status())) {
      return before.status();
    }
    LiveQuestions grown = counts_;
    std::vector<std::pair<std::string, const DatasetQuestion*>> fresh;
    for (const auto& [canonical, question] : found_) {
      auto there = known.find(canonical);
      if (there == known.end()) there = known.find(question.id);
      if (there == known.end()) {
        fresh.emplace_back(SampleKey(request_.seed, canonical), &question);
        continue;
      }
      ++grown.known;
      if (question.references.empty() || !TakesReferences(questions[there->second])) continue;
      AddReferences(question.references, &questions[there->second]);
      ++grown.corrected;
    }
    std::sort(fresh.begin(), fresh.end());
    if (request_.sample > 0 && fresh.size() > request_.sample) {
      grown.not_sampled = fresh.size() - request_.sample;
      fresh.resize(request_.sample);
    }
    grown.added = fresh.size();
    for (const auto& [key, question] : fresh) {
      questions.push_back(*question);
      grown.corrected += question->references.empty() ? 0 : 1;
    }
    if (questions.empty()) {
      return absl::NotFoundError(
          Concat("no question can be had: ", grown.answers, " answers match, ", grown.covered, " of them have covered places, ",
                 grown.follow_ups, " do not stand alone"));
    }
    absl::StatusOr<DatasetInfo> info =
        store_.Put(request_.dataset, Concat("live answers", request_.pipeline.empty() ? "" : " of ", request_.pipeline),
                   questions, database_.clock().NowMicros(), request_.dry_run);
    if (!info.ok()) return info.status();
    grown.info = *std::move(info);
    return grown;
  }

  Database& database_;
  const LiveQuestionsRequest& request_;
  DatasetStore store_;
  LiveQuestions counts_;
  std::map<std::string, DatasetQuestion> found_;
};

}  // namespace

absl::StatusOr<LiveQuestions> GrowByLiveQuestions(Database& database, const LiveQuestionsRequest& request) {
  return LiveGrower(database, request).Run();
}

}  // namespace vouch
