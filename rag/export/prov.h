#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/eval/evaluation_record.h"
#include "rag/forget/forget_record.h"
#include "rag/kept_answers.h"
#include "rag/provenance.h"
#include "rag/record_reader.h"

namespace vouch {

// What answers came of, in the words of W3C PROV (PROV-DM), as PROV-JSON (W3C submission of 24 April 2013): documents, sources,
// chunks, versions, prompts, pipelines and models are entities; ingesting, retrieving, generating, evaluating and forgetting
// are activities; who asked, the program and servers of models are agents. It follows from the records alone.
//
// Invariants:
// 1. Every name that a relation has is declared.
// 2. Each element and each relation stands once, and the document depends on what was added alone, not on the order.
class ProvDocument {
 public:
  void Add(const Answer& answer);
  void Add(const EvaluationRecord& record, const std::vector<QuestionResult>& results);
  // Of a collection: its sources, as far as answers that were added before used them, ended then. What an answer used at that version
  // or later had come back, and did not end.
  void Add(const std::string& tenant, const std::string& collection, const ForgetRecord& forgotten);

  // Of the document at least: what is in it, without the braces and breaks between.
  size_t bytes() const { return bytes_; }
  std::string ToJson() const;

 private:
  std::string Element(const char* kind, const std::string& name, RecordJson attributes);
  std::string Entity(const std::string& type, const std::string& id, RecordJson attributes = RecordJson::object());
  std::string Activity(const std::string& type, const std::string& id, int64_t begin_us, int64_t end_us);
  std::string Agent(const std::string& type, const std::string& id, const char* prov_type);
  // `parts`: PROV-JSON's names and what they name.
  void Relate(const char* relation, std::map<std::string, std::string> parts, RecordJson attributes = RecordJson::object());
  void Use(const std::string& activity, const std::string& entity) {
    Relate("used", {{"prov:activity", activity}, {"prov:entity", entity}});
  }
  void Chunk(const Answer& answer, const PointHit& hit, const std::string& context);
  void Generate(const Answer& answer, const std::string& made, const std::string& context, const std::string& retrieval);
  std::string Ingestion(const std::string& collection, const Provenance& from);
  std::string Source(const std::string& collection, const Provenance& from);
  // That an answer at that version used it.
  void NoteUse(const std::string& source, const std::string& document, Version at);

  // By kind and name, so that the document is sorted.
  std::map<std::string, std::map<std::string, RecordJson>> elements_;
  std::map<std::string, std::map<std::string, RecordJson>> relations_;  // by the relation's parts as text
  std::map<std::string, Version> used_at_;  // sources and documents → the latest version at which an answer used them
  size_t bytes_ = 0;
};

struct ProvRequest {
  static constexpr size_t kMaxAnswers = 10'000;
  static constexpr size_t kMaxBytes = size_t{48} << 20;  // of the document

  std::string answer = {};  // this one alone; empty: those of the range, with the evaluations that finished in it
  TimeRange range = {};
  Principal principal = {};
  CancelToken cancel = {};
};
// NOT_FOUND: no such answer. RESOURCE_EXHAUSTED: more than kMaxAnswers, or than kMaxBytes.
absl::StatusOr<std::string> ExportProv(Database& database, const ProvRequest& request);

}  // namespace vouch
