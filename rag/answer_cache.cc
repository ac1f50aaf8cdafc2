#include "rag/answer_cache.h"

#include "rag/llm/route_override.h"
#include "rag/pipeline.h"
#include "rag/record_reader.h"
#include "rag/rewrite.h"
#include "rag/same_question.h"
#include "storage/store.h"

namespace vouch {

std::optional<std::string> AnswerCache::Find(const std::string& key, uint32_t max_age_seconds) {
  const std::lock_guard<std::mutex> lock(mu_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  const auto entry = found->second;
  const int64_t age_us = clock_.NowMicros() - entry->put_us;
  if (max_age_seconds != 0 && age_us > int64_t{max_age_seconds} * 1'000'000) {
    entries_.erase(entry);
    by_key_.erase(found);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->answer_id;
}

void AnswerCache::Put(const std::string& key, const std::string& answer_id) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.erase(found->second);
    by_key_.erase(found);
  }
  entries_.push_front({.key = key, .answer_id = answer_id, .put_us = clock_.NowMicros()});
  by_key_[key] = entries_.begin();
  if (entries_.size() <= max_entries_) return;
  by_key_.erase(entries_.back().key);
  entries_.pop_back();
}

void AnswerCache::Drop(const std::string& key, const std::string& answer_id) {
  const std::lock_guard<std::mutex> lock(mu_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->answer_id != answer_id) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

size_t AnswerCache::size() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return entries_.size();
}

std::string AnswerCacheKey(const AskRequest& request, const Answer& answer, const Generation& prompt,
                           const std::vector<Passage>& passages) {
  const RouteSpec& route = request.route->spec();
  RecordJson models = RecordJson::array();
  for (const ModelTier& tier : route.tiers) {
    models.push_back({tier.name, tier.endpoint.base_url,
                      EncodeChatParameters(tier.endpoint.model, tier.parameters)});
  }
  RecordJson sources = RecordJson::array();
  for (const Passage& passage : passages) {
    sources.push_back({passage.hit->row.value, passage.title, passage.heading,
                       passage.provenance.document, passage.provenance.source_hash, passage.text});
  }
  const RecordJson key = {
      {"tenant", answer.tenant},
      {"collection", answer.collection},
      {"pipeline", answer.pipeline_hash},
      {"prompt", prompt.prompt_id},
      {"max_prompt_tokens", prompt.max_prompt_tokens},
      {"min_grounding", request.min_grounding},
      {"models", std::move(models)},
      {"route", RouteToJson(route)},  // when it escalates, among others
      {"conversation", ConversationText(answer.conversation)},
      {"question",
       CanonicalQuestion(EffectiveQuestion(answer), request.pipeline->spec.cache.similar)},
      {"sources", std::move(sources)}};
  return ContentHash(key.dump(-1, ' ', false, RecordJson::error_handler_t::replace));
}

}  // namespace vouch
