#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/lineage_svg.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "vouch/v1/lineage.grpc.pb.h"

namespace vouch {
namespace {

struct LineageOptions {
  std::string answer;
  std::string kind;
  std::string id;
  std::string format = "text";
  uint32_t limit = 10'000;
};

constexpr int kMaxDepth = 8;

constexpr std::pair<const char*, const char*> kKinds[] = {
    {"document", "a document's id"},
    {"chunk", "COLLECTION/POINT"},
    {"source", "the content hash of a document's bytes, or its first 8 characters or more"},
    {"embedder", "an embedder's exact id"},
    {"pipeline", "NAME, or NAME@NUMBER"},
    {"prompt", "a prompt's name, or its hash"},
    {"model", "a model, as its server names it"},
    {"version", "COLLECTION@NUMBER"}};

// A text between quotation marks in DOT; a line break is one.
std::string DotText(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' || c == '\r' ? ' ' : c;
  }
  return quoted + "\"";
}

std::string DotOf(const v1::LineageGraph& graph) {
  std::string dot = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n";
  for (int i = 0; i < graph.nodes_size(); ++i) {
    absl::StrAppend(&dot, "  n", i, " [label=",
                    DotText(absl::StrCat(graph.nodes(i).kind(), ": ", graph.nodes(i).label())),
                    "];\n");
  }
  for (const v1::LineageEdge& edge : graph.edges()) {
    absl::StrAppend(&dot, "  n", edge.from(), " -> n", edge.to(), " [label=",
                    DotText(edge.what()), "];\n");
  }
  return dot + "}\n";
}

// A node and, indented, what it is made of.
void PrintNode(const v1::LineageGraph& graph, uint32_t node, const std::string& what, int depth,
               std::string* out) {
  const v1::LineageNode& shown = graph.nodes(static_cast<int>(node));
  absl::StrAppend(out, std::string(static_cast<size_t>(2 * depth), ' '), what,
                  what.empty() ? "" : " ", shown.kind(), " ",
                  shown.kind() == "answer" ? absl::StrCat(shown.id(), ": ", shown.label())
                                           : shown.label(),
                  "\n");
  for (const v1::LineageEdge& edge : graph.edges()) {
    if (edge.from() == node && depth < kMaxDepth) PrintNode(graph, edge.to(), edge.what(), depth + 1, out);
  }
}

std::string TextOf(const v1::LineageGraph& graph) {
  std::string out;
  for (int i = 0; i < graph.nodes_size(); ++i) {
    if (graph.nodes(i).kind() == "answer") PrintNode(graph, static_cast<uint32_t>(i), "", 0, &out);
  }
  return out;
}

absl::Status RunLineage(Invocation& invocation, const LineageOptions& options) {
  if (options.answer.empty() == options.kind.empty()) {
    return UsageError("lineage takes an answer's id, or one of --document, --chunk, --source, "
                      "--embedder, --pipeline, --prompt, --model and --version-of");
  }
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Lineage::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::LineageGraph graph;
  grpc::Status status;
  if (options.kind.empty()) {
    v1::TraceAnswerRequest request;
    request.set_id(options.answer);
    status = stub->TraceAnswer(&context, request, &graph);
  } else {
    v1::FindAnswersRequest request;
    request.set_kind(options.kind);
    request.set_id(options.id);
    request.set_limit(options.limit);
    status = stub->FindAnswers(&context, request, &graph);
  }
  if (!status.ok()) return (*connection)->Explain(status);
  if (invocation.json || options.format == "json") {
    Print(FormatJson(MessageToJson(graph)));
  } else if (options.format == "dot") {
    Print(DotOf(graph));
  } else if (options.format == "svg") {
    Print(LineageSvg(graph));
  } else {
    Print(TextOf(graph));
    if (!options.kind.empty()) {
      int found = 0;
      for (const v1::LineageNode& node : graph.nodes()) found += node.kind() == "answer" ? 1 : 0;
      Print(absl::StrCat(found, " of the latest ", graph.answers_read(), " answers use ", options.kind, " ", options.id,
                         graph.more() ? "; older ones were not looked at (--limit)" : "", "\n"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddLineageCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<LineageOptions>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"lineage", "What made an answer, or which answers used something",
       "  vouch lineage 0193590c-2a7e-7c33-a5b8-1e4a60cd2f11\n"
       "  vouch lineage --document notes/storage.md\n"
       "  vouch lineage --pipeline support@2 --format svg > lineage.svg"},
      [&invocation, options] { return RunLineage(invocation, *options); });
  command->add_option("answer", options->answer, "an answer's id");
  CLI::Option_group* of = command->add_option_group("Of what", "");
  of->require_option(0, 1);
  for (const auto& [kind, help] : kKinds) {
    const std::string flag = std::string(kind) == "version" ? "--version-of" : absl::StrCat("--", kind);
    of->add_option_function<std::string>(
        flag,
        [options, kind = kind](const std::string& value) {
          options->kind = kind;
          options->id = value;
        },
        absl::StrCat("answers that used it: ", help));
  }
  command->add_option("--format", options->format, "text (default), json, dot or svg")
      ->check(CLI::IsMember({"text", "json", "dot", "svg"}));
  command->add_option("--limit", options->limit, "answers to look at, newest first (default 10000)")
      ->check(CLI::Range(1, 100'000));
}

}  // namespace vouch
