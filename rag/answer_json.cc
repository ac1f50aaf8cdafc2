// The kept form of an answer.
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "rag/answer.h"
#include "rag/generation_json.h"
#include "rag/json_writer.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Json = RecordJson;
using Reader = RecordReader;

// 1: without `context_chunks` and `generation`. Early records of 2 have no `normalized`, `weight` and
// `query_weight`. 3: with `pipeline`, `pipeline_hash`, `conversation` and `rewrites`; without any of
// them a record has format 2. `candidates` came later, and early records are read without.
constexpr int kFormat = 3;
constexpr int kFormatWithoutPipeline = 2;

bool HasPipeline(const Answer& answer) {
  return !answer.pipeline.empty() || !answer.conversation.empty();
}

Json ToJson(const Citation& citation);
Json ToJson(const AnswerSource& source);
Json ToJson(const Rewrite& rewrite);

Json ToJson(const PointId& id) { return id.is_number() ? Json(id.number()) : Json(id.ToString()); }
Json ToJson(const ByteSpan& span) { return SpanToJson(span); }

template <typename T>
Json ListToJson(const std::vector<T>& items) {
  Json list = Json::array();
  for (const T& item : items) list.push_back(ToJson(item));
  return list;
}

// Nearly all of a record, and nearly all numbers.
void WriteScore(const NodeScore& score, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("node", score.node);
  writer.Field("rank", uint64_t{score.rank});
  writer.Field("score", score.score);
  writer.Field("normalized", score.normalized);
  writer.Field("weight", score.weight);
  writer.Field("contribution", score.contribution);
  writer.Key("terms");
  writer.BeginArray();
  for (const TermContribution& term : score.terms) {
    writer.BeginObject();
    writer.Field("term", term.term);
    writer.Field("frequency", uint64_t{term.frequency});
    writer.Field("document_frequency", uint64_t{term.document_frequency});
    writer.Field("query_weight", term.query_weight);
    writer.Field("idf", term.idf);
    writer.Field("score", term.score);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
}

void WriteHit(const PointHit& hit, JsonWriter& writer) {
  writer.BeginObject();
  writer.Key("id");
  if (hit.id.is_number()) {
    writer.Value(hit.id.number());
  } else {
    writer.Value(hit.id.ToString());
  }
  writer.Field("row", hit.row.value);
  writer.Field("score", hit.score);
  writer.Field("payload", hit.payload);
  writer.Field("provenance", hit.provenance);
  writer.Key("explanation");
  writer.BeginArray();
  for (const NodeScore& score : hit.explanation) WriteScore(score, writer);
  writer.EndArray();
  writer.EndObject();
}

// The fields of an object, as those of a text that already has some.
void AppendFields(const Json& fields, std::string& record) {
  const std::string text = fields.dump(-1, ' ', false, Json::error_handler_t::replace);
  record += ',';
  record.append(text, 1, text.size() - 2);
}

Json ToJson(const Citation& citation) {
  Json json = {{"answer", ToJson(citation.answer)},
          {"source_number", citation.source_number},
          {"point", ToJson(citation.point)},
          {"row", citation.row.value},
          {"document", citation.document},
          {"uri", citation.uri},
          {"source_hash", citation.source_hash},
          {"source", ToJson(citation.source)},
          {"quote", citation.quote},
          {"verified", citation.verified}};
  if (!citation.rendition_hash.empty()) json["rendition_hash"] = citation.rendition_hash;
  if (citation.page > 0) json["page"] = citation.page;
  return json;
}

Json ToJson(const AnswerSource& source) {
  Json json = {{"number", source.number}, {"point", ToJson(source.point)},
          {"row", source.row.value}, {"document", source.document},
          {"title", source.title},   {"heading", source.heading},
          {"score", source.score},   {"source", ToJson(source.source)}};
  if (source.page > 0) json["page"] = source.page;
  return json;
}

absl::StatusOr<TermContribution> ReadTerm(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  TermContribution term;
  reader.Take("term", &term.term);
  reader.Take("frequency", &term.frequency);
  reader.Take("document_frequency", &term.document_frequency);
  if (reader.Has("query_weight")) reader.Take("query_weight", &term.query_weight);
  reader.Take("idf", &term.idf);
  reader.Take("score", &term.score);
  if (!reader.status().ok()) return reader.status();
  return term;
}

absl::StatusOr<NodeScore> ReadNodeScore(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  NodeScore score;
  reader.Take("node", &score.node);
  reader.Take("rank", &score.rank);
  reader.Take("score", &score.score);
  if (reader.Has("normalized")) reader.Take("normalized", &score.normalized);
  if (reader.Has("weight")) reader.Take("weight", &score.weight);
  reader.Take("contribution", &score.contribution);
  reader.TakeList("terms", &score.terms, ReadTerm);
  if (!reader.status().ok()) return reader.status();
  return score;
}

absl::StatusOr<PointHit> ReadHit(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  PointHit hit;
  reader.Take("id", &hit.id);
  reader.Take("row", &hit.row);
  reader.Take("score", &hit.score);
  reader.Take("payload", &hit.payload);
  reader.Take("provenance", &hit.provenance);
  reader.TakeList("explanation", &hit.explanation, ReadNodeScore);
  if (!reader.status().ok()) return reader.status();
  return hit;
}

absl::StatusOr<Citation> ReadCitation(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  Citation citation;
  reader.Take("answer", &citation.answer);
  reader.Take("source_number", &citation.source_number);
  reader.Take("point", &citation.point);
  reader.Take("row", &citation.row);
  reader.Take("document", &citation.document);
  reader.Take("uri", &citation.uri);
  reader.Take("source_hash", &citation.source_hash);
  reader.Take("source", &citation.source);
  reader.Take("quote", &citation.quote);
  reader.Take("verified", &citation.verified);
  if (reader.Has("rendition_hash")) reader.Take("rendition_hash", &citation.rendition_hash);
  if (reader.Has("page")) reader.Take("page", &citation.page);
  if (!reader.status().ok()) return reader.status();
  return citation;
}

absl::StatusOr<AnswerSource> ReadSource(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  AnswerSource source;
  reader.Take("number", &source.number);
  reader.Take("point", &source.point);
  reader.Take("row", &source.row);
  reader.Take("document", &source.document);
  reader.Take("title", &source.title);
  reader.Take("heading", &source.heading);
  reader.Take("score", &source.score);
  reader.Take("source", &source.source);
  if (reader.Has("page")) reader.Take("page", &source.page);
  if (!reader.status().ok()) return reader.status();
  return source;
}

Json ToJson(const Rewrite& rewrite) {
  Json attempts = Json::array();
  for (const ModelAttempt& attempt : rewrite.attempts) attempts.push_back(AttemptToJson(attempt));
  return {{"kind", rewrite.kind},
          {"texts", rewrite.texts},
          {"completion", rewrite.completion},
          {"attempts", std::move(attempts)}};
}

absl::StatusOr<Rewrite> ReadRewrite(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  Rewrite rewrite;
  reader.Take("kind", &rewrite.kind);
  reader.TakeList("texts", &rewrite.texts, ReadRecordText);
  reader.Take("completion", &rewrite.completion);
  reader.TakeList("attempts", &rewrite.attempts, ReadAttempt);
  if (!reader.status().ok()) return reader.status();
  return rewrite;
}

absl::StatusOr<CacheUse> ReadCacheUse(const Json& json, std::string where) {
  Reader reader(json, std::move(where));
  CacheUse use;
  reader.Take("answer_id", &use.answer_id);
  if (!reader.status().ok()) return reader.status();
  return use;
}

Json ToJson(const ExperimentArm& arm) {
  Json json = {{"name", arm.experiment},
               {"run", arm.run},
               {"step", arm.step},
               {"mode", arm.mode},
               {"arm", arm.challenger ? "challenger" : "champion"},
               {"propensity", arm.propensity},
               {"salt", arm.salt},
               {"caller", arm.caller},
               {"asked", arm.asked}};
  if (!arm.shadow_of.empty()) json["shadow_of"] = arm.shadow_of;
  if (!arm.against.empty()) {
    json["against"] = arm.against;
    json["against_filter"] = arm.against_filter;
    json["teams"] = arm.teams;
  }
  return json;
}

absl::StatusOr<ExperimentArm> ReadExperimentArm(const Json& json, std::string where) {
  Reader reader(json, where);
  ExperimentArm arm;
  std::string name;
  reader.Take("name", &arm.experiment);
  reader.Take("run", &arm.run);
  reader.Take("step", &arm.step);
  reader.Take("mode", &arm.mode);
  reader.Take("arm", &name);
  reader.Take("propensity", &arm.propensity);
  reader.Take("salt", &arm.salt);
  reader.Take("caller", &arm.caller);
  reader.Take("asked", &arm.asked);
  if (reader.Has("shadow_of")) reader.Take("shadow_of", &arm.shadow_of);
  if (reader.Has("against")) {
    reader.Take("against", &arm.against);
    reader.Take("against_filter", &arm.against_filter);
    reader.Take("teams", &arm.teams);
  }
  if (!reader.status().ok()) return reader.status();
  if (name != "champion" && name != "challenger") {
    return absl::DataLossError(
        Concat("the answer record is damaged: ", where, "arm is '", Escape(name), "'"));
  }
  arm.challenger = name == "challenger";
  return arm;
}

void AddPipeline(const Answer& answer, Json* json) {
  Json conversation = Json::array();
  for (const ChatMessage& turn : answer.conversation) conversation.push_back(MessageToJson(turn));
  (*json)["pipeline"] = answer.pipeline;
  (*json)["pipeline_hash"] = answer.pipeline_hash;
  (*json)["conversation"] = std::move(conversation);
  (*json)["rewrites"] = ListToJson(answer.rewrites);
}

void TakePipeline(Reader* reader, Answer* answer) {
  reader->Take("pipeline", &answer->pipeline);
  reader->Take("pipeline_hash", &answer->pipeline_hash);
  reader->TakeList("conversation", &answer->conversation, ReadChatMessage);
  reader->TakeList("rewrites", &answer->rewrites, ReadRewrite);
}

// Rows ascend: each list is its first row and then what is added to come to the next.
Json CandidatesToJson(const std::vector<std::vector<RowId>>& lists) {
  Json json = Json::array();
  for (const std::vector<RowId>& rows : lists) {
    Json list = Json::array();
    uint64_t before = 0;
    for (RowId row : rows) list.push_back(row.value - std::exchange(before, row.value));
    json.push_back(std::move(list));
  }
  return json;
}

absl::StatusOr<std::vector<RowId>> ReadCandidates(const Json& json, std::string where) {
  if (where.ends_with('.')) where.pop_back();
  const absl::Status damaged =
      absl::DataLossError(Concat("the answer record is damaged: ", where, " is no list of ascending rows"));
  if (!json.is_array()) return damaged;
  std::vector<RowId> rows;
  for (const Json& step : json) {
    if (!step.is_number_unsigned()) return damaged;
    const uint64_t before = rows.empty() ? 0 : rows.back().value;
    const uint64_t row = before + step.get<uint64_t>();
    if (row < before || (row == before && !rows.empty())) return damaged;
    rows.emplace_back(row);
  }
  return rows;
}

void TakeTrace(Reader* reader, Answer* answer) {
  std::string text;
  reader->Take("trace_id", &text);
  (void)answer->trace.SetTrace(text);  // what is none is as if it were not there
}

}  // namespace

