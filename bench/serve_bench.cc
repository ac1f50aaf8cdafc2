// What a search costs over gRPC on loopback, above the same search in process: 100,000 x 128, HNSW, k = 10.
//
// Two copies of one store: this process searches the one, a `vouch serve` of its own the other, in turns. The client has
// one connection and one request at a time. Payloads are left out, so that the difference is the transport's; a call
// that does nothing shows how much of it no server could save.
//
//   bench_serve VOUCH      the program to serve with
#include <grpcpp/grpcpp.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "bench/mixture.h"
#include "query/database.h"
#include "tests/crash/server_process.h"
#include "vouch/v1/admin.grpc.pb.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kRows = 100'000, kDim = 128, kQueries = 2'000, kRounds = 9;
constexpr uint64_t kSeed = 20261123;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_serve: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

std::unique_ptr<Database> OpenDatabase(const std::filesystem::path& dir) {
  DatabaseOptions options;
  options.path = dir.string();
  auto database = Database::Open(options);
  Check(database.status());
  return *std::move(database);
}

void FillCollection(Database& database) {
  CollectionSchema schema;
  DenseField field;
  field.name = "v";
  field.dim = kDim;
  field.metric = Metric::kL2;
  schema.dense.push_back(field);
  auto collection = database.CreateCollection(Principal(), "bench", schema);
  Check(collection.status());
  const std::vector<float> data = MakeMixture(kRows, kDim, kSeed, 1);
  for (size_t row = 0; row < kRows;) {
    WriteRequest request;
    for (size_t end = row + 500; row < end; ++row) {
      PointInput point;
      point.id = PointId(row);
      point.vectors.emplace_back("v", std::vector<float>(&data[row * kDim], &data[(row + 1) * kDim]));
      request.upserts.push_back(std::move(point));
    }
    Check((*collection)->Write(std::move(request)).status());
  }
  Check((*collection)->Optimize(CancelToken(), [](double) {}));
}

template <typename Search>
std::vector<double> Latencies(Search search) {
  std::vector<double> micros(kQueries);
  for (size_t q = 0; q < kQueries; ++q) {
    const auto start = std::chrono::steady_clock::now();
    search(q);
    micros[q] = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  }
  std::sort(micros.begin(), micros.end());
  return micros;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(const char* program) {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("vouch-serve-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  FillCollection(*OpenDatabase(dir / "here"));
  std::filesystem::copy(dir / "here", dir / "there", std::filesystem::copy_options::recursive);
  std::unique_ptr<Database> database = OpenDatabase(dir / "here");
  auto collection = database->GetCollection(Principal(), "bench");
  Check(collection.status());
  const auto server = ServerProcess::Start(program, (dir / "there").string(), (dir / "log").string());
  if (server == nullptr) Check(absl::InternalError(std::string(program) + " does not serve"));
  auto channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
  auto stub = v1::Search::NewStub(channel);
  auto admin = v1::Admin::NewStub(channel);
  const std::vector<float> queries = MakeMixture(kQueries, kDim, kSeed, 2);

  const auto in_process = [&](size_t q) {
    SearchRequest request;
    DenseLeaf leaf;
    leaf.vector.assign(&queries[q * kDim], &queries[q * kDim] + kDim);
    request.query.node = std::move(leaf);
    request.projection.payload = false;
    Check((*collection)->Search(request).status());
  };
  const auto over_grpc = [&](size_t q) {
    v1::SearchRequest request;
    request.set_collection("bench");
    request.mutable_projection()->set_no_payload(true);
    request.mutable_query()->mutable_dense()->mutable_vector()->Add(&queries[q * kDim], &queries[q * kDim] + kDim);
    v1::SearchResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub->Search(&context, request, &response);
    if (!status.ok()) Check(absl::InternalError(status.error_message()));
  };
  const auto empty_call = [&](size_t) {
    v1::VersionReply response;
    grpc::ClientContext context;
    const grpc::Status status = admin->GetVersion(&context, v1::GetVersionRequest(), &response);
    if (!status.ok()) Check(absl::InternalError(status.error_message()));
  };
  Latencies(in_process);
  Latencies(over_grpc);
  std::vector<double> p50_in, p99_in, p50_out, p99_out, p50_empty, p99_empty, above;
  for (size_t round = 0; round < kRounds; ++round) {
    const std::vector<double> in = Latencies(in_process), out = Latencies(over_grpc), empty = Latencies(empty_call);
    p50_in.push_back(in[kQueries / 2]);
    p99_in.push_back(in[kQueries * 99 / 100]);
    p50_out.push_back(out[kQueries / 2]);
    p99_out.push_back(out[kQueries * 99 / 100]);
    p50_empty.push_back(empty[kQueries / 2]);
    p99_empty.push_back(empty[kQueries * 99 / 100]);
    above.push_back(p50_out.back() - p50_in.back());
  }
  std::printf("%zu x %zu, HNSW M=16 efConstruction=200 ef=100, k=10, %zu queries, median of %zu rounds, seed %llu\n\n", kRows, kDim,
              kQueries, kRounds, static_cast<unsigned long long>(kSeed));
  std::printf("| call | p50 µs | p99 µs |\n|---|---|---|\n| search in process | %.0f | %.0f |\n", Median(p50_in), Median(p99_in));
  std::printf("| search over gRPC, loopback | %.0f | %.0f |\n", Median(p50_out), Median(p99_out));
  std::printf("| call that does nothing, over gRPC | %.0f | %.0f |\n", Median(p50_empty), Median(p99_empty));
  std::printf("\np50 above in process: %.0f µs [%.0f–%.0f]\n", Median(above), *std::min_element(above.begin(), above.end()),
              *std::max_element(above.begin(), above.end()));
  server->Stop();
  collection->reset();
  database.reset();
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_serve VOUCH\n");
    return 2;
  }
  return vouch::Main(argv[1]);
}
