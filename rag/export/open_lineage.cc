#include "rag/export/open_lineage.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <tuple>

#include "absl/time/time.h"
#include "rag/answer_id.h"
#include "rag/passage.h"
#include "rag/record_reader.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr char kProducer[] = "urn:vouchdb:program:" VOUCH_VERSION;
constexpr char kRunEvent[] = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

std::string MillisecondTime(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

// A facet of the standard, as "1-0-0/DatasetVersionDatasetFacet".
RecordJson StandardFacet(const std::string& name) {
  const std::string type = name.substr(name.find('/') + 1);
  return {{"_producer", kProducer},
          {"_schemaURL", Concat("https://openlineage.io/spec/facets/", name, ".json#/$defs/", type)}};
}

// A facet of our own.
RecordJson OwnFacet(const std::string& name) {
  return {{"_producer", kProducer}, {"_schemaURL", Concat("urn:vouchdb:facet:", name, ":1")}};
}

RecordJson DatasetOf(const std::string& where, const std::string& name) {
  return {{"namespace", where}, {"name", name}};
}

RecordJson VersionedDataset(const std::string& where, const std::string& name, const std::string& version) {
  RecordJson facet = StandardFacet("1-0-0/DatasetVersionDatasetFacet");
  facet["datasetVersion"] = version;
  RecordJson dataset = DatasetOf(where, name);
  dataset["facets"] = {{"version", std::move(facet)}};
  return dataset;
}

RecordJson CollectionAt(const OpenLineageNames& names, const std::string& collection, uint64_t version) {
  return VersionedDataset(names.datasets, "collection/" + collection, Concat("v:", version));
}

// What all events of a run have.
struct RunTemplate {
  std::string id = {};
  std::string job = {};
  std::string processing = {};  // "BATCH" or "STREAMING"
  std::string job_type = {};
  RecordJson run_facets = RecordJson::object();
  RecordJson inputs = RecordJson::array();
  RecordJson outputs = RecordJson::array();
};

std::string EventOf(const RunTemplate& run, const char* type, int64_t time_us, const OpenLineageNames& names) {
  RecordJson job_type = StandardFacet("2-0-3/JobTypeJobFacet");
  job_type["processingType"] = run.processing;
  job_type["integration"] = "VOUCHDB";
  job_type["jobType"] = run.job_type;
  RecordJson facets = run.run_facets;
  RecordJson engine = StandardFacet("1-1-1/ProcessingEngineRunFacet");
  engine["version"] = VOUCH_VERSION;
  engine["name"] = "vouchdb";
  facets["processing_engine"] = std::move(engine);
  const RecordJson event = {
      {"eventType", type},
      {"eventTime", MillisecondTime(time_us)},
      {"producer", kProducer},
      {"schemaURL", kRunEvent},
      {"run", {{"runId", run.id}, {"facets", std::move(facets)}}},
      {"job", {{"namespace", names.jobs}, {"name", run.job}, {"facets", {{"jobType", std::move(job_type)}}}}},
      {"inputs", run.inputs},
      {"outputs", run.outputs}};
  return event.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

RecordJson RowStatistics(uint64_t rows) {
  RecordJson facet = StandardFacet("1-0-2/OutputStatisticsOutputDatasetFacet");
  facet["rowCount"] = rows;
  return {{"outputStatistics", std::move(facet)}};
}

// A run's id where the thing has none: a UUIDv7 of its time, with a hash in place of randomness.
std::string RunIdOf(int64_t time_us, const std::string& key) {
  std::array<uint8_t, 16> bytes{};
  const std::string hash = Sha256Of(key);
  std::memcpy(bytes.data(), hash.data(), bytes.size());
  return MakeUuidV7(time_us, bytes);
}

}  // namespace

OpenLineageNames OpenLineageNamesOf(const std::string& tenant) {
  return {.jobs = tenant, .datasets = "vouchdb://" + tenant};
}

std::vector<std::string> OpenLineageOfAnswer(const Answer& answer, const OpenLineageNames& names) {
  RunTemplate run{.id = answer.id, .job = "rag.answer", .processing = "STREAMING", .job_type = "QUERY"};
  run.inputs.push_back(CollectionAt(names, answer.collection, answer.version.value));
  run.outputs.push_back(DatasetOf(names.datasets, "answers/" + answer.tenant));
  run.outputs[0]["outputFacets"] = RowStatistics(1);
  RecordJson facet = OwnFacet("vouchdb_answer");
  facet["answerId"] = answer.id;
  facet["subject"] = answer.subject;
  facet["collectionVersion"] = answer.version.value;
  facet["pipeline"] = answer.pipeline;
  facet["pipelineDigest"] = answer.pipeline_hash.empty() ? "" : "xxh3:" + answer.pipeline_hash;
  facet["generator"] = answer.generator;
  facet["embedder"] = answer.embedder;
  facet["evaluation"] = answer.evaluation;
  run.run_facets["vouchdb_answer"] = facet;
  std::vector<std::string> events = {EventOf(run, "START", answer.time_us, names)};

  // What is known at its end.
  facet["abstained"] = answer.abstained;
  if (answer.generation) {
    facet["model"] = answer.generation->response_model;
    facet["costNano"] = answer.generation->cost_nano;
    facet["currency"] = answer.generation->currency;
    facet["grounding"] = answer.generation->grounding;
  }
  run.run_facets["vouchdb_answer"] = std::move(facet);
  RecordJson retrieval = OwnFacet("vouchdb_retrieval");
  retrieval["chunks"] = answer.hits.size();
  retrieval["builds"] = answer.build_ids;
  std::set<std::string> documents;
  for (const Citation& citation : answer.citations) documents.insert(citation.document);
  retrieval["citedDocuments"] = documents;
  run.run_facets["vouchdb_retrieval"] = std::move(retrieval);
  events.push_back(EventOf(run, "COMPLETE", answer.time_us + answer.retrieve_us + answer.generate_us, names));
  return events;
}

std::vector<std::string> OpenLineageOfEvaluation(const EvaluationRecord& record, const std::string& tenant,
                                                 const OpenLineageNames& names) {
  const std::string id = TimeOfUuidV7(record.id) >= 0
                             ? record.id
                             : RunIdOf(record.created_us, Concat("evaluation/", tenant, "/", record.id));
  RunTemplate run{.id = id, .job = "eval." + record.dataset, .processing = "BATCH", .job_type = "EVALUATION"};
  run.inputs.push_back(CollectionAt(names, record.collection, record.version));
  run.inputs.push_back(
      VersionedDataset(names.datasets, "dataset/" + record.dataset, Concat("v:", record.dataset_version)));
  run.outputs.push_back(DatasetOf(names.datasets, "evaluations/" + tenant));
  RecordJson facet = OwnFacet("vouchdb_evaluation");
  facet["evaluationId"] = record.id;
  facet["pipeline"] = record.pipeline;
  facet["pipelineDigest"] = record.pipeline_hash.empty() ? "" : "xxh3:" + record.pipeline_hash;
  facet["questions"] = record.questions;
  run.run_facets["vouchdb_evaluation"] = facet;
  std::vector<std::string> events = {EventOf(run, "START", record.created_us, names)};
  if (!record.finished) return events;

  facet["errors"] = record.errors;
  facet["metrics"] = RecordJson::object();
  for (const MetricSummary& metric : record.metrics)
    if (std::isfinite(metric.mean)) facet["metrics"][metric.name] = metric.mean;
  run.run_facets["vouchdb_evaluation"] = std::move(facet);
  const bool failed = record.questions > 0 && record.errors == record.questions;
  if (failed) {
    RecordJson message = StandardFacet("1-0-1/ErrorMessageRunFacet");
    message["message"] = Concat("not one of ", record.questions, " questions could be run");
    message["programmingLanguage"] = "C++";
    run.run_facets["errorMessage"] = std::move(message);
  }
  run.outputs[0]["outputFacets"] = RowStatistics(record.done);
  events.push_back(EventOf(run, failed ? "FAIL" : "COMPLETE", record.finished_us, names));
  return events;
}

std::vector<std::string> OpenLineageOfCommit(const LineageCommit& commit, const OpenLineageNames& names) {
  const CommitHeader& header = commit.header;
  const std::string key = Concat("commit/", commit.tenant, "/", commit.collection, "/", header.version.value);
  RunTemplate run{.id = RunIdOf(header.time_us, key),
                  .job = "ingest." + commit.collection,
                  .processing = "BATCH",
                  .job_type = "COMMIT"};
  for (const auto& [uri, hash] : commit.sources) run.inputs.push_back(VersionedDataset("file", uri, "xxh3:" + hash));
  run.outputs.push_back(CollectionAt(names, commit.collection, header.version.value));
  run.outputs[0]["outputFacets"] = RowStatistics(header.row_count);
  RecordJson facet = OwnFacet("vouchdb_commit");
  facet["version"] = header.version.value;
  facet["actor"] = header.actor;
  facet["requestId"] = header.request_id;
  facet["rowsAdded"] = header.row_count;
  facet["rowsRetired"] = header.retired.size();
  facet["sources"] = commit.sources_all;
  run.run_facets["vouchdb_commit"] = std::move(facet);
  // A commit takes no time: it is there or not.
  return {EventOf(run, "START", header.time_us, names), EventOf(run, "COMPLETE", header.time_us, names)};
}

namespace {

// One run to be exported, by its start; what it says is read when its turn comes.
struct PlannedRun {
  int64_t time_us = 0;
  enum class Kind : uint8_t { kCommit, kEvaluation, kAnswer } kind = Kind::kAnswer;
  std::string id = {};   // of an answer or an evaluation; a collection's name
  Version version = {};  // of a commit, whose header may name a million rows
};

class OpenLineageExport {
 public:
  OpenLineageExport(Database& database, const OpenLineageRequest& request)
      : database_(database),
        request_(request),
        tenant_(request.principal.tenant),
        names_(OpenLineageNamesOf(tenant_)),
        evaluations_(EvaluationRecords::Of(database.store()), tenant_) {
    if (!request.job_namespace.empty()) names_.jobs = request.job_namespace;
  }

  absl::Status Run(const std::function<absl::Status(std::string&&)>& sink) {
    for (const auto step : {&OpenLineageExport::PlanAnswers, &OpenLineageExport::PlanEvaluations, &OpenLineageExport::PlanCommits}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    std::sort(runs_.begin(), runs_.end(), [](const PlannedRun& a, const PlannedRun& b) {
      return std::tie(a.time_us, a.kind, a.id, a.version) < std::tie(b.time_us, b.kind, b.id, b.version);
    });
    for (const PlannedRun& run : runs_) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      absl::StatusOr<std::vector<std::string>> events = EventsOf(run);
      if (!events.ok()) return events.status();
      for (std::string& event : *events) {
        if (absl::Status status = sink(std::move(event)); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Plan(PlannedRun run) {
    if (runs_.size() == kMaxLineageRuns) {
      return absl::ResourceExhaustedError(
          Concat("the range has more than ", kMaxLineageRuns, " runs; choose a shorter one"));
    }
    runs_.push_back(std::move(run));
    return absl::OkStatus();
  }

  absl::Status PlanAnswers() {
    const auto answers =
        AnswersBetween(database_.store(), tenant_, request_.range, kMaxLineageRuns, request_.cancel);
    if (!answers.ok()) return answers.status();
    for (const KeptAnswer& answer : *answers) {
      if (absl::Status status = Plan({.time_us = answer.time_us, .id = answer.id}); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PlanEvaluations() {
    const auto records = evaluations_.List(kMaxLineageRuns);
    if (!records.ok()) return records.status();
    for (const EvaluationRecord& record : *records) {
      if (!request_.range.Contains(record.created_us)) continue;
      absl::Status status =
          Plan({.time_us = record.created_us, .kind = PlannedRun::Kind::kEvaluation, .id = record.id});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PlanCommits() {
    const auto collections = database_.ListCollections(request_.principal);
    if (!collections.ok()) return collections.status();
    for (const CollectionInfo& info : *collections) {
      const auto collection = database_.GetCollection(request_.principal, info.name);
      if (!collection.ok()) return collection.status();
      const auto latest = (*collection)->Resolve({});
      if (!latest.ok()) return latest.status();
      for (uint64_t first = 1; first <= latest->value; first += kPage) {
        if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
        const Version last(std::min(first + kPage - 1, latest->value));
        const auto headers = (*collection)->Versions(Version(first), last, kPage);
        if (!headers.ok()) return headers.status();
        for (const CommitHeader& header : *headers) {
          if (!request_.range.Contains(header.time_us)) continue;
          absl::Status status = Plan({.time_us = header.time_us,
                                      .kind = PlannedRun::Kind::kCommit,
                                      .id = info.name,
                                      .version = header.version});
          if (!status.ok()) return status;
        }
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> EventsOf(const PlannedRun& run) const {
    switch (run.kind) {
      case PlannedRun::Kind::kCommit:
        return CommitEvents(run);
      case PlannedRun::Kind::kEvaluation: {
        const auto record = evaluations_.Get(run.id);
        if (!record.ok()) return record.status();
        return OpenLineageOfEvaluation(*record, tenant_, names_);
      }
      case PlannedRun::Kind::kAnswer:
        break;
    }
    const auto answer = GetAnswer(database_, request_.principal, run.id);
    if (!answer.ok()) return answer.status();
    return OpenLineageOfAnswer(*answer, names_);
  }

  absl::StatusOr<std::vector<std::string>> CommitEvents(const PlannedRun& run) const {
    const auto collection = database_.GetCollection(request_.principal, run.id);
    if (!collection.ok()) return collection.status();
    absl::StatusOr<std::vector<CommitHeader>> headers = (*collection)->Versions(run.version, run.version, 1);
    if (!headers.ok()) return headers.status();
    if (headers->size() != 1) {
      return absl::AbortedError(
          Concat("commit ", run.version.value, " of collection ", run.id, " went while it was exported; export again"));
    }
    LineageCommit commit{.tenant = tenant_, .collection = run.id, .header = std::move(headers->front())};
    std::set<std::pair<std::string, std::string>> sources;
    const RowRange rows{commit.header.first_row, commit.header.rows_end()};
    const absl::Status scanned =
        database_.store().ScanRows((*collection)->id(), rows, /*with_vectors=*/false, [&](RowRecord&& row) {
          const absl::StatusOr<Provenance> from = DecodeProvenance(row.provenance);
          if (from.ok()) sources.emplace(from->uri, from->source_hash);
          return request_.cancel.Check();
        });
    if (!scanned.ok()) return scanned;
    commit.sources_all = sources.size();
    for (const auto& source : sources) {
      if (commit.sources.size() == LineageCommit::kMaxSources) break;
      commit.sources.push_back(source);
    }
    return OpenLineageOfCommit(commit, names_);
  }

  static constexpr uint64_t kPage = 100;  // commits, whose headers are held at a time

  Database& database_;
  const OpenLineageRequest& request_;
  const std::string tenant_;
  OpenLineageNames names_;
  const EvaluationStore evaluations_;
  std::vector<PlannedRun> runs_;
};

}  // namespace

absl::Status ExportOpenLineage(Database& database, const OpenLineageRequest& request,
                               const std::function<absl::Status(std::string&& event)>& sink) {
  return OpenLineageExport(database, request).Run(sink);
}

}  // namespace vouch
