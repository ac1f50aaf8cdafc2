#include "rag/generation_json.h"

#include <utility>

namespace vouch {
namespace {

RecordJson UsageToJson(const TokenUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"estimated", usage.estimated}};
}

absl::StatusOr<TokenUsage> ReadUsage(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where));
  TokenUsage usage;
  reader.Take("prompt_tokens", &usage.prompt_tokens);
  reader.Take("completion_tokens", &usage.completion_tokens);
  reader.Take("estimated", &usage.estimated);
  if (!reader.status().ok()) return reader.status();
  return usage;
}

RecordJson SentenceToJson(const AnswerSentence& sentence) {
  return {{"answer", SpanToJson(sentence.answer)},
          {"sources", sentence.sources},
          {"support", sentence.support},
          {"problems", sentence.problems}};
}

absl::StatusOr<uint32_t> ReadSourceNumber(const RecordJson& json, std::string where) {
  if (json.is_number_unsigned() && json.get<uint64_t>() <= UINT32_MAX) return json.get<uint32_t>();
  if (where.ends_with('.')) where.pop_back();
  return absl::DataLossError(
      Concat("the record is damaged: ", where, " is no source's number"));
}

absl::StatusOr<AnswerSentence> ReadSentence(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where));
  AnswerSentence sentence;
  reader.Take("answer", &sentence.answer);
  reader.TakeList("sources", &sentence.sources, ReadSourceNumber);
  reader.Take("support", &sentence.support);
  reader.TakeList("problems", &sentence.problems, ReadRecordText);
  if (!reader.status().ok()) return reader.status();
  return sentence;
}

RecordJson DecisionToJson(const TierDecision& decision) {
  return {{"tier", decision.tier},
          {"decision", decision.decision},
          {"reason", decision.reason},
          {"grounding", decision.grounding},
          {"refused", decision.refused},
          {"propensity", decision.propensity},
          {"response_model", decision.response_model},
          {"completion", decision.completion},
          {"usage", UsageToJson(decision.usage)},
          {"taken", decision.taken}};
}

absl::StatusOr<TierDecision> ReadDecision(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where));
  TierDecision decision;
  reader.Take("tier", &decision.tier);
  reader.Take("decision", &decision.decision);
  reader.Take("reason", &decision.reason);
  reader.Take("grounding", &decision.grounding);
  reader.Take("refused", &decision.refused);
  reader.Take("propensity", &decision.propensity);
  reader.Take("response_model", &decision.response_model);
  reader.Take("completion", &decision.completion);
  reader.TakeObject("usage", &decision.usage, ReadUsage);
  reader.Take("taken", &decision.taken);
  if (!reader.status().ok()) return reader.status();
  return decision;
}

}  // namespace

RecordJson MessageToJson(const ChatMessage& message) {
  return {{"role", message.role}, {"content", message.content}};
}

absl::StatusOr<ChatMessage> ReadChatMessage(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where));
  ChatMessage message;
  reader.Take("role", &message.role);
  reader.Take("content", &message.content);
  if (!reader.status().ok()) return reader.status();
  return message;
}

RecordJson AttemptToJson(const ModelAttempt& attempt) {
  RecordJson json = {{"tier", attempt.tier},
          {"model", attempt.model},
          {"endpoint", attempt.endpoint},
          {"outcome", attempt.outcome},
          {"started_us", attempt.started_us},
          {"ended_us", attempt.ended_us},
          {"usage", UsageToJson(attempt.usage)},
          {"cost_nano", attempt.cost_nano}};
  if (attempt.hedge) json["hedge"] = true;
  return json;
}

absl::StatusOr<ModelAttempt> ReadAttempt(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where));
  ModelAttempt attempt;
  reader.Take("tier", &attempt.tier);
  reader.Take("model", &attempt.model);
  reader.Take("endpoint", &attempt.endpoint);
  reader.Take("outcome", &attempt.outcome);
  reader.Take("started_us", &attempt.started_us);
  reader.Take("ended_us", &attempt.ended_us);
  reader.TakeObject("usage", &attempt.usage, ReadUsage);
  reader.Take("cost_nano", &attempt.cost_nano);
  if (reader.Has("hedge")) reader.Take("hedge", &attempt.hedge);
  if (!reader.status().ok()) return reader.status();
  return attempt;
}

RecordJson GenerationToJson(const Generation& generation) {
  RecordJson json = {{"route", generation.route},
                     {"tier", generation.tier},
                     {"endpoint", generation.endpoint},
                     {"parameters", generation.parameters},
                     {"response_model", generation.response_model},
                     {"fingerprint", generation.fingerprint},
                     {"max_prompt_tokens", generation.max_prompt_tokens},
                     {"prompt_id", generation.prompt_id},
                     {"prompt_hash", generation.prompt_hash},
                     {"prompt", RecordJson::array()},
                     {"completion", generation.completion},
                     {"finish_reason", generation.finish_reason},
                     {"usage", UsageToJson(generation.usage)},
                     {"price_table", generation.price_table},
                     {"currency", generation.currency},
                     {"cost_nano", generation.cost_nano},
                     {"attempts", RecordJson::array()},
                     {"grounding", generation.grounding},
                     {"min_grounding", generation.min_grounding},
                     {"sentences", RecordJson::array()}};
  for (const ChatMessage& message : generation.prompt) {
    json["prompt"].push_back({{"role", message.role}, {"content", message.content}});
  }
  for (const ModelAttempt& attempt : generation.attempts) {
    json["attempts"].push_back(AttemptToJson(attempt));
  }
  for (const AnswerSentence& sentence : generation.sentences) {
    json["sentences"].push_back(SentenceToJson(sentence));
  }
  if (!generation.decisions.empty()) json["decisions"] = RecordJson::array();
  for (const TierDecision& decision : generation.decisions)
    json["decisions"].push_back(DecisionToJson(decision));
  return json;
}

absl::StatusOr<Generation> ReadGeneration(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where));
  Generation generation;
  reader.Take("route", &generation.route);
  reader.Take("tier", &generation.tier);
  reader.Take("endpoint", &generation.endpoint);
  reader.Take("parameters", &generation.parameters);
  reader.Take("response_model", &generation.response_model);
  reader.Take("fingerprint", &generation.fingerprint);
  reader.Take("max_prompt_tokens", &generation.max_prompt_tokens);
  reader.Take("prompt_id", &generation.prompt_id);
  reader.Take("prompt_hash", &generation.prompt_hash);
  reader.TakeList("prompt", &generation.prompt, ReadChatMessage);
  reader.Take("completion", &generation.completion);
  reader.Take("finish_reason", &generation.finish_reason);
  reader.TakeObject("usage", &generation.usage, ReadUsage);
  reader.Take("price_table", &generation.price_table);
  reader.Take("currency", &generation.currency);
  reader.Take("cost_nano", &generation.cost_nano);
  reader.TakeList("attempts", &generation.attempts, ReadAttempt);
  reader.Take("grounding", &generation.grounding);
  reader.Take("min_grounding", &generation.min_grounding);
  reader.TakeList("sentences", &generation.sentences, ReadSentence);
  if (reader.Has("decisions")) reader.TakeList("decisions", &generation.decisions, ReadDecision);
  if (!reader.status().ok()) return reader.status();
  return generation;
}

}  // namespace vouch
