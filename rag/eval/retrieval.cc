#include "rag/eval/retrieval.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "rag/provenance.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using QueryJson = nlohmann::json;

// Of a document's chunks so many are looked for at once where the first hits are chunks of too few
// documents.
constexpr uint32_t kDeeper = 4;

absl::Status BadLine(uint64_t line, std::string_view why) {
  return absl::InvalidArgumentError(Concat("queries, line ", line, ": ", why));
}

// What judgements name a chunk's document by: the payload's doc_id, else the point's id.
std::string DocumentOf(const PointHit& hit) {
  const QueryJson payload = QueryJson::parse(hit.payload, nullptr, /*allow_exceptions=*/false);
  if (payload.is_object()) {
    const auto found = payload.find("doc_id");
    if (found != payload.end() && found->is_string()) return found->get<std::string>();
    if (found != payload.end() && found->is_number_integer()) return found->dump();
  }
  return hit.id.ToString();
}

size_t CountDocuments(const std::vector<RetrievedChunk>& chunks) {
  std::set<std::string_view> documents;
  for (const RetrievedChunk& chunk : chunks) documents.insert(chunk.document);
  return documents.size();
}

}  // namespace

absl::Status ChunkNames::Read(const Collection& collection, const std::vector<PointHit>& hits,
                              const TreeRun& run, bool with_sources) {
  std::vector<PointId> ids;
  std::vector<uint64_t> rows;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (rows_.size() > kMaxRows) rows_.clear();
    for (const PointHit& hit : hits) {
      const auto found = rows_.find(hit.row.value);
      if (found != rows_.end() && (found->second->has_sources || !with_sources)) continue;
      ids.push_back(hit.id);
      rows.push_back(hit.row.value);
    }
  }
  if (ids.empty()) return absl::OkStatus();
  const Projection projection{.payload_keys = {"doc_id"}, .provenance = with_sources};
  const auto points = collection.Get(ids, {run.at}, projection, run.principal);
  if (!points.ok()) return points.status();
  const std::lock_guard<std::mutex> lock(mu_);
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::optional<PointHit>& point = (*points)[i];
    auto named = std::make_shared<Named>();
    named->chunk.point = ids[i].ToString();
    named->chunk.document = point ? DocumentOf(*point) : named->chunk.point;
    named->has_sources = with_sources;
    if (with_sources && point) {
      // A row that a user wrote has none.
      absl::StatusOr<Provenance> provenance = DecodeProvenance(point->provenance);
      if (provenance.ok()) {
        named->chunk.source_document = std::move(provenance->document);
        named->chunk.source_hash = std::move(provenance->source_hash);
        named->chunk.source = provenance->source;
      }
    }
    rows_[rows[i]] = std::move(named);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RetrievedChunk>> ChunkNames::Name(const Collection& collection,
                                                             const std::vector<PointHit>& hits,
                                                             const TreeRun& run,
                                                             bool with_sources) {
  std::vector<RetrievedChunk> chunks;
  chunks.reserve(hits.size());
  // Once more where another thread began anew in between.
  while (true) {
    if (absl::Status status = Read(collection, hits, run, with_sources); !status.ok())
      return status;
    const std::lock_guard<std::mutex> lock(mu_);
    chunks.clear();
    for (const PointHit& hit : hits) {
      const auto found = rows_.find(hit.row.value);
      if (found == rows_.end()) break;
      chunks.push_back(found->second->chunk);
      chunks.back().score = hit.score;
      if (with_sources) continue;
      // What another question wanted is none of this one's.
      chunks.back().source_document.clear();
      chunks.back().source_hash.clear();
      chunks.back().source = {};
    }
    if (chunks.size() == hits.size()) return chunks;
  }
}

absl::StatusOr<std::vector<RetrievedChunk>> SearchChunks(const Collection& collection,
                                                         const QueryNode& root, const TreeRun& run,
                                                         bool with_sources, ChunkNames& names) {
  SearchRequest search{.query = root,
                       .filter = std::nullopt,
                       .limit = run.depth,
                       .cursor = "",
                       .at = {run.at},
                       .projection = {.payload = false},
                       .principal = run.principal,
                       .cancel = run.cancel};
  while (true) {
    absl::StatusOr<SearchResponse> response = collection.Search(search);
    if (!response.ok()) return response.status();
    absl::StatusOr<std::vector<RetrievedChunk>> chunks =
        names.Name(collection, response->hits, run, with_sources);
    if (!chunks.ok()) return chunks.status();
    const bool all = response->hits.size() < search.limit || search.limit == QueryLimits::kMaxLimit;
    if (all || CountDocuments(*chunks) >= run.depth) return chunks;
    search.limit = std::min(kDeeper * search.limit, QueryLimits::kMaxLimit);
  }
}

