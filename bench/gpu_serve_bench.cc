// 64 clients over gRPC on loopback of a server that searches by a GPU, against raw FAISS GPU at equal recall: 500,000 x 128, IVF-Flat.
//   bench_gpu_serve VOUCH [--seconds N]     VOUCH: the program to serve with
// Without a GPU it says so and ends with 3; with 1 where a check failed.
#include <grpcpp/grpcpp.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/gpu_parts.h"
#include "bench/gpu_rivals.h"
#include "index/dense/ivf.h"
#include "index/gpu/gpus.h"
#include "query/database.h"
#include "tests/crash/server_process.h"
#include "vouch/v1/admin.grpc.pb.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kRows = 500'000, kDim = 128, kQueries = 500, kTop = 10;
constexpr size_t kClients = 64, kChannels = 8;
constexpr double kSeconds = 6;  // of one measurement
constexpr int kRefused = 3;

using Truth = std::vector<std::vector<uint64_t>>;

void Ensure(const absl::Status& status) {
  if (!status.ok()) EndGpuBench(std::string(status.message()));
}

// The store that will be served; what is nearest to each query, by comparing all.
Truth Fill(const std::filesystem::path& folder, const std::vector<float>& rows, const std::vector<float>& queries) {
  DatabaseOptions options;
  options.path = folder.string();
  options.seal_rows = kRows;
  auto database = Database::Open(options);
  Ensure(database.status());
  CollectionSchema schema;
  DenseField field;
  field.name = "v";
  field.dim = kDim;
  field.metric = Metric::kL2;
  field.index = DenseIndexKind::kIvfFlat;
  schema.dense.push_back(field);
  auto collection = (*database)->CreateCollection(Principal(), "bench", schema);
  Ensure(collection.status());
  for (size_t row = 0; row < kRows;) {
    WriteRequest request;
    for (const size_t end = std::min(kRows, row + 5000); row < end; ++row) {
      PointInput point;
      point.id = PointId(row);
      point.vectors.emplace_back("v", std::vector<float>(&rows[row * kDim], &rows[row * kDim] + kDim));
      request.upserts.push_back(std::move(point));
    }
    Ensure((*collection)->Write(std::move(request)).status());
  }
  Ensure((*collection)->Optimize(CancelToken(), [](double) {}));
  Truth truth(kQueries);
  for (size_t q = 0; q < kQueries; ++q) {
    SearchRequest request;
    DenseLeaf leaf;
    leaf.vector.assign(&queries[q * kDim], &queries[q * kDim] + kDim);
    leaf.exact = true;
    request.query.node = std::move(leaf);
    request.projection.payload = false;
    request.limit = kTop;
    const auto found = (*collection)->Search(request);
    Ensure(found.status());
    for (const PointHit& hit : found->hits) truth[q].push_back(hit.id.number());
  }
  return truth;
}

std::vector<uint64_t> Ask(v1::Search::Stub& stub, const float* query) {
  v1::SearchRequest request;
  request.set_collection("bench");
  request.set_limit(kTop);
  request.mutable_projection()->set_no_payload(true);
  request.mutable_query()->mutable_dense()->mutable_vector()->Add(query, query + kDim);
  v1::SearchResponse response;
  grpc::ClientContext context;
  if (const grpc::Status status = stub.Search(&context, request, &response); !status.ok()) EndGpuBench(status.error_message());
  std::vector<uint64_t> ids;
  for (const v1::Hit& hit : response.hits()) ids.push_back(hit.point().id().number());
  return ids;
}

v1::GpuReply AskGpu(const std::shared_ptr<grpc::Channel>& channel) {
  v1::GpuReply reply;
  grpc::ClientContext context;
  const grpc::Status status = v1::Admin::NewStub(channel)->GetGpu(&context, v1::GetGpuRequest(), &reply);
  if (!status.ok()) EndGpuBench(status.error_message());
  return reply;
}

