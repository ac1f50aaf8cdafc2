#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/hit_text.h"
#include "api/cli/message_json.h"
#include "api/cli/message_yaml.h"
#include "api/cli/point_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "rag/file_walker.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

struct QueryOptions {
  std::string collection;
  std::string text;
  std::string mode = "hybrid";
  std::string vector;
  std::string sparse;
  std::string multi_vector;
  std::string field;
  std::string file;
  bool exact = false;
  uint32_t ef_search = 0;
  std::optional<uint32_t> limit;
  std::optional<uint32_t> offset;
  std::string cursor;
  std::string filter;
  std::string at;
  bool vectors = false;
  bool explain = false;
  bool plan = false;
  std::string why_not;
  std::string group_by;
  uint32_t group_hits = 1;
  std::vector<std::string> facets;
  std::vector<std::string> distinct;
  bool highlight = false;
};

// "[0.1, 0.2]" as a JSON list of numbers.
absl::Status ParseVector(const std::string& text, v1::DenseQuery* query) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.empty())
    return UsageError("--vector takes a JSON list of numbers, as '[0.1, -0.2]'");
  for (const auto& value : json) {
    if (!value.is_number()) {
      return UsageError(absl::StrCat("--vector: '", value.dump(), "' is no number"));
    }
    query->add_vector(value.get<float>());
  }
  return absl::OkStatus();
}

// '{"indices": [3, 17], "values": [0.5, 1.2]}'.
absl::Status ParseSparse(const std::string& text, v1::SparseVector* vector) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.size() != 2 || !json.contains("indices") ||
      !json.contains("values") || !json["indices"].is_array() || !json["values"].is_array()) {
    return UsageError(
        "--sparse takes a JSON object with two lists, as '{\"indices\": [3, 17], \"values\": [0.5, "
        "1.2]}'");
  }
  for (const auto& index : json["indices"]) {
    if (!index.is_number_unsigned() || index.get<uint64_t>() > UINT32_MAX) {
      return UsageError(absl::StrCat("--sparse: '", index.dump(),
                                     "' is no index; indices are whole numbers up to 4294967295"));
    }
    vector->add_indices(index.get<uint32_t>());
  }
  for (const auto& value : json["values"]) {
    if (!value.is_number()) {
      return UsageError(absl::StrCat("--sparse: '", value.dump(), "' is no number"));
    }
    vector->add_values(value.get<float>());
  }
  return absl::OkStatus();
}

// Of a query by --multi-vector.
absl::Status FillTokens(const QueryOptions& options, v1::MultiVectorQuery* query) {
  if (!options.text.empty() || !options.vector.empty() || !options.sparse.empty() ||
      options.exact || options.ef_search != 0) {
    return UsageError(
        "--multi-vector goes without a text, --vector, --sparse, --exact and --ef-search");
  }
  absl::StatusOr<v1::MultiVector> tokens =
      MultiVectorFromJson(options.multi_vector, "--multi-vector");
  if (!tokens.ok()) return UsageError(std::string(tokens.status().message()));
  query->set_field(options.field);
  query->mutable_tokens()->Swap(tokens->mutable_tokens());
  return absl::OkStatus();
}

absl::Status FillQuery(const QueryOptions& options, v1::QueryNode* query) {
  if (!options.multi_vector.empty()) return FillTokens(options, query->mutable_multi_vector());
  if (!options.sparse.empty()) {
    if (!options.text.empty() || !options.vector.empty() || options.exact ||
        options.ef_search != 0) {
      return UsageError("--sparse goes without a text, --vector, --exact and --ef-search");
    }
    query->mutable_sparse()->set_field(options.field);
    return ParseSparse(options.sparse, query->mutable_sparse()->mutable_vector());
  }
  if (!options.vector.empty()) {
    if (!options.text.empty()) return UsageError("a text and --vector were both given; take one");
    v1::DenseQuery* dense = query->mutable_dense();
    dense->set_field(options.field);
    dense->set_exact(options.exact);
    dense->set_ef_search(options.ef_search);
    return ParseVector(options.vector, dense);
  }
  if (options.exact || options.ef_search != 0)
    return UsageError("--exact and --ef-search go with --vector");
  if (options.text.empty()) {
    if (!options.field.empty())
      return UsageError(
          "--field goes with a text in --mode text, with --vector, --sparse or --multi-vector");
    query->mutable_all();
    return absl::OkStatus();
  }
  if (!options.field.empty()) {
    if (options.mode != "text")
      return UsageError(
          "--field goes with --mode text, with --vector, --sparse or --multi-vector");
    query->mutable_text()->set_field(options.field);
    query->mutable_text()->set_text(options.text);
    return absl::OkStatus();
  }
  query->mutable_text_query()->set_text(options.text);
  query->mutable_text_query()->set_mode(ModeOf(options.mode));
  return absl::OkStatus();
}

