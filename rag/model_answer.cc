#include "rag/model_answer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rag/answer_cache.h"
#include "rag/assemble.h"
#include "rag/cite.h"
#include "rag/grounding.h"
#include "rag/http/http_error.h"
#include "rag/passage.h"
#include "rag/pipeline.h"
#include "rag/prompt.h"
#include "rag/rewrite.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kNamedDocuments = 5;
constexpr size_t kMaxQuestionBytes = 200;

std::string NameOf(const Passage& passage) {
  if (passage.heading.empty()) {
    return passage.title.empty() ? passage.provenance.document : passage.title;
  }
  return passage.title.empty() ? passage.heading : Concat(passage.title, " > ", passage.heading);
}

std::string GeneratorId(const RouteSpec& spec, const ModelTier& tier, const std::string& prompt) {
  return Concat("openai/", tier.endpoint.model, "?route=", spec.name, "&tier=", tier.name,
                "&prompt=", prompt);
}

// At most `max_bytes` of it, cut between characters.
std::string Shortened(std::string text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// What an answer says that is withdrawn: what was looked for, and where.
std::string WithdrawnText(std::string_view why, const std::string& question,
                          const std::vector<Passage>& passages) {
  std::vector<std::string> documents;
  for (const Passage& passage : passages) {
    const std::string& document = passage.provenance.document;
    if (std::find(documents.begin(), documents.end(), document) == documents.end()) {
      documents.push_back(document);
    }
  }
  std::string text =
      Concat(why, " Looked for \"", Shortened(CollapseSpace(question), kMaxQuestionBytes), "\" in ",
             passages.size(), passages.size() == 1 ? " passage" : " passages", " of ");
  for (size_t i = 0; i < documents.size() && i < kNamedDocuments; ++i) {
    text += Concat(i == 0 ? "" : ", ", documents[i]);
  }
  if (documents.size() > kNamedDocuments) {
    text += Concat(" and ", documents.size() - kNamedDocuments, " more documents");
  }
  return text + ".";
}

AssembleStep AssembleOf(const AskRequest& request) {
  return request.pipeline == nullptr ? AssembleStep() : request.pipeline->spec.assemble;
}

class ModelAnswer {
 public:
  ModelAnswer(Collection& collection, const AskRequest& request, std::vector<Passage> passages,
              Answer* answer)
      : collection_(collection),
        request_(request),
        answer_(*answer),
        passages_(AssemblePassages(std::move(passages), AssembleOf(request))) {}

  absl::StatusOr<bool> Run(ModelRoute& route, const AnswerReader& read, std::string* cache_key) {
    Generation& generation = answer_.generation.emplace();
    generation.route = route.spec().name;
    generation.price_table = route.spec().prices.version;
    generation.currency = route.spec().prices.currency;
    generation.min_grounding = request_.min_grounding;
    generation.max_prompt_tokens = route.spec().max_prompt_tokens;
    if (const uint32_t tokens = AssembleOf(request_).max_prompt_tokens; tokens != 0)
      generation.max_prompt_tokens = tokens;
    const absl::StatusOr<size_t> sources = MakePrompt(&generation);
    if (!sources.ok()) {
      generation.attempts.push_back(
          {.outcome = Concat("skipped: ", ToStd(sources.status().message()))});
      return false;
    }
    const std::string key = UsesCache() ? CacheKey(*sources, generation) : "";
    if (!key.empty() && TakeFromCache(key, read, *sources, &generation)) return Told();
    const absl::StatusOr<bool> asked = AskModels(route, *sources, &generation);
    if (!asked.ok() || !*asked) return asked;
    if (generation.finish_reason == "stop" && !answer_.abstained) *cache_key = key;
    return Told();
  }

  absl::Status Redo(const Generation& recorded) {
    Generation& generation = answer_.generation.emplace(recorded);
    generation.grounding = 0;
    generation.sentences.clear();
    const absl::StatusOr<size_t> sources = MakePrompt(&generation);
    // A prompt that could not be made then cannot be made now; no model was asked.
    if (!sources.ok() || recorded.tier.empty()) return absl::OkStatus();
    const absl::StatusOr<Assessment> assessed = Assess(generation.completion, *sources);
    if (!assessed.ok()) return assessed.status();
    for (TierDecision& decision : generation.decisions) {
      const absl::StatusOr<Assessment> again =
          decision.taken ? assessed : Assess(decision.completion, *sources);
      if (!again.ok()) return again.status();
      decision.grounding = again->grounding.score;
      decision.refused = again->refused;
    }
    Conclude(*assessed, &generation);
    return absl::OkStatus();
  }

 private:
  // How many of the passages are in it.
  absl::StatusOr<size_t> MakePrompt(Generation* generation) {
    std::vector<PromptSource> sources;
    for (const Passage& passage : passages_) {
      sources.push_back({.name = NameOf(passage), .text = passage.text});
      answer_.sources.push_back(SourceOf(passage, static_cast<uint32_t>(sources.size())));
    }
    const std::string& question = EffectiveQuestion(answer_);
    const bool own = request_.pipeline != nullptr && !request_.pipeline->spec.prompt.empty();
    absl::StatusOr<Prompt> prompt =
        own ? BuildPrompt(request_.pipeline->spec.prompt, question,
                          ConversationText(answer_.conversation), sources,
                          generation->max_prompt_tokens)
            : BuildPrompt(question, sources, generation->max_prompt_tokens);
    if (!prompt.ok()) return prompt.status();
    generation->prompt_id = own ? Concat("pipeline/", answer_.pipeline) : std::string(kPromptId);
    generation->prompt_hash = PromptHash(prompt->messages);
    generation->prompt = std::move(prompt->messages);
    return prompt->sources;
  }

  // What a completion is worth.
  struct Assessment {
    bool refused = false;
    Grounding grounding = {};
  };
  // A whole completion.
  struct Candidate {
    RouteOutcome outcome = {};
    Assessment assessment = {};
    size_t decision = 0;  // its place in Generation::decisions, where there are any
  };

  bool UsesCache() const {
    return request_.cache != nullptr && request_.pipeline != nullptr &&
           request_.pipeline->spec.cache.enabled;
  }

  std::string CacheKey(size_t prompt_sources, const Generation& generation) const {
    std::vector<Passage> given = passages_;
    given.resize(prompt_sources);
    return AnswerCacheKey(request_, answer_, generation, given);
  }

  // Only a proposal: its completion is checked like a new one, and where that comes out otherwise
  // than the record says, models are asked.
  bool TakeFromCache(const std::string& key, const AnswerReader& read, size_t prompt_sources,
                     Generation* generation) {
    CacheUse& use = answer_.cache.emplace();
    const std::optional<std::string> id =
        request_.cache->Find(key, request_.pipeline->spec.cache.max_age_seconds);
    if (!id) return false;
    const absl::StatusOr<Answer> before = read(*id);
    if (before.ok() && before->generation && !before->abstained) {
      const Generation& then = *before->generation;
      const absl::StatusOr<Assessment> assessed = Assess(then.completion, prompt_sources);
      if (assessed.ok() && Stands(*assessed) && assessed->grounding.score == then.grounding) {
        generation->tier = then.tier;
        generation->endpoint = then.endpoint;
        generation->parameters = then.parameters;
        generation->response_model = then.response_model;
        generation->fingerprint = then.fingerprint;
        generation->completion = then.completion;
        generation->finish_reason = then.finish_reason;
        answer_.generator = before->generator;
        use.answer_id = before->id;
        buffered_ = true;
        Conclude(*assessed, generation);
        return true;
      }
    }
    request_.cache->Drop(key, *id);
    return false;
  }

  bool Holds() const { return request_.pipeline != nullptr && request_.pipeline->spec.guard.hold; }
  bool Stands(const Assessment& assessment) const {
    return !assessment.refused && !assessment.grounding.sentences.empty() &&
           assessment.grounding.score >= request_.min_grounding;
  }

  absl::Status Stream(std::string_view piece) {
    if (absl::Status status = TellSources(); !status.ok()) return status;
    streamed_ = true;
    return request_.listener->OnText(piece);
  }
  absl::Status TellSources() {
    if (std::exchange(told_sources_, true)) return absl::OkStatus();
    return request_.listener->OnSources(answer_.sources);
  }
  absl::StatusOr<bool> Told() {
    if (absl::Status status = Tell(); !status.ok()) return status;
    return true;
  }
  // What has not streamed: a checked answer whole, or, of one that streamed, what it rests on.
  absl::Status Tell() {
    if (request_.listener == nullptr) return absl::OkStatus();
    if (absl::Status status = TellSources(); !status.ok()) return status;
    if (buffered_ && !streamed_) {
      if (absl::Status status = request_.listener->OnText(answer_.text); !status.ok()) return status;
    }
    return request_.listener->OnCitations(answer_.citations);
  }

  // The cascade: tiers from the first one on, until one's completion is taken. False: none gave one.
  absl::StatusOr<bool> AskModels(ModelRoute& route, size_t prompt_sources, Generation* generation) {
    const std::optional<EscalationRules>& rules = route.spec().escalate;
    const size_t tiers = route.spec().tiers.size();
    RouteCall call{.tenant = answer_.tenant};
    if (request_.pipeline != nullptr) call.pipeline = request_.pipeline->spec.name;
    std::optional<Candidate> best;
    for (uint32_t escalations = 0;; ++escalations) {
      const bool may_escalate =
          rules && escalations < rules->most && call.first_tier + 1 < tiers;
      Candidate next{.outcome = Generate(route, call, may_escalate || (best && Stands(best->assessment)),
                                         generation)};
      const RouteOutcome& outcome = next.outcome;
      if (!outcome.status.ok()) {
        if (outcome.delivered) return outcome.status;
        if (absl::Status ended = request_.cancel.Check(); !ended.ok()) return ended;
        if (!best && outcome.unpaid && request_.needs_models) return outcome.status;
        break;
      }
      absl::StatusOr<Assessment> assessment = Assess(outcome.reply.text, prompt_sources);
      if (!assessment.ok()) return assessment.status();
      next.assessment = *std::move(assessment);
      bool escalate = false;
      if (rules) {
        escalate = Decide(*rules, route.spec().tiers[outcome.tier],
                          may_escalate && outcome.tier + 1 < tiers, escalations, &next, generation);
      }
      call.first_tier = outcome.tier + 1;
      if (best && Stands(best->assessment) &&
          (next.assessment.refused ||
           next.assessment.grounding.score < best->assessment.grounding.score)) {
        if (!escalate) generation->decisions[next.decision].decision = "outdone";
      } else {
        best = std::move(next);
      }
      if (!escalate) break;
    }
    if (!best) return false;
    Take(route.spec(), &*best, generation);
    return true;
  }

  // Asks from a tier on. `buffered`: nothing may stream, since another completion may yet be taken.
  RouteOutcome Generate(ModelRoute& route, const RouteCall& call, bool buffered,
                        Generation* generation) {
    TextSink sink;
    if (request_.listener != nullptr && !buffered && !Holds())
      sink = [this](std::string_view piece) { return Stream(piece); };
    buffered_ = buffered_ || buffered || Holds();
    RouteOutcome outcome = route.Generate(generation->prompt, call, request_.cancel, sink);
    generation->cost_nano = AddNano(generation->cost_nano, outcome.cost_nano);
    for (ModelAttempt& attempt : outcome.attempts)
      generation->attempts.push_back(std::move(attempt));
    return outcome;
  }

  // Whether the next tier is asked, and puts that down.
  bool Decide(const EscalationRules& rules, const ModelTier& tier, bool may_escalate,
              uint32_t escalations, Candidate* candidate, Generation* generation) const {
    const Assessment& assessment = candidate->assessment;
    candidate->decision = generation->decisions.size();
    TierDecision& decision = generation->decisions.emplace_back();
    decision.tier = tier.name;
    decision.grounding = assessment.grounding.score;
    decision.refused = assessment.refused;
    decision.response_model = candidate->outcome.reply.model;
    decision.completion = candidate->outcome.reply.text;
    decision.usage = candidate->outcome.usage;
    bool escalate = false;
    if (assessment.refused) {
      escalate = rules.on_refusal;
      decision.reason = "the model found no answer";
    } else if (assessment.grounding.score < rules.below_grounding) {
      escalate = true;
      decision.reason = Concat("its grounding is below ", rules.below_grounding);
    }
    escalate = escalate && may_escalate;
    if (!escalate && may_escalate && rules.explore > 0) {
      escalate = Chance(escalations) < rules.explore;
      decision.propensity = escalate ? rules.explore : 1 - rules.explore;
      if (escalate) decision.reason = "explored";
    }
    decision.decision = escalate ? "escalate" : "answer";
    return escalate;
  }

  // In [0, 1), by the answer's id alone.
  double Chance(uint32_t number) const {
    const std::string hash = ContentHash(Concat(answer_.id, "/", number));
    uint64_t bits = 0;
    for (size_t i = 0; i < 13 && i < hash.size(); ++i)
      bits = bits * 16 + static_cast<uint64_t>(hash[i] <= '9' ? hash[i] - '0' : hash[i] - 'a' + 10);
    return static_cast<double>(bits) / static_cast<double>(uint64_t{1} << 52);
  }

  void Take(const RouteSpec& spec, Candidate* candidate, Generation* generation) {
    RouteOutcome& outcome = candidate->outcome;
    const ModelTier& tier = spec.tiers[outcome.tier];
    generation->tier = tier.name;
    generation->endpoint = UrlWithoutSecrets(tier.endpoint.base_url);
    generation->parameters = EncodeChatParameters(tier.endpoint.model, tier.parameters);
    generation->response_model = std::move(outcome.reply.model);
    generation->fingerprint = std::move(outcome.reply.fingerprint);
    generation->completion = std::move(outcome.reply.text);
    generation->finish_reason = std::move(outcome.reply.finish_reason);
    generation->usage = outcome.usage;
    if (!generation->decisions.empty()) {
      generation->decisions[candidate->decision].completion.clear();
      generation->decisions[candidate->decision].taken = true;
    }
    answer_.generator = GeneratorId(spec, tier, generation->prompt_id);
    Conclude(candidate->assessment, generation);
  }

  absl::StatusOr<Assessment> Assess(const std::string& completion, size_t prompt_sources) const {
    Assessment assessment;
    if (completion.empty() || SaysItDoesNotKnow(completion)) {
      assessment.refused = true;
      return assessment;
    }
    const std::string language = LanguageOf(collection_.schema());
    const absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer = Analyzer::Create(language);
    if (!analyzer.ok()) return analyzer.status();
    std::vector<std::string> contexts;  // views of them go into `sources`
    std::vector<GroundingSource> sources;
    contexts.reserve(prompt_sources);
    for (size_t i = 0; i < prompt_sources; ++i) {
      contexts.push_back(NameOf(passages_[i]));
      sources.push_back({.text = passages_[i].text, .context = contexts.back()});
    }
    assessment.grounding = CheckGrounding(completion, sources, **analyzer,
                                          /*capitals_are_names=*/language != "german");
    return assessment;
  }

  void Conclude(const Assessment& assessment, Generation* generation) {
    if (assessment.refused) return Withdraw("The model found no answer in the sources.");
    generation->grounding = assessment.grounding.score;
    Keep(assessment.grounding, generation);
    answer_.text = generation->completion;
    if (!Stands(assessment)) Withdraw("The sources do not support what the model answered.");
  }

  void Keep(const Grounding& grounding, Generation* generation) {
    KeptSources kept(collection_);
    for (const GroundedSentence& sentence : grounding.sentences) {
      AnswerSentence& record = generation->sentences.emplace_back();
      record.answer = sentence.answer;
      record.support = sentence.support;
      record.problems = sentence.problems;
      for (const CitedSpan& span : sentence.cited) {
        record.sources.push_back(span.source);
        Citation citation = CitationOf(passages_[span.source - 1], span.text, span.source, &kept);
        citation.answer = sentence.answer;
        answer_.citations.push_back(std::move(citation));
      }
    }
  }

  void Withdraw(std::string_view why) {
    answer_.abstained = true;
    answer_.citations.clear();
    answer_.text = WithdrawnText(why, EffectiveQuestion(answer_), passages_);
  }

  Collection& collection_;
  const AskRequest& request_;
  Answer& answer_;
  const std::vector<Passage> passages_;
  bool told_sources_ = false;
  bool streamed_ = false;  // some text has reached the listener
  bool buffered_ = false;  // of some completion no text streams before it is checked
};

}  // namespace

std::string LanguageOf(const CollectionSchema& schema) {
  return schema.text.empty() ? TextField().language : schema.text.front().language;
}

absl::StatusOr<bool> AnswerByModel(Collection& collection, const AskRequest& request,
                                   const AnswerReader& read, Answer* answer,
                                   std::string* cache_key) {
  absl::StatusOr<std::vector<Passage>> passages = ReadPassages(collection, *answer, request.principal);
  if (!passages.ok()) return passages.status();
  return ModelAnswer(collection, request, *std::move(passages), answer)
      .Run(*request.route, read, cache_key);
}

absl::Status RedoModelAnswer(Collection& collection, const AskRequest& request,
                             const Generation& recorded, Answer* answer) {
  absl::StatusOr<std::vector<Passage>> passages = ReadPassages(collection, *answer, request.principal);
  if (!passages.ok()) return passages.status();
  return ModelAnswer(collection, request, *std::move(passages), answer).Redo(recorded);
}

}  // namespace vouch
