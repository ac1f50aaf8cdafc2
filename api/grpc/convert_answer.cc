#include <utility>

#include "api/grpc/convert.h"

namespace vouch {
namespace {

void FillExperiment(ExperimentArm&& arm, v1::AnswerExperiment* message) {
  message->set_name(std::move(arm.experiment));
  message->set_run(arm.run);
  message->set_step(arm.step);
  message->set_mode(std::move(arm.mode));
  message->set_arm(arm.challenger ? "challenger" : "champion");
  message->set_propensity(arm.propensity);
  message->set_salt(std::move(arm.salt));
  message->set_caller(std::move(arm.caller));
  message->set_asked(std::move(arm.asked));
  message->set_shadow_of(std::move(arm.shadow_of));
  message->set_against(std::move(arm.against));
  message->set_teams(std::move(arm.teams));
}

}  // namespace

void FillSpan(const ByteSpan& span, v1::Span* message) {
  message->set_begin(span.begin);
  message->set_end(span.end);
}

void FillCitation(Citation&& citation, v1::Citation* message) {
  FillSpan(citation.answer, message->mutable_answer());
  message->set_source_number(citation.source_number);
  FillPointId(citation.point, message->mutable_point());
  message->set_row(citation.row.value);
  message->set_document(std::move(citation.document));
  message->set_uri(std::move(citation.uri));
  message->set_source_hash(std::move(citation.source_hash));
  FillSpan(citation.source, message->mutable_source());
  message->set_quote(std::move(citation.quote));
  message->set_verified(citation.verified);
  message->set_rendition_hash(std::move(citation.rendition_hash));
  message->set_page(citation.page);
}

void FillSource(AnswerSource&& source, v1::AnswerSource* message) {
  message->set_number(source.number);
  FillPointId(source.point, message->mutable_point());
  message->set_row(source.row.value);
  message->set_document(std::move(source.document));
  message->set_title(std::move(source.title));
  message->set_heading(std::move(source.heading));
  message->set_score(source.score);
  FillSpan(source.source, message->mutable_source());
  message->set_page(source.page);
}

void FillAnswer(Answer&& answer, v1::Answer* message) {
  message->set_id(std::move(answer.id));
  message->set_time_us(answer.time_us);
  message->set_tenant(std::move(answer.tenant));
  message->set_subject(std::move(answer.subject));
  message->set_collection(std::move(answer.collection));
  message->set_version(answer.version.value);
  message->set_question(std::move(answer.question));
  message->set_mode(std::move(answer.mode));
  message->set_filter_json(std::move(answer.filter));
  message->set_embedder(std::move(answer.embedder));
  message->set_generator(std::move(answer.generator));
  for (std::string& id : answer.build_ids) message->add_build_ids(std::move(id));
  message->set_engine(std::move(answer.engine));
  for (PointHit& hit : answer.hits) FillHit(std::move(hit), message->add_hits());
  message->set_text(std::move(answer.text));
  message->set_abstained(answer.abstained);
  for (Citation& citation : answer.citations)
    FillCitation(std::move(citation), message->add_citations());
  for (AnswerSource& source : answer.sources) FillSource(std::move(source), message->add_sources());
  message->set_retrieve_us(answer.retrieve_us);
  message->set_generate_us(answer.generate_us);
  if (answer.generation) {
    FillGeneration(*std::move(answer.generation), message->mutable_generation());
  }
  message->set_pipeline(std::move(answer.pipeline));
  message->set_pipeline_hash(std::move(answer.pipeline_hash));
  for (ChatMessage& turn : answer.conversation) {
    v1::ChatMessage* added = message->add_conversation();
    added->set_role(std::move(turn.role));
    added->set_content(std::move(turn.content));
  }
  if (answer.experiment) FillExperiment(*std::move(answer.experiment), message->mutable_experiment());
  if (answer.cache) message->mutable_cache()->set_answer_id(std::move(answer.cache->answer_id));
  for (Rewrite& rewrite : answer.rewrites) {
    v1::Rewrite* added = message->add_rewrites();
    added->set_kind(std::move(rewrite.kind));
    for (std::string& text : rewrite.texts) added->add_texts(std::move(text));
    added->set_completion(std::move(rewrite.completion));
    for (ModelAttempt& attempt : rewrite.attempts)
      FillAttempt(std::move(attempt), added->add_attempts());
  }
  message->set_trace_id(TraceIdOf(answer));
  message->set_redacted(answer.redacted);
}

}  // namespace vouch
