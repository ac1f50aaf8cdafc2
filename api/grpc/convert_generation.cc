#include <utility>

#include "api/grpc/convert.h"

namespace vouch {
namespace {

void FillUsage(const TokenUsage& usage, v1::TokenUsage* message) {
  message->set_prompt_tokens(usage.prompt_tokens);
  message->set_completion_tokens(usage.completion_tokens);
  message->set_estimated(usage.estimated);
}

void FillSentence(AnswerSentence&& sentence, v1::AnswerSentence* message) {
  FillSpan(sentence.answer, message->mutable_answer());
  for (uint32_t source : sentence.sources) message->add_sources(source);
  message->set_support(sentence.support);
  for (std::string& problem : sentence.problems) message->add_problems(std::move(problem));
}

void FillDecision(TierDecision&& decision, v1::TierDecision* message) {
  message->set_tier(std::move(decision.tier));
  message->set_decision(std::move(decision.decision));
  message->set_reason(std::move(decision.reason));
  message->set_grounding(decision.grounding);
  message->set_refused(decision.refused);
  message->set_propensity(decision.propensity);
  message->set_response_model(std::move(decision.response_model));
  message->set_completion(std::move(decision.completion));
  FillUsage(decision.usage, message->mutable_usage());
  message->set_taken(decision.taken);
}

}  // namespace

void FillAttempt(ModelAttempt&& attempt, v1::ModelAttempt* message) {
  message->set_tier(std::move(attempt.tier));
  message->set_model(std::move(attempt.model));
  message->set_endpoint(std::move(attempt.endpoint));
  message->set_outcome(std::move(attempt.outcome));
  message->set_started_us(attempt.started_us);
  message->set_ended_us(attempt.ended_us);
  FillUsage(attempt.usage, message->mutable_usage());
  message->set_cost_nano(attempt.cost_nano);
  message->set_hedge(attempt.hedge);
}

void FillGeneration(Generation&& generation, v1::Generation* message) {
  message->set_route(std::move(generation.route));
  message->set_tier(std::move(generation.tier));
  message->set_endpoint(std::move(generation.endpoint));
  message->set_parameters_json(std::move(generation.parameters));
  message->set_response_model(std::move(generation.response_model));
  message->set_fingerprint(std::move(generation.fingerprint));
  message->set_prompt_id(std::move(generation.prompt_id));
  message->set_prompt_hash(std::move(generation.prompt_hash));
  for (ChatMessage& prompt : generation.prompt) {
    v1::ChatMessage* item = message->add_prompt();
    item->set_role(std::move(prompt.role));
    item->set_content(std::move(prompt.content));
  }
  message->set_completion(std::move(generation.completion));
  message->set_finish_reason(std::move(generation.finish_reason));
  FillUsage(generation.usage, message->mutable_usage());
  message->set_price_table(std::move(generation.price_table));
  message->set_currency(std::move(generation.currency));
  message->set_cost_nano(generation.cost_nano);
  for (ModelAttempt& attempt : generation.attempts) {
    FillAttempt(std::move(attempt), message->add_attempts());
  }
  message->set_grounding(generation.grounding);
  message->set_min_grounding(generation.min_grounding);
  for (AnswerSentence& sentence : generation.sentences) {
    FillSentence(std::move(sentence), message->add_sentences());
  }
  for (TierDecision& decision : generation.decisions)
    FillDecision(std::move(decision), message->add_decisions());
}

}  // namespace vouch
