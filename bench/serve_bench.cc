// What a search costs over gRPC on loopback, above the same search in process: 100,000 x 128, HNSW, k = 10.
//
// Two copies of one store: this process searches the one, a `vouch serve` of its own the other, in turns. The client has
// one connection and one request at a time. Payloads are left out, so that the difference is the transport's.
//
// The floor is what no engine behind gRPC could save: a bare gRPC server with the same messages, which only computes for
// as long as the search takes in process. For that long the caller's core sleeps, and waking it costs; a call that does
// nothing is shown as well, since it is over before the core sleeps.
//
//   bench_serve VOUCH      the program to serve with
#include <grpcpp/grpcpp.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
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

// Answers a search by ten hits after it has computed for as many microseconds as its limit says.
class BareSearch final : public v1::Search::Service {
 public:
  grpc::Status Search(grpc::ServerContext*, const v1::SearchRequest* request, v1::SearchResponse* response) override {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(request->limit());
    for (uint64_t i = 0; i < 10; ++i) {
      v1::Hit* hit = response->add_hits();
      hit->mutable_point()->mutable_id()->set_number(i);
      hit->set_score(static_cast<float>(i));
    }
    while (std::chrono::steady_clock::now() < end) {
    }
    return grpc::Status::OK;
  }
};

// A process of its own, as gRPC does not survive a fork. Prints its port.
int ServeBare() {
  BareSearch service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  server->Wait();
  return 0;
}

// The bare server as a child, killed with the object.
class BareServer {
 public:
  BareServer() {
    int out[2];
    if (::pipe(out) != 0) Check(absl::InternalError("no pipe"));
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::close(out[0]);
      ::execl("/proc/self/exe", "bench_serve", "--bare", nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    FILE* lines = ::fdopen(out[0], "r");
    int port = 0;
    if (std::fscanf(lines, "%d", &port) != 1) Check(absl::InternalError("the bare server does not start"));
    std::fclose(lines);
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~BareServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  const std::string& address() const { return address_; }

 private:
  pid_t pid_ = 0;
  std::string address_;
};

int Main(const char* program) {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("vouch-serve-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  const BareServer bare;  // before this process has threads
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
  auto bare_stub = v1::Search::NewStub(grpc::CreateChannel(bare.address(), grpc::InsecureChannelCredentials()));
  double in_process_micros = 0;
  const auto bare_call = [&](size_t q) {
    v1::SearchRequest request;
    request.set_collection("bench");
    request.set_limit(static_cast<uint32_t>(in_process_micros));
    request.mutable_query()->mutable_dense()->mutable_vector()->Add(&queries[q * kDim], &queries[q * kDim] + kDim);
    v1::SearchResponse response;
    grpc::ClientContext context;
    if (!bare_stub->Search(&context, request, &response).ok()) Check(absl::InternalError("the bare server is gone"));
  };
  const auto empty_call = [&](size_t) {
    v1::VersionReply response;
    grpc::ClientContext context;
    const grpc::Status status = admin->GetVersion(&context, v1::GetVersionRequest(), &response);
    if (!status.ok()) Check(absl::InternalError(status.error_message()));
  };
  Latencies(in_process);
  Latencies(over_grpc);
  struct Line {
    const char* name;
    std::vector<double> p50, p99;
    double Add(const std::vector<double>& micros) {
      p50.push_back(micros[kQueries / 2]);
      p99.push_back(micros[kQueries * 99 / 100]);
      return p50.back();
    }
  };
  Line in{"search in process", {}, {}}, out{"search over gRPC, loopback", {}, {}},
      floor{"bare gRPC server that computes for as long", {}, {}}, empty{"call that does nothing, over gRPC", {}, {}};
  std::vector<double> above, floor_above;
  for (size_t round = 0; round < kRounds; ++round) {
    in_process_micros = in.Add(Latencies(in_process));
    above.push_back(out.Add(Latencies(over_grpc)) - in_process_micros);
    floor_above.push_back(floor.Add(Latencies(bare_call)) - in_process_micros);
    empty.Add(Latencies(empty_call));
  }
  std::printf("%zu x %zu, HNSW M=16 efConstruction=200 ef=100, k=10, %zu queries, median of %zu rounds, seed %llu\n\n", kRows, kDim,
              kQueries, kRounds, static_cast<unsigned long long>(kSeed));
  std::printf("| call | p50 µs | p99 µs |\n|---|---|---|\n");
  for (const Line* line : {&in, &out, &floor, &empty}) {
    std::printf("| %s | %.0f | %.0f |\n", line->name, Median(line->p50), Median(line->p99));
  }
  const auto print = [](const char* name, const std::vector<double>& values) {
    std::printf("\n%s: %.0f µs [%.0f–%.0f]\n", name, Median(values), *std::min_element(values.begin(), values.end()),
                *std::max_element(values.begin(), values.end()));
  };
  print("p50 above in process", above);
  print("of that the floor, a bare gRPC server", floor_above);
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
  if (std::string_view(argv[1]) == "--bare") return vouch::ServeBare();
  return vouch::Main(argv[1]);
}
