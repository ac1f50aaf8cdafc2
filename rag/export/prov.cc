#include "rag/export/prov.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/time/time.h"
#include "rag/forget/forget.h"
#include "rag/passage.h"
#include "rag/record_reader.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr size_t kMostEvaluations = 1'000'000;

std::string TimeText(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

// A local name: what may not stand in one (PROV-N, PN_LOCAL) as %XX.
std::string LocalName(const std::string& text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/@";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string name;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      name += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      name += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return name;
}

std::string NameOf(const std::string& type, const std::string& id) { return Concat("vouch:", type, "/", LocalName(id)); }

// "Answer" of "answer", "SourceFile" of "source-file".
std::string TypeName(const std::string& type) {
  std::string name = "vouch:";
  bool upper = true;
  for (const char c : type) {
    if (c == '-') {
      upper = true;
      continue;
    }
    name += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return name;
}

}  // namespace

std::string ProvDocument::Element(const char* kind, const std::string& name, RecordJson attributes) {
  const auto [place, fresh] = elements_[kind].try_emplace(name, RecordJson::object());
  RecordJson& element = place->second;
  if (fresh) bytes_ += name.size();
  // What is known only later is added, whichever came first.
  for (const auto& [key, value] : attributes.items()) {
    if (element.contains(key)) continue;
    element[key] = value;
    bytes_ += key.size() + (value.is_string() ? value.get_ref<const std::string&>().size() : 1);
  }
  return name;
}

std::string ProvDocument::Entity(const std::string& type, const std::string& id, RecordJson attributes) {
  attributes["prov:type"] = {{"$", TypeName(type)}, {"type", "xsd:QName"}};
  return Element("entity", NameOf(type, id), std::move(attributes));
}

std::string ProvDocument::Activity(const std::string& type, const std::string& id, int64_t begin_us, int64_t end_us) {
  RecordJson attributes = {{"prov:type", {{"$", TypeName(type)}, {"type", "xsd:QName"}}}};
  if (begin_us > 0) attributes["prov:startTime"] = TimeText(begin_us);
  if (end_us > 0) attributes["prov:endTime"] = TimeText(end_us);
  return Element("activity", NameOf(type, id), std::move(attributes));
}

std::string ProvDocument::Agent(const std::string& type, const std::string& id, const char* prov_type) {
  return Element("agent", NameOf(type, id), {{"prov:type", {{"$", prov_type}, {"type", "xsd:QName"}}}});
}

void ProvDocument::Relate(const char* relation, std::map<std::string, std::string> parts, RecordJson attributes) {
  RecordJson json = RecordJson::object();
  for (const auto& [key, value] : parts) json[key] = value;
  for (const auto& [key, value] : attributes.items()) json[key] = value;
  std::string key = json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
  const size_t bytes = key.size();
  if (relations_[relation].try_emplace(std::move(key), std::move(json)).second) bytes_ += bytes;
}

std::string ProvDocument::Source(const std::string& collection, const Provenance& from) {
  const std::string document = Entity("document", collection + "/" + from.document, {{"prov:label", from.uri}});
  const std::string source = Entity("source", collection + "/" + from.document + "@" + from.source_hash,
                                    {{"vouch:contentHash", "xxh3:" + from.source_hash}});
  Relate("specializationOf", {{"prov:specificEntity", source}, {"prov:generalEntity", document}});
  return source;
}

void ProvDocument::NoteUse(const std::string& source, const std::string& document, Version at) {
  for (const std::string& name : {source, document}) used_at_[name] = std::max(used_at_[name], at);
}

// What made a chunk of its source; one for all chunks of it.
std::string ProvDocument::Ingestion(const std::string& collection, const Provenance& from) {
  const std::string key = Concat(collection, "\n", from.document, "\n", from.source_hash, "\n", from.parser, "\n",
                                 from.chunker, "\n", from.embedder);
  const std::string activity = Activity("ingestion", HexOf(Sha256Of(key)).substr(0, 32), 0, 0);
  Use(activity, Source(collection, from));
  Use(activity, Entity("parser", from.parser));
  Use(activity, Entity("chunker", from.chunker));
  if (!from.embedder.empty()) Use(activity, Entity("embedder", from.embedder));
  return activity;
}

void ProvDocument::Chunk(const Answer& answer, const PointHit& hit, const std::string& context) {
  const Passage passage = ReadPassage(hit);
  const std::string chunk = Entity("chunk", Concat(answer.collection, "/", hit.id.ToString(), "@", hit.row.value),
                                   {{"vouch:row", hit.row.value}});
  Relate("hadMember", {{"prov:collection", context}, {"prov:entity", chunk}});
  if (passage.ingested) {
    const std::string ingestion = Ingestion(answer.collection, passage.provenance);
    Relate("wasGeneratedBy", {{"prov:entity", chunk}, {"prov:activity", ingestion}});
    const std::string source = Source(answer.collection, passage.provenance);
    NoteUse(source, NameOf("document", answer.collection + "/" + passage.provenance.document), answer.version);
    Relate("wasDerivedFrom", {{"prov:generatedEntity", chunk}, {"prov:usedEntity", source}});
  }
  for (const Citation& citation : answer.citations) {
    if (citation.row != hit.row) continue;
    Relate("wasDerivedFrom", {{"prov:generatedEntity", NameOf("answer", answer.id)}, {"prov:usedEntity", chunk}},
           {{"prov:type", {{"$", "prov:Quotation"}, {"type", "xsd:QName"}}}});
  }
}

void ProvDocument::Generate(const Answer& answer, const std::string& made, const std::string& context,
                            const std::string& retrieval) {
  const int64_t begin_us = answer.time_us + answer.retrieve_us;
  const std::string generation = Activity("generation", answer.id, begin_us, begin_us + answer.generate_us);
  const std::string program = Agent("program", answer.engine, "prov:SoftwareAgent");
  const std::string subject = Agent("subject", answer.tenant + "/" + answer.subject, "prov:Agent");
  Relate("wasGeneratedBy", {{"prov:entity", made}, {"prov:activity", generation}});
  Relate("wasInformedBy", {{"prov:informed", generation}, {"prov:informant", retrieval}});
  Relate("wasAttributedTo", {{"prov:entity", made}, {"prov:agent", program}});
  Relate("actedOnBehalfOf", {{"prov:delegate", program}, {"prov:responsible", subject}, {"prov:activity", generation}});
  Relate("wasAssociatedWith", {{"prov:activity", retrieval}, {"prov:agent", program}});
  Use(generation, context);
  std::map<std::string, std::string> association = {{"prov:activity", generation}, {"prov:agent", program}};
  if (!answer.pipeline.empty()) {
    association["prov:plan"] = Entity("pipeline", answer.tenant + "/" + answer.pipeline,
                                      {{"vouch:contentHash", "xxh3:" + answer.pipeline_hash}});
    Use(generation, association["prov:plan"]);
  }
  Relate("wasAssociatedWith", std::move(association));
  if (answer.generation && !answer.generation->tier.empty()) {
    const Generation& by = *answer.generation;
    Use(generation, Entity("prompt", by.prompt_id + "@" + by.prompt_hash));
    Use(generation, Entity("model", by.response_model));
    const std::string server = Agent("model-server", by.endpoint, "prov:SoftwareAgent");
    Relate("wasAssociatedWith", {{"prov:activity", generation}, {"prov:agent", server}});
  } else {
    Use(generation, Entity("model", answer.generator));
  }
  if (answer.cache && !answer.cache->answer_id.empty()) {
    Relate("wasDerivedFrom", {{"prov:generatedEntity", made}, {"prov:usedEntity", Entity("answer", answer.cache->answer_id)}});
  }
}

void ProvDocument::Add(const Answer& answer) {
  const std::string made = Entity("answer", answer.id, {{"vouch:abstained", answer.abstained}});
  const std::string retrieval =
      Activity("retrieval", answer.id, answer.time_us, answer.time_us + answer.retrieve_us);
  const std::string context = Entity("context", answer.id);
  Relate("wasGeneratedBy", {{"prov:entity", context}, {"prov:activity", retrieval}});
  Use(retrieval, Entity("version", Concat(answer.collection, "@", answer.version.value)));
  for (const std::string& build : answer.build_ids) Use(retrieval, Entity("index", build));
  if (!answer.embedder.empty()) Use(retrieval, Entity("embedder", answer.embedder));
  for (const PointHit& hit : answer.hits) Chunk(answer, hit, context);
  Generate(answer, made, context, retrieval);
}

void ProvDocument::Add(const EvaluationRecord& record, const std::vector<QuestionResult>& results) {
  const std::string activity = Activity("evaluation", record.id, record.created_us, record.finished_us);
  RecordJson figures = RecordJson::object();
  for (const MetricSummary& metric : record.metrics)
    if (std::isfinite(metric.mean)) figures["vouch:" + LocalName(metric.name)] = metric.mean;
  const std::string outcome = Entity("evaluation-result", record.id, std::move(figures));
  Relate("wasGeneratedBy", {{"prov:entity", outcome}, {"prov:activity", activity}});
  Use(activity, Entity("dataset", Concat(record.dataset, "@", record.dataset_version),
                       {{"vouch:contentHash", "xxh3:" + record.dataset_hash}}));
  Use(activity, Entity("version", Concat(record.collection, "@", record.version)));
  Relate("wasAssociatedWith",
         {{"prov:activity", activity}, {"prov:agent", Agent("program", record.engine, "prov:SoftwareAgent")}});
  for (const QuestionResult& result : results) {
    if (result.answer_id.empty()) continue;
    const std::string answer = Entity("answer", result.answer_id);
    Use(activity, answer);
    Relate("wasDerivedFrom", {{"prov:generatedEntity", outcome}, {"prov:usedEntity", answer}});
  }
}

void ProvDocument::Add(const std::string& tenant, const std::string& collection, const ForgetRecord& forgotten) {
  const std::string document = NameOf("document", collection + "/" + forgotten.document);
  if (!elements_["entity"].contains(document)) return;
  const auto ends = [&](const std::string& name) {
    const auto used = used_at_.find(name);
    return used == used_at_.end() || used->second.value < forgotten.version;
  };
  const std::string prefix = NameOf("source", collection + "/" + forgotten.document + "@");
  std::vector<std::string> ended;
  if (ends(document)) ended.push_back(document);
  const auto& entities = elements_["entity"];
  for (auto entity = entities.lower_bound(prefix); entity != entities.end() && entity->first.starts_with(prefix); ++entity)
    if (ends(entity->first)) ended.push_back(entity->first);
  if (ended.empty()) return;  // all of it came back since
  const std::string activity = Activity("forgetting", collection + "/" + forgotten.document, forgotten.started_us,
                                        forgotten.finished_us);
  for (const std::string& name : ended)
    Relate("wasInvalidatedBy", {{"prov:entity", name}, {"prov:activity", activity}},
           {{"prov:time", TimeText(forgotten.started_us)}});
  Relate("wasAssociatedWith",
         {{"prov:activity", activity}, {"prov:agent", Agent("subject", tenant + "/" + forgotten.subject, "prov:Agent")}});
}

namespace {

// Writes an object of objects as the library's dump(1) would, without a second tree of all of it.
class SectionWriter {
 public:
  explicit SectionWriter(std::string* text) : text_(*text) {}

  void Begin(const std::string& name) {
    text_ += Concat(",\n ", DumpRecord(name, -1), ": {");
    first_ = true;
  }
  void Add(const std::string& name, const RecordJson& value) {
    text_ += Concat(first_ ? "\n  " : ",\n  ", DumpRecord(name, -1), ": ");
    first_ = false;
    for (const char c : DumpRecord(value, 1)) {
      text_ += c;
      if (c == '\n') text_ += "  ";
    }
  }
  void End() { text_ += first_ ? "}" : "\n }"; }

 private:
  std::string& text_;
  bool first_ = true;
};

}  // namespace

std::string ProvDocument::ToJson() const {
  std::string text = "{\n \"prefix\": {\n  \"vouch\": \"urn:vouchdb:\"\n }";
  SectionWriter section(&text);
  for (const auto& [kind, elements] : elements_) {
    section.Begin(kind);
    for (const auto& [name, attributes] : elements) {
      // The same bytes, whatever was known first.
      std::map<std::string, RecordJson> sorted;
      for (const auto& [key, value] : attributes.items()) sorted[key] = value;
      section.Add(name, sorted);
    }
    section.End();
  }
  for (const auto& [relation, all] : relations_) {
    section.Begin(relation);
    size_t number = 0;
    for (const auto& [key, parts] : all) section.Add(Concat("_:", relation, ++number), parts);
    section.End();
  }
  return text + "\n}\n";
}

namespace {

absl::Status CheckBytes(size_t bytes) {
  if (bytes <= ProvRequest::kMaxBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(Concat("the document would have more than ", ProvRequest::kMaxBytes,
                                             " bytes, which is the limit; choose a shorter range"));
}

}  // namespace

absl::StatusOr<std::string> ExportProv(Database& database, const ProvRequest& request) {
  const std::string& tenant = request.principal.tenant;
  std::vector<KeptAnswer> answers;
  if (request.answer.empty()) {
    auto found = AnswersBetween(database.store(), tenant, request.range, ProvRequest::kMaxAnswers, request.cancel);
    if (!found.ok()) return found.status();
    answers = *std::move(found);
  } else {
    answers.push_back({.id = request.answer});
  }
  ProvDocument document;
  std::set<std::string> collections;
  for (const KeptAnswer& kept : answers) {
    if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
    const absl::StatusOr<Answer> answer = GetAnswer(database, request.principal, kept.id);
    if (!answer.ok()) return answer.status();
    document.Add(*answer);
    if (absl::Status status = CheckBytes(document.bytes()); !status.ok()) return status;
    collections.insert(answer->collection);
  }
  if (request.answer.empty()) {
    const EvaluationStore store(EvaluationRecords::Of(database.store()), tenant);
    const auto records = store.List(kMostEvaluations);
    if (!records.ok()) return records.status();
    for (const EvaluationRecord& record : *records) {
      if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
      if (!record.finished || !request.range.Contains(record.finished_us)) continue;
      const auto results = store.Results(record.id);
      if (!results.ok()) return results.status();
      document.Add(record, *results);
      if (absl::Status status = CheckBytes(document.bytes()); !status.ok()) return status;
    }
  }
  for (const std::string& collection : collections) {
    const auto forgotten = ListForgotten(database, request.principal, collection);
    if (absl::IsNotFound(forgotten.status())) continue;  // the collection was dropped since
    if (!forgotten.ok()) return forgotten.status();
    for (const ForgetRecord& record : *forgotten) document.Add(tenant, collection, record);
  }
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  std::string json = document.ToJson();
  if (absl::Status status = CheckBytes(json.size()); !status.ok()) return status;
  return json;
}

}  // namespace vouch
