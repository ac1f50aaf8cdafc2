#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "api/cli/gpu_command.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "index/gpu/gpus.h"
#include "vouch/v1/admin.grpc.pb.h"

namespace vouch {
namespace {

constexpr char kNotBuiltIn[] = "GPU is not built in; all searches are done by the processor\n";

// The GPUs of this machine, without a store or server.
absl::Status ListHere(const Invocation& invocation) {
  std::vector<GpuProperties> gpus;
  if (HasGpuCode()) {
    absl::StatusOr<std::vector<GpuProperties>> found = ListGpus();
    if (!found.ok()) return found.status();
    gpus = *std::move(found);
  }
  if (invocation.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const GpuProperties& gpu : gpus) {
      list.push_back({{"ordinal", gpu.ordinal},
                      {"name", gpu.name},
                      {"capability", absl::StrCat(gpu.major, ".", gpu.minor)},
                      {"memory_bytes", gpu.memory_bytes},
                      {"multiprocessors", gpu.multiprocessors},
                      {"clock_mhz", gpu.clock_mhz},
                      {"driver", gpu.driver}});
    }
    Print(FormatJson({{"built_in", HasGpuCode()}, {"gpus", list}}));
    return absl::OkStatus();
  }
  if (gpus.empty()) {
    Print(HasGpuCode() ? "there is no GPU here; all searches are done by the processor\n" : kNotBuiltIn);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const GpuProperties& gpu : gpus) {
    rows.push_back({absl::StrCat(gpu.ordinal), gpu.name, absl::StrCat(gpu.major, ".", gpu.minor), FormatBytes(gpu.memory_bytes),
                    absl::StrCat(gpu.multiprocessors), absl::StrCat(gpu.clock_mhz, " MHz"), gpu.driver});
  }
  Print(FormatTable({"gpu", "name", "capability", "memory", "processors", "clock", "CUDA"}, rows));
  return absl::OkStatus();
}

std::string FormatGpus(const v1::GpuReply& reply) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::GpuInfo& gpu : reply.gpus()) {
    rows.push_back({absl::StrCat(gpu.ordinal()), gpu.name(), gpu.lost() ? "lost: " + gpu.why_lost() : "serves",
                    absl::StrCat(FormatBytes(gpu.held_bytes()), " of ", FormatBytes(gpu.budget_bytes())),
                    gpu.has_free_bytes() ? FormatBytes(gpu.free_bytes()) : "-",
                    FormatCount(gpu.searches()), FormatCount(gpu.batches()), FormatCount(gpu.waiting()),
                    absl::StrFormat("%.1f s", static_cast<double>(gpu.used_us()) / 1e6)});
  }
  return FormatTable({"gpu", "name", "state", "columns", "free", "searches", "batches", "waiting", "own time"}, rows);
}

std::string FormatColumns(const v1::GpuReply& reply) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::GpuColumnInfo& column : reply.columns()) {
    rows.push_back({column.collection(), absl::StrCat(column.field()), FormatCount(column.first_row()),
                    FormatCount(column.vectors()), column.content(), FormatBytes(column.bytes()),
                    absl::StrCat(column.gpus().empty() ? "-" : absl::StrJoin(column.gpus(), ","), column.pinned() ? " pinned" : ""),
                    FormatCount(column.searches()), absl::StrFormat("%.3f", column.saves())});
  }
  if (rows.empty()) return "";
  return FormatTable({"collection", "field", "from row", "vectors", "as", "bytes", "gpu", "searches", "saves"}, rows);
}

std::string FormatReply(const v1::GpuReply& reply) {
  if (!reply.built_in()) return kNotBuiltIn;
  if (reply.gpus().empty()) return "the server uses no GPU; all searches are done by the processor\n";
  const v1::GpuFallbackCounts& fallbacks = reply.fallbacks();
  return absl::StrCat(
      FormatGpus(reply), FormatColumns(reply), FormatCount(reply.searches()), " searches of segments answered by GPUs; ",
      "by the processor, although they suited one: ", FormatCount(fallbacks.not_placed()), " not placed, ",
      FormatCount(fallbacks.crowded()), " crowded, ", FormatCount(fallbacks.out_of_memory()), " out of memory, ",
      FormatCount(fallbacks.failed()), " failed, ",
      FormatCount(fallbacks.lost()), " lost\n", FormatCount(reply.placements()), " columns placed, ",
      FormatCount(reply.evictions()), " driven out, ", FormatCount(reply.refusals()), " refused, ",
      FormatCount(reply.fragmented()), " of these with as much free in pieces\n");
}

absl::Status RunGpu(Invocation& invocation) {
  // Only an explicit server is asked: GPUs are a server's.
  if (invocation.flags.count("server") == 0) return ListHere(invocation);
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Admin::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::GpuReply reply;
  if (grpc::Status status = stub->GetGpu(&context, v1::GetGpuRequest(), &reply); !status.ok()) {
    return (*connection)->Explain(status);
  }
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatReply(reply));
  return absl::OkStatus();
}

}  // namespace

void AddGpuCommand(CLI::App& app, Invocation& invocation) {
  AddCommand(app, invocation, CommandKind::kClient,
             {"gpu", "The GPUs of this machine, and with --server what those of the server hold and did",
              "  vouch gpu\n"
              "  vouch gpu --server 127.0.0.1:7700"},
             [&invocation] { return RunGpu(invocation); });
}

}  // namespace vouch