// The whole request from a file; options given beside it go before what it says.
absl::Status ReadFile(const QueryOptions& options, v1::SearchRequest* request, MessageFile* file) {
  if (!options.text.empty() || !options.vector.empty() || !options.sparse.empty() ||
      !options.multi_vector.empty() || !options.field.empty() || options.exact ||
      options.ef_search != 0) {
    return UsageError(
        "--file holds the query: no text, --vector, --sparse, --multi-vector, --field, --exact or "
        "--ef-search beside it");
  }
  const absl::StatusOr<std::string> text = ReadSource(options.file);
  if (!text.ok()) return text.status();
  file->name = options.file;
  return ReadMessage(*text, request, file);
}

absl::Status FillRequest(const QueryOptions& options, v1::SearchRequest* request,
                         MessageFile* file) {
  absl::Status status = options.file.empty() ? FillQuery(options, request->mutable_query())
                                             : ReadFile(options, request, file);
  if (!status.ok()) return status;
  request->set_collection(options.collection);
  if (!options.filter.empty()) request->mutable_filter()->set_expression(options.filter);
  if (options.limit) request->set_limit(*options.limit);
  if (options.offset) request->set_offset(*options.offset);
  if (request->limit() == 0) request->set_limit(10);
  if (!options.cursor.empty()) request->set_cursor(options.cursor);
  if (!options.at.empty()) request->set_at(options.at);
  if (options.explain) request->set_explain(true);
  if (options.plan) request->set_plan_only(true);
  if (options.highlight) request->set_highlight(true);
  if (!options.group_by.empty()) {
    request->mutable_group_by()->set_path(options.group_by);
    request->mutable_group_by()->set_hits(options.group_hits);
  }
  for (const std::string& path : options.facets) request->add_facets()->set_path(path);
  for (const std::string& path : options.distinct) {
    v1::FacetRequest* facet = request->add_facets();
    facet->set_path(path);
    facet->set_by_value(true);
    facet->set_limit(10'000);
  }
  if (options.file.empty()) request->mutable_projection()->set_provenance(true);
  if (options.vectors) request->mutable_projection()->set_vectors(true);
  return absl::OkStatus();
}

std::string WhatWasAsked(const QueryOptions& options) {
  if (!options.file.empty()) return options.file;
  if (!options.vector.empty()) return "vector search";
  if (!options.sparse.empty()) return "sparse search";
  if (!options.multi_vector.empty()) return "MaxSim search";
  return options.text.empty() ? "all points" : options.mode + " search";
}

std::string Summary(const QueryOptions& options, const v1::SearchResponse& response) {
  std::string out = absl::StrCat(options.collection, " at version ", response.version(), ", ");
  absl::StrAppend(
      &out, WhatWasAsked(options), ": ",
      response.hits_size() == 0 ? "no hits" : FormatCounted(response.hits_size(), "hit"), "\n");
  return out;
}

absl::Status RunWhyNot(Invocation& invocation, const Connection& connection, v1::Search::Stub& stub,
                       const std::string& id, const v1::SearchRequest& search) {
  v1::WhyNotRequest request;
  *request.mutable_request() = search;
  uint64_t number = 0;
  if (absl::SimpleAtoi(id, &number)) {
    request.mutable_id()->set_number(number);
  } else {
    request.mutable_id()->set_text(id);
  }
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::WhyNotResponse response;
  if (grpc::Status status = stub.WhyNot(&context, request, &response); !status.ok()) {
    return connection.Explain(status);
  }
  Print(invocation.json ? FormatJson(MessageToJson(response)) : FormatWhyNot(response));
  return absl::OkStatus();
}

absl::Status RunQuery(Invocation& invocation, const QueryOptions& options) {
  v1::SearchRequest request;
  MessageFile file;
  if (absl::Status status = FillRequest(options, &request, &file); !status.ok()) return status;
  invocation.uses_rerankers = !options.file.empty();
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Search::NewStub((*connection)->channel());
  if (!options.why_not.empty()) {
    absl::Status status = RunWhyNot(invocation, **connection, *stub, options.why_not, request);
    return WithPlace(status, file);
  }
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::SearchResponse response;
  if (grpc::Status status = stub->Search(&context, request, &response); !status.ok()) {
    return WithPlace((*connection)->Explain(status), file);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  if (request.plan_only()) {
    Print(absl::StrCat(options.collection, " at version ", response.version(), ", the plan:\n"));
    Print(FormatPlanOnly(response));
    return absl::OkStatus();
  }
  Print(Summary(options, response));
  for (const std::string& warning : response.warnings()) {
    Print(absl::StrCat("warning: ", warning, "\n"));
  }
  if (request.has_group_by()) {
    Print(FormatGroups(response, request.group_by().path(), options.text, request.explain()));
  } else {
    Print(FormatHits(response.hits(), request.offset() + 1, options.text, request.explain()));
  }
  if (!response.next_cursor().empty() && request.offset() + request.limit() < 10'000) {
    Print(absl::StrCat("More: --cursor ", response.next_cursor(), "\n"));
  }
  Print(FormatFacets(response));
  if (request.explain()) Print(FormatPlan(response));
  return absl::OkStatus();
}

}  // namespace

void AddQueryCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<QueryOptions>();
  CLI::App* command =
      AddCommand(app, invocation, CommandKind::kClient,
                 {"query", "Search a collection by text, by meaning, or by a vector",
                  "  vouch query docs 'how are commits made durable' --filter \"media_type = "
                  "'text/markdown'\" --explain\n  vouch query docs --file tree.yaml --plan"},
                 [&invocation, options] { return RunQuery(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command
      ->add_option("text", options->text,
                   "what to search for; without it, --vector, --sparse and --multi-vector: all "
                   "points, in order")
      ->check([](const std::string& text) {
        return text.empty() ? "it is empty; without a text come all points, in order" : "";
      });
  AddModeOption(*command, &options->mode);
  command->add_option("--limit", options->limit, "hits to show, 1 to 10000 (default 10)")
      ->check(CLI::Range(1, 10'000));
  command->add_option("--offset", options->offset, "hits to leave out first")
      ->check(CLI::Range(0, 10'000));
  command->add_option("--cursor", options->cursor, "goes on after an earlier page, at its version");
  AddFilterOption(*command, &options->filter);
  AddAtOption(*command, &options->at);
  command
      ->add_option("--file", options->file,
                   "YAML or JSON file of the request: its query tree and the keys of SearchRequest")
      ->type_name("FILE");
  command
      ->add_option(
          "--group-by", options->group_by,
          "payload field: hits in groups by its values; --limit is then the number of groups")
      ->type_name("PATH");
  command
      ->add_option("--group-hits", options->group_hits, "hits of each group, 1 to 100 (default 1)")
      ->check(CLI::Range(1, 100));
  command
      ->add_option("--facet", options->facets,
                   "payload field: its most frequent values among the points that --filter allows")
      ->type_name("PATH")
      ->expected(1)
      ->take_all();
  command
      ->add_option("--distinct", options->distinct,
                   "payload field: all of its values there, ascending")
      ->type_name("PATH")
      ->expected(1)
      ->take_all();
  command->add_flag("--highlight", options->highlight,
                    "show which words of a hit's text were asked for");
  command
      ->add_option("--why-not", options->why_not,
                   "say where this point falls out of the search, and by how much")
      ->type_name("ID");
  command->add_flag("--plan", options->plan, "print what would be done, and search nothing");
  command->add_flag("--explain", options->explain,
                    "say why each hit has its score, and what the planner did");
  command->add_option("--vector", options->vector, "search by this vector: a JSON list of numbers");
  command->add_option("--sparse", options->sparse,
                      "search by this sparse vector: {\"indices\": [...], \"values\": [...]}");
  command->add_option("--multi-vector", options->multi_vector,
                      "search by MaxSim with these token vectors: a JSON list of lists of numbers");
  command->add_option("--field", options->field,
                      "field for --vector, --sparse or --multi-vector, text field for --mode text");
  command->add_flag("--exact", options->exact, "with --vector: compare with every allowed point");
  command
      ->add_option("--ef-search", options->ef_search,
                   "with --vector: beam of the graph walk, 1 to 10000")
      ->check(CLI::Range(1, 10'000));
  command->add_flag("--vectors", options->vectors, "with --json: print the vectors, too");
}

}  // namespace vouch
