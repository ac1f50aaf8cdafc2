#include "rag/lineage.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "rag/passage.h"
#include "storage/concat.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr size_t kMinHashBytes = 8;

class GraphMaker {
 public:
  explicit GraphMaker(LineageGraph* graph) : graph_(*graph) {}

  uint32_t Node(std::string kind, std::string id, std::string label = "") {
    const auto [place, fresh] = nodes_.emplace(std::pair(std::move(kind), std::move(id)),
                                               static_cast<uint32_t>(graph_.nodes.size()));
    if (fresh) {
      graph_.nodes.push_back({.kind = place->first.first,
                              .id = place->first.second,
                              .label = label.empty() ? place->first.second : std::move(label)});
    }
    return place->second;
  }

  void Edge(uint32_t from, uint32_t to, std::string what) {
    if (edges_.emplace(from, to, what).second)
      graph_.edges.push_back({.from = from, .to = to, .what = std::move(what)});
  }

  // What has no name is not there.
  void To(uint32_t from, const char* kind, const std::string& id, const char* what,
          std::string label = "") {
    if (!id.empty()) Edge(from, Node(kind, id, std::move(label)), what);
  }

 private:
  LineageGraph& graph_;
  std::map<std::pair<std::string, std::string>, uint32_t> nodes_;
  std::set<std::tuple<uint32_t, uint32_t, std::string>> edges_;
};

void AddChunks(const Answer& answer, uint32_t made, GraphMaker* maker) {
  std::set<std::string> cited;
  for (const Citation& citation : answer.citations) cited.insert(citation.point.ToString());
  for (const PointHit& hit : answer.hits) {
    const Passage passage = ReadPassage(hit);
    const std::string point = hit.id.ToString();
    const uint32_t chunk = maker->Node("chunk", Concat(answer.collection, "/", point),
                                       Concat(point, " (row ", hit.row.value, ")"));
    maker->Edge(made, chunk, cited.contains(point) ? "cited" : "retrieved");
    const Provenance& from = passage.provenance;
    if (!passage.ingested) continue;
    const uint32_t document = maker->Node("document", from.document, from.uri);
    maker->Edge(chunk, document, "part of");
    maker->To(document, "source", from.source_hash, "with the bytes");
    maker->To(chunk, "parser", from.parser, "parsed by");
    maker->To(chunk, "chunker", from.chunker, "cut by");
    maker->To(chunk, "embedder", from.embedder, "embedded by");
  }
}

void AddAnswer(const Answer& answer, GraphMaker* maker) {
  const uint32_t made = maker->Node("answer", answer.id, answer.question);
  maker->Edge(made, maker->Node("version", Concat(answer.collection, "@", answer.version.value)),
              "read from");
  for (const std::string& build : answer.build_ids) maker->To(made, "index", build, "searched in");
  maker->To(made, "embedder", answer.embedder, "question embedded by");
  maker->To(made, "pipeline", answer.pipeline, "made by",
            Concat(answer.pipeline, " (", answer.pipeline_hash.substr(0, 12), ")"));
  if (answer.experiment) {
    const ExperimentArm& arm = *answer.experiment;
    const uint32_t experiment = maker->Node("experiment", arm.experiment, "");
    maker->Edge(made, experiment, arm.challenger ? "challenger of" : "champion of");
    maker->To(made, "pipeline", arm.against, "interleaved with");
    maker->To(made, "answer", arm.shadow_of, "shadow of");
  }
  if (answer.generation && !answer.generation->tier.empty()) {
    const Generation& generation = *answer.generation;
    maker->To(made, "prompt", generation.prompt_id, "prompted by",
              Concat(generation.prompt_id, " (", generation.prompt_hash.substr(0, 12), ")"));
    maker->To(made, "prompt", generation.prompt_hash, "prompted with");
    maker->To(made, "model", generation.response_model, "written by",
              Concat(generation.response_model, " at ", generation.endpoint));
  } else {
    maker->To(made, "model", answer.generator, "written by");
  }
  AddChunks(answer, made, maker);
}

bool Matches(const LineageNode& node, const FindAnswersRequest& request) {
  if (node.kind != request.kind) return false;
  if (node.id == request.id) return true;
  if (node.kind == "pipeline" || node.kind == "experiment")
    return node.id.substr(0, node.id.find('@')) == request.id;
  const bool hash = node.kind == "source" || node.kind == "prompt";
  return hash && request.id.size() >= kMinHashBytes && node.id.starts_with(request.id);
}

// Of an answer's graph, what lies on a way from the answer (its first node) to a node that matches.
void AddWays(const LineageGraph& whole, const FindAnswersRequest& request, GraphMaker* maker) {
  std::vector<bool> kept(whole.nodes.size(), false);
  for (size_t i = 0; i < whole.nodes.size(); ++i) kept[i] = Matches(whole.nodes[i], request);
  // Ways are at most three edges long, and edges lead from what was named earlier.
  for (int length = 0; length < 3; ++length) {
    for (const LineageEdge& edge : whole.edges) {
      if (kept[edge.to]) kept[edge.from] = true;
    }
  }
  if (whole.nodes.empty() || !kept[0]) return;
  for (const LineageEdge& edge : whole.edges) {
    if (!kept[edge.from] || !kept[edge.to]) continue;
    const LineageNode& from = whole.nodes[edge.from];
    const LineageNode& to = whole.nodes[edge.to];
    const uint32_t from_place = maker->Node(from.kind, from.id, from.label);
    maker->Edge(from_place, maker->Node(to.kind, to.id, to.label), edge.what);
  }
}

}  // namespace

LineageGraph TraceAnswer(const Answer& answer) {
  LineageGraph graph;
  GraphMaker maker(&graph);
  AddAnswer(answer, &maker);
  return graph;
}

absl::StatusOr<LineageGraph> FindAnswers(Database& database, const FindAnswersRequest& request) {
  if (std::find(std::begin(kLineageKinds), std::end(kLineageKinds), request.kind) ==
      std::end(kLineageKinds)) {
    std::string kinds;
    for (const std::string_view kind : kLineageKinds) kinds += Concat(kinds.empty() ? "" : ", ", kind);
    return absl::InvalidArgumentError(
        Concat("the kind is '", Escape(request.kind), "'; there are ", kinds));
  }
  if (request.id.empty()) return absl::InvalidArgumentError("the id is empty");
  if (request.limit == 0 || request.limit > FindAnswersRequest::kMaxLimit) {
    return absl::InvalidArgumentError(Concat("limit is ", request.limit, "; it takes 1 to ",
                                             FindAnswersRequest::kMaxLimit));
  }
  const absl::StatusOr<std::vector<std::string>> records =
      database.store().ListAnswers(request.principal.tenant, request.limit);
  if (!records.ok()) return records.status();
  LineageGraph graph;
  GraphMaker maker(&graph);
  for (const std::string& record : *records) {
    if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
    const absl::StatusOr<Answer> answer = AnswerFromJson(record);
    if (!answer.ok()) return answer.status();
    AddWays(TraceAnswer(*answer), request, &maker);
  }
  graph.answers_read = records->size();
  graph.more = records->size() == request.limit;
  return graph;
}

}  // namespace vouch