absl::StatusOr<std::map<std::string, double>> RunTree(const Collection& collection,
                                                      const QueryNode& root, const TreeRun& run,
                                                      ChunkNames& names) {
  absl::StatusOr<std::vector<RetrievedChunk>> chunks =
      SearchChunks(collection, root, run, /*with_sources=*/false, names);
  if (!chunks.ok()) return chunks.status();
  std::map<std::string, double> documents;  // chunks come best first
  for (const RetrievedChunk& chunk : *chunks) {
    if (documents.size() >= run.depth) break;
    documents.emplace(chunk.document, chunk.score);
  }
  return documents;
}

absl::StatusOr<std::vector<EvaluationQuery>> ParseQueries(std::string_view jsonl) {
  std::vector<EvaluationQuery> queries;
  std::set<std::string> ids;
  for (uint64_t line = 1; !jsonl.empty(); ++line) {
    const size_t end = std::min(jsonl.find('\n'), jsonl.size());
    const std::string_view record = jsonl.substr(0, end);
    jsonl.remove_prefix(std::min(end + 1, jsonl.size()));
    if (record.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const QueryJson json = QueryJson::parse(record, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return BadLine(line, "it is no JSON object");
    EvaluationQuery query;
    const auto id = json.find("_id");
    if (id != json.end() && id->is_string()) query.id = id->get<std::string>();
    if (id != json.end() && id->is_number_integer()) query.id = id->dump();
    if (query.id.empty()) return BadLine(line, "it has no \"_id\" (a string or a whole number)");
    if (query.id.find_first_of(" \t\r\n\v\f") != std::string::npos) {
      return BadLine(line, Concat("the _id \"", Escape(query.id),
                                  "\" has white space, which a run file cannot hold"));
    }
    const auto text = json.find("text");
    if (text == json.end() || !text->is_string())
      return BadLine(line, "it has no \"text\" (a string)");
    query.text = text->get<std::string>();
    if (query.text.empty() || query.text.size() > QueryLimits::kMaxQueryTextBytes) {
      return BadLine(line, Concat("its text has ", query.text.size(), " bytes; it takes 1 to ",
                                  QueryLimits::kMaxQueryTextBytes));
    }
    if (!ids.insert(query.id).second)
      return BadLine(line, Concat("the _id \"", Escape(query.id), "\" stands twice"));
    queries.push_back(std::move(query));
  }
  return queries;
}

absl::StatusOr<RetrievalRun> RunQueries(Collection& collection, EmbedderRegistry& embedders,
                                        const RetrievalEvaluationRequest& request,
                                        const std::function<void(double)>& progress) {
  if (request.depth == 0 || request.depth > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(
        Concat("depth is ", request.depth, "; it takes 1 to ", QueryLimits::kMaxLimit));
  }
  const absl::StatusOr<Version> version = collection.Resolve(request.at);
  if (!version.ok()) return version.status();
  ChunkNames names;
  RetrievalRun result{.run = {}, .version = *version, .embedder = "", .fusion = ""};
  for (size_t i = 0; i < request.queries.size(); ++i) {
    if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
    const EvaluationQuery& query = request.queries[i];
    absl::StatusOr<TextQuery> built =
        BuildTextQuery(collection, embedders, query.text, request.mode, *version, request.cancel);
    if (!built.ok()) return built.status();
    result.embedder = built->embedder;
    result.fusion = built->fusion;
    absl::StatusOr<std::map<std::string, double>> documents =
        RunTree(collection, built->root,
                {.depth = request.depth,
                 .at = *version,
                 .principal = request.principal,
                 .cancel = request.cancel},
                names);
    if (!documents.ok()) return documents.status();
    result.run[query.id] = *std::move(documents);
    if (progress)
      progress(static_cast<double>(i + 1) / static_cast<double>(request.queries.size()));
  }
  return result;
}

}  // namespace vouch