std::string TraceIdOf(const Answer& answer) {
  return answer.trace.trace == SpanContext().trace ? "" : answer.trace.trace_text();
}

std::string AnswerToJson(const Answer& answer) {
  const Json head = {{"format", HasPipeline(answer) ? kFormat : kFormatWithoutPipeline},
                     {"id", answer.id},
                     {"time_us", answer.time_us},
                     {"tenant", answer.tenant},
                     {"subject", answer.subject},
                     {"collection", answer.collection},
                     {"version", answer.version.value},
                     {"question", answer.question},
                     {"mode", answer.mode},
                     {"filter", answer.filter},
                     {"context_chunks", answer.context_chunks},
                     {"embedder", answer.embedder},
                     {"generator", answer.generator},
                     {"build_ids", answer.build_ids},
                     {"engine", answer.engine},
                     {"text", answer.text},
                     {"abstained", answer.abstained},
                     {"citations", ListToJson(answer.citations)},
                     {"sources", ListToJson(answer.sources)},
                     {"generation", answer.generation ? GenerationToJson(*answer.generation) : Json()}};
  Json tail = {{"retrieve_us", answer.retrieve_us}, {"generate_us", answer.generate_us}};
  if (HasPipeline(answer)) AddPipeline(answer, &tail);
  if (const std::string trace = TraceIdOf(answer); !trace.empty()) tail["trace_id"] = trace;
  if (!answer.candidates.empty()) tail["candidates"] = CandidatesToJson(answer.candidates);
  if (answer.redacted != 0) tail["redacted"] = answer.redacted;
  if (answer.cache) tail["cache"] = {{"answer_id", answer.cache->answer_id}};
  if (answer.evaluation) tail["evaluation"] = true;
  if (answer.experiment) tail["experiment"] = ToJson(*answer.experiment);
  std::string record = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  record.pop_back();
  record += ",\"hits\":";
  JsonWriter writer(record);
  writer.BeginArray();
  for (const PointHit& hit : answer.hits) WriteHit(hit, writer);
  writer.EndArray();
  AppendFields(tail, record);
  record += '}';
  return record;
}

