#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/point_json.h"
#include "api/cli/read_options.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "vouch/v1/points.grpc.pb.h"

namespace vouch {
namespace {

struct ReadOptions {
  std::string collection;
  std::vector<std::string> ids;
  std::string at;
  std::string filter;
  uint32_t limit = 100;
  std::string cursor;
  bool vectors = false;
  bool provenance = false;
};

void FillProjection(const ReadOptions& options, v1::Projection* projection) {
  projection->set_vectors(options.vectors);
  projection->set_provenance(options.provenance);
  projection->set_access(true);
  projection->set_written_version(true);
}

template <class Response>
void PrintPoints(const Response& response) {
  for (const v1::Point& point : response.points()) {
    v1::Point shown = point;
    shown.clear_written_version();
    Print(absl::StrCat("v", point.written_version(), "  ", PointToJson(shown), "\n"));
  }
}

absl::Status RunGet(Invocation& invocation, const ReadOptions& options) {
  v1::GetRequest request;
  request.set_collection(options.collection);
  request.set_at(options.at);
  for (const std::string& id : options.ids) *request.add_ids() = PointIdFromWord(id);
  FillProjection(options, request.mutable_projection());
  v1::GetResponse response;
  absl::Status status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
    return stub.Get(&context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
  } else {
    PrintPoints(response);
  }
  if (response.missing().empty()) return absl::OkStatus();
  std::string missing;
  for (const v1::PointId& id : response.missing()) {
    absl::StrAppend(&missing, missing.empty() ? "" : ", ", FormatPointId(id));
  }
  return absl::NotFoundError(absl::StrCat(options.collection, " has no point ", missing,
                                          " at version ", response.version()));
}

absl::Status RunList(Invocation& invocation, const ReadOptions& options) {
  v1::ScrollRequest request;
  request.set_collection(options.collection);
  request.set_at(options.at);
  if (!options.filter.empty()) request.mutable_filter()->set_expression(options.filter);
  request.set_limit(options.limit);
  request.set_cursor(options.cursor);
  FillProjection(options, request.mutable_projection());
  v1::ScrollResponse response;
  absl::Status status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
    return stub.Scroll(&context, request, &response);
  });
  if (!status.ok()) return status;
  if (invocation.json) {
    Print(FormatJson(MessageToJson(response)));
    return absl::OkStatus();
  }
  PrintPoints(response);
  if (response.points().empty()) Print("no points\n");
  if (!response.next_cursor().empty()) {
    Print(absl::StrCat("More: --cursor ", response.next_cursor(), "\n"));
  }
  return absl::OkStatus();
}

absl::Status RunCount(Invocation& invocation, const ReadOptions& options) {
  v1::CountRequest request;
  request.set_collection(options.collection);
  request.set_at(options.at);
  if (!options.filter.empty()) request.mutable_filter()->set_expression(options.filter);
  v1::CountResponse response;
  absl::Status status = CallService<v1::Points>(invocation, [&](auto& stub, auto& context) {
    return stub.Count(&context, request, &response);
  });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(response))
                        : absl::StrCat(FormatCounted(response.count(), "point"), " at version ",
                                       response.version(), "\n"));
  return absl::OkStatus();
}

void AddReadOptions(CLI::App& command, ReadOptions& options) {
  AddAtOption(command, &options.at);
  command.add_flag("--vectors", options.vectors, "print the vectors, too");
  command.add_flag("--provenance", options.provenance, "print where the points came from, too");
}

}  // namespace

void AddPointCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = AddGroup(app, "point", "Points: get, list, count, put, patch, delete");
  auto options = std::make_shared<ReadOptions>();
  const auto add = [&](const CommandText& text,
                       absl::Status (*run)(Invocation&, const ReadOptions&)) {
    CLI::App* command =
        AddCommand(*group, invocation, CommandKind::kClient, text,
                   [&invocation, options, run] { return run(invocation, *options); });
    command->add_option("collection", options->collection, "the collection, or an alias")->required();
    return command;
  };
  CLI::App* get = add({"get", "Points by id, each with the version that wrote it",
                       "  vouch point get films 7 8 --at v3"},
                      RunGet);
  get->add_option("id", options->ids, "ids: digits are a number, all else a text")->required();
  AddReadOptions(*get, *options);
  CLI::App* list = add({"list", "Points in the order in which they were written",
                        "  vouch point list films --filter \"year >= 2020\" --limit 20"},
                       RunList);
  AddFilterOption(*list, &options->filter);
  AddReadOptions(*list, *options);
  list->add_option("--limit", options->limit, "points to show, 1 to 10000 (default 100)")
      ->check(CLI::Range(1, 10'000));
  list->add_option("--cursor", options->cursor, "goes on after an earlier page, at its version");
  CLI::App* count = add({"count", "How many points there are",
                         "  vouch point count films --filter \"lang = 'de'\""},
                        RunCount);
  AddFilterOption(*count, &options->filter);
  AddAtOption(*count, &options->at);
  AddPointWriteCommands(*group, invocation);
}

}  // namespace vouch
