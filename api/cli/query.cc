#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/hit_text.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

struct QueryOptions {
  std::string collection;
  std::string text;
  std::string mode = "hybrid";
  std::string vector;
  std::string sparse;
  std::string field;
  bool exact = false;
  uint32_t ef_search = 0;
  uint32_t limit = 10;
  uint32_t offset = 0;
  std::string cursor;
  std::string filter;
  std::string at;
  bool vectors = false;
  bool explain = false;
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

absl::Status FillQuery(const QueryOptions& options, v1::QueryNode* query) {
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
      return UsageError("--field goes with a text in --mode text, with --vector or --sparse");
    query->mutable_all();
    return absl::OkStatus();
  }
  if (!options.field.empty()) {
    if (options.mode != "text")
      return UsageError("--field goes with --mode text, with --vector or --sparse");
    query->mutable_text()->set_field(options.field);
    query->mutable_text()->set_text(options.text);
    return absl::OkStatus();
  }
  query->mutable_text_query()->set_text(options.text);
  query->mutable_text_query()->set_mode(ModeOf(options.mode));
  return absl::OkStatus();
}

std::string WhatWasAsked(const QueryOptions& options) {
  if (!options.vector.empty()) return "vector search";
  if (!options.sparse.empty()) return "sparse search";
  return options.text.empty() ? "all points" : options.mode + " search";
}

std::string Summary(const QueryOptions& options, const v1::SearchResponse& response) {
  std::string out = absl::StrCat(options.collection, " at version ", response.version(), ", ");
  absl::StrAppend(
      &out, WhatWasAsked(options), ": ",
      response.hits_size() == 0 ? "no hits" : FormatCounted(response.hits_size(), "hit"), "\n");
  return out;
}

absl::Status RunQuery(Invocation& invocation, const QueryOptions& options) {
  v1::SearchRequest request;
  request.set_collection(options.collection);
  if (absl::Status status = FillQuery(options, request.mutable_query()); !status.ok())
    return status;
  if (!options.filter.empty()) request.mutable_filter()->set_expression(options.filter);
  request.set_limit(options.limit);
  request.set_offset(options.offset);
  request.set_cursor(options.cursor);
  request.set_at(options.at);
  request.set_explain(options.explain);
  request.mutable_projection()->set_provenance(true);
  request.mutable_projection()->set_vectors(options.vectors);

  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Search::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::SearchResponse response;
  if (grpc::Status status = stub->Search(&context, request, &response); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  Print(Summary(options, response));
  Print(FormatHits(response.hits(), options.offset + 1, options.text, options.explain));
  if (!response.next_cursor().empty() && options.offset + options.limit < 10'000) {
    Print(absl::StrCat("More: --cursor ", response.next_cursor(), "\n"));
  }
  if (options.explain) Print(FormatPlan(response));
  return absl::OkStatus();
}

}  // namespace

void AddQueryCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<QueryOptions>();
  CLI::App* command =
      AddCommand(app, invocation, CommandKind::kClient,
                 {"query", "Search a collection by text, by meaning, or by a vector",
                  "  vouch query docs 'how are commits made durable' --filter \"media_type = "
                  "'text/markdown'\" --explain"},
                 [&invocation, options] { return RunQuery(invocation, *options); });
  command->add_option("collection", options->collection, "the collection")->required();
  command
      ->add_option("text", options->text,
                   "what to search for; without it, --vector and --sparse: all points, in order")
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
  command->add_flag("--explain", options->explain,
                    "say why each hit has its score, and what the planner did");
  command->add_option("--vector", options->vector, "search by this vector: a JSON list of numbers");
  command->add_option("--sparse", options->sparse,
                      "search by this sparse vector: {\"indices\": [...], \"values\": [...]}");
  command->add_option(
      "--field", options->field,
      "dense field for --vector, sparse field for --sparse, text field for --mode text");
  command->add_flag("--exact", options->exact, "with --vector: compare with every allowed point");
  command
      ->add_option("--ef-search", options->ef_search,
                   "with --vector: beam of the graph walk, 1 to 10000")
      ->check(CLI::Range(1, 10'000));
  command->add_flag("--vectors", options->vectors, "with --json: print the vectors, too");
}

}  // namespace vouch