absl::StatusOr<Answer> AnswerFromJson(std::string_view text) {
  const Json json = ParseRecordJson(text);
  if (!json.is_object())
    return absl::DataLossError("the answer record is damaged: it is no JSON object");
  Reader reader(json, "");
  int64_t format = 0;
  reader.Take("format", &format);
  if (reader.status().ok() && format > kFormat) {
    return absl::FailedPreconditionError(
        Concat("the answer record has format ", format, "; this program reads up to ", kFormat));
  }
  Answer answer;
  reader.Take("id", &answer.id);
  reader.Take("time_us", &answer.time_us);
  reader.Take("tenant", &answer.tenant);
  reader.Take("subject", &answer.subject);
  reader.Take("collection", &answer.collection);
  reader.Take("version", &answer.version);
  reader.Take("question", &answer.question);
  reader.Take("mode", &answer.mode);
  reader.Take("filter", &answer.filter);
  if (format > 1) reader.Take("context_chunks", &answer.context_chunks);
  reader.Take("embedder", &answer.embedder);
  reader.Take("generator", &answer.generator);
  reader.TakeList("build_ids", &answer.build_ids, ReadRecordText);
  reader.Take("engine", &answer.engine);
  reader.Take("text", &answer.text);
  reader.Take("abstained", &answer.abstained);
  reader.TakeList("citations", &answer.citations, ReadCitation);
  reader.TakeList("sources", &answer.sources, ReadSource);
  if (format > 1 && reader.Has("generation")) {
    reader.TakeObject("generation", &answer.generation.emplace(), ReadGeneration);
  }
  reader.TakeList("hits", &answer.hits, ReadHit);
  reader.Take("retrieve_us", &answer.retrieve_us);
  reader.Take("generate_us", &answer.generate_us);
  if (format > kFormatWithoutPipeline) TakePipeline(&reader, &answer);
  if (reader.Has("trace_id")) TakeTrace(&reader, &answer);
  if (reader.Has("candidates")) reader.TakeList("candidates", &answer.candidates, ReadCandidates);
  if (reader.Has("redacted")) reader.Take("redacted", &answer.redacted);
  if (reader.Has("cache")) reader.TakeObject("cache", &answer.cache.emplace(), ReadCacheUse);
  if (reader.Has("evaluation")) reader.Take("evaluation", &answer.evaluation);
  if (reader.Has("experiment")) {
    reader.TakeObject("experiment", &answer.experiment.emplace(), ReadExperimentArm);
  }
  if (!reader.status().ok()) return reader.status();
  return answer;
}

}  // namespace vouch
