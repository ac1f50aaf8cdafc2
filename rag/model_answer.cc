#include "rag/model_answer.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

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
  ModelAnswer(Collection& collection, const AskRequest& request, Answer* answer)
      : collection_(collection),
        request_(request),
        answer_(*answer),
        passages_(AssemblePassages(ReadPassages(answer->hits), AssembleOf(request))) {}

  absl::StatusOr<bool> Run(ModelRoute& route) {
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
    const absl::StatusOr<bool> asked = AskModels(route, &generation);
    if (!asked.ok() || !*asked) return asked;
    if (absl::Status status = CheckCompletion(*sources, &generation); !status.ok()) return status;
    if (request_.listener == nullptr) return true;
    if (request_.pipeline != nullptr && request_.pipeline->spec.guard.hold) {
      if (absl::Status status = request_.listener->OnText(answer_.text); !status.ok()) return status;
    }
    if (absl::Status status = request_.listener->OnCitations(answer_.citations); !status.ok())
      return status;
    return true;
  }

  absl::Status Redo(const Generation& recorded) {
    Generation& generation = answer_.generation.emplace(recorded);
    generation.grounding = 0;
    generation.sentences.clear();
    const absl::StatusOr<size_t> sources = MakePrompt(&generation);
    // A prompt that could not be made then cannot be made now; no model was asked.
    if (!sources.ok() || recorded.tier.empty()) return absl::OkStatus();
    return CheckCompletion(*sources, &generation);
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

  absl::StatusOr<bool> AskModels(ModelRoute& route, Generation* generation) {
    TextSink sink;
    bool begun = false;
    const bool hold = request_.pipeline != nullptr && request_.pipeline->spec.guard.hold;
    if (request_.listener != nullptr && !hold) {
      sink = [&](std::string_view piece) -> absl::Status {
        if (!std::exchange(begun, true)) {
          if (absl::Status status = request_.listener->OnSources(answer_.sources); !status.ok())
            return status;
        }
        return request_.listener->OnText(piece);
      };
    }
    RouteOutcome outcome =
        route.Generate(generation->prompt, answer_.tenant, request_.cancel, sink);
    generation->attempts = std::move(outcome.attempts);
    generation->cost_nano = outcome.cost_nano;
    if (!outcome.status.ok()) {
      if (outcome.delivered) return outcome.status;
      if (absl::Status ended = request_.cancel.Check(); !ended.ok()) return ended;
      return false;
    }
    const ModelTier& tier = route.spec().tiers[outcome.tier];
    generation->tier = tier.name;
    generation->endpoint = UrlWithoutSecrets(tier.endpoint.base_url);
    generation->parameters = EncodeChatParameters(tier.endpoint.model, tier.parameters);
    generation->response_model = std::move(outcome.reply.model);
    generation->fingerprint = std::move(outcome.reply.fingerprint);
    generation->completion = std::move(outcome.reply.text);
    generation->finish_reason = std::move(outcome.reply.finish_reason);
    generation->usage = outcome.usage;
    answer_.generator = GeneratorId(route.spec(), tier, generation->prompt_id);
    // A refusal has no text, and so no event yet.
    if (!begun && request_.listener != nullptr) {
      if (absl::Status status = request_.listener->OnSources(answer_.sources); !status.ok())
        return status;
    }
    return true;
  }

  absl::Status CheckCompletion(size_t prompt_sources, Generation* generation) {
    if (generation->completion.empty() || SaysItDoesNotKnow(generation->completion)) {
      Withdraw("The model found no answer in the sources.");
      return absl::OkStatus();
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
    const Grounding grounding = CheckGrounding(generation->completion, sources, **analyzer,
                                               /*capitals_are_names=*/language != "german");
    generation->grounding = grounding.score;
    Keep(grounding, generation);
    answer_.text = generation->completion;
    if (grounding.score < request_.min_grounding || grounding.sentences.empty()) {
      Withdraw("The sources do not support what the model answered.");
    }
    return absl::OkStatus();
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
};

}  // namespace

std::string LanguageOf(const CollectionSchema& schema) {
  return schema.text.empty() ? TextField().language : schema.text.front().language;
}

absl::StatusOr<bool> AnswerByModel(Collection& collection, const AskRequest& request,
                                   Answer* answer) {
  return ModelAnswer(collection, request, answer).Run(*request.route);
}

absl::Status RedoModelAnswer(Collection& collection, const AskRequest& request,
                             const Generation& recorded, Answer* answer) {
  return ModelAnswer(collection, request, answer).Redo(recorded);
}

}  // namespace vouch