// Until the server's columns lie on the GPU.
void AwaitPlaced(const std::shared_ptr<grpc::Channel>& channel) {
  for (int i = 0; i < 300; ++i) {
    const v1::GpuReply reply = AskGpu(channel);
    const auto placed = [](const v1::GpuColumnInfo& column) { return !column.gpus().empty(); };
    if (!reply.columns().empty() && std::all_of(reply.columns().begin(), reply.columns().end(), placed)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EndGpuBench("the server placed nothing on the GPU within 30 s");
}

double RateOfClients(const std::string& address, const std::vector<float>& queries) {
  std::vector<std::unique_ptr<v1::Search::Stub>> stubs;
  for (size_t i = 0; i < kChannels; ++i) {
    grpc::ChannelArguments own;
    own.SetInt("vouch.channel", static_cast<int>(i));  // or they would share one connection
    stubs.push_back(v1::Search::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), own)));
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> done{0};
  std::vector<std::thread> clients;
  const auto began = std::chrono::steady_clock::now();
  for (size_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      for (size_t i = client; !stop; i += kClients, ++done) Ask(*stubs[client % kChannels], &queries[i % kQueries * kDim]);
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
  stop = true;
  for (std::thread& client : clients) client.join();
  return static_cast<double>(done) / std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

template <typename Ids>
double RecallOf(const Truth& truth, const Ids& ids_of) {
  size_t right = 0;
  for (size_t q = 0; q < kQueries; ++q) {
    for (const uint64_t id : ids_of(q)) right += std::count(truth[q].begin(), truth[q].end(), id);
  }
  return static_cast<double>(right) / (kQueries * kTop);
}

// FAISS with as few cells looked at as find as much.
void PrintRival(const std::vector<float>& rows, const std::vector<float>& queries, const Truth& truth, double recall, double rate) {
  const auto rival = HasFaissGpu() ? MakeFaissGpuIvf(IvfContent::kVectors, kDim, Ivf::CellsFor(kRows), rows) : nullptr;
  if (rival == nullptr) {
    std::printf("| raw FAISS GPU | - | - | - |\n");
    return;
  }
  std::vector<int64_t> found;
  double theirs = 0;
  for (int probes = 1; probes <= 512 && theirs < recall; probes *= 2) {
    rival->SetProbes(probes);
    rival->Search(queries.data(), kQueries, kTop, found);
    theirs = RecallOf(truth, [&](size_t q) {
      const auto first = found.begin() + static_cast<ptrdiff_t>(q * kTop);
      return std::vector<uint64_t>(first, first + kTop);
    });
  }
  const double rate_of_rival = RateOf(kClients, kSeconds, [&] { rival->Search(queries.data(), kClients, kTop, found); });
  std::printf("| raw FAISS GPU, batches of %zu | %.0f | %.3f | %.2f |\n", kClients, rate_of_rival, theirs, rate / rate_of_rival);
}

int Run(const char* program, double seconds) {
  const auto gpus = ListGpus();
  if (!HasGpuCode() || !gpus.ok() || gpus->empty()) {
    std::printf("REFUSED: %s; nothing was measured.\n", gpus.ok() ? "there is no GPU here" : std::string(gpus.status().message()).c_str());
    return kRefused;
  }
  const GpuBudget budget(seconds);
  if (!budget.Has(100, "clients over gRPC")) return 0;
  const std::vector<float> rows = MixtureOnAllCores(kRows, kDim, 1'000'000);
  const std::vector<float> queries = MixtureOnAllCores(kQueries, kDim, 2);
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / absl::StrCat("vouch-gpu-", ::getpid());
  std::filesystem::create_directories(folder);
  const Truth truth = Fill(folder / "data", rows, queries);
  const auto server = ServerProcess::Start(program, (folder / "data").string(), (folder / "log").string(),
                                           {"--gpu-devices", "0", "--gpu-pinned", "bench", "--request-threads", "128"});
  if (server == nullptr) EndGpuBench(absl::StrCat(program, " does not serve"));
  SetGpuBenchEnd([&] {
    server->Kill();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  });
  const auto channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::Search::NewStub(channel);
  Ask(*stub, queries.data());  // opens the collection
  AwaitPlaced(channel);
  const double recall = RecallOf(truth, [&](size_t q) { return Ask(*stub, &queries[q * kDim]); });
  const uint64_t before = AskGpu(channel).searches();
  const double rate = RateOfClients(server->address(), queries);
  const v1::GpuReply reply = AskGpu(channel);
  std::printf("\n%zu x %zu f32, L2, IVF-Flat, top %zu, %zu clients over gRPC on loopback\n\n", kRows, kDim, kTop, kClients);
  std::printf("| who | searches a second | recall@10 | ratio |\n|---|---|---|---|\n");
  std::printf("| vouch serve | %.0f | %.3f | |\n", rate, recall);
  if (budget.Has(30, "FAISS GPU")) PrintRival(rows, queries, truth, recall, rate);
  GpuChecks checks;
  checks.Check(static_cast<double>(reply.searches() - before) >= 0.9 * rate * kSeconds, "nine in ten searches were the GPU's");
  checks.Check(reply.fallbacks().failed() + reply.fallbacks().lost() + reply.fallbacks().out_of_memory() == 0, "none failed there");
  server->Stop();
  std::filesystem::remove_all(folder);
  return checks.failed() ? 1 : 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  double seconds = 200;
  if (argc == 4 && std::string(argv[2]) == "--seconds" && absl::SimpleAtod(argv[3], &seconds)) argc = 2;
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_gpu_serve VOUCH [--seconds N]\n");
    return 2;
  }
  return vouch::Run(argv[1], seconds);
}
