// How often experiments err, and what they add to a question.
//
//   bench_experiment FOLDER     where the store is made
//
// First, simulated: A/A experiments and worse challengers, looked at after every answer. Then the time of a question to
// the champion over an in-process channel: without an experiment, with an A/B, and with a shadow of every question, in
// turns, with a pause after each question.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/server.h"
#include "query/database.h"
#include "rag/deliver/experiment_state.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/seeded_random.h"
#include "rag/ingestor.h"
#include "storage/concat.h"
#include "vouch/v1/answers.grpc.pb.h"
#include "vouch/v1/delivery.grpc.pb.h"
#include "vouch/v1/experiments.grpc.pb.h"
#include "vouch/v1/pipelines.grpc.pb.h"

namespace vouch {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kRuns = 1'000, kAnswers = 2'000, kRounds = 12, kQuestions = 40;
constexpr size_t kDocuments = 5'000;
constexpr std::chrono::milliseconds kPause{15};

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_experiment: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}
void Check(const grpc::Status& status) {
  if (!status.ok()) Check(absl::InternalError(status.error_message()));
}

struct Ended {
  bool ended = false;
  int answers = 0;
};

// Answers of ever new callers.
Ended Simulate(const ExperimentSpec& spec, double champion, double challenger, uint64_t seed) {
  SeededRandom random(seed);
  ExperimentState state = NewRun(spec, 1, 1);
  for (int i = 1; i <= kAnswers; ++i) {
    ExperimentOutcome outcome;
    outcome.run = 1;
    outcome.step = state.step;
    outcome.share = ShareAt(spec, state.step);
    outcome.challenger = random.Uniform() < outcome.share;
    outcome.asked = true;
    outcome.signal = random.Uniform() < (outcome.challenger ? challenger : champion) ? 1 : 0;
    TakeOutcome(spec, outcome, &state);
    if (Judge(spec, state)) return {true, i};
    if (state.step + 1 < spec.ramp.size() &&
        state.steps[state.step].challenger.answers >= spec.ramp[state.step].answers) {
      ++state.step;
    }
  }
  return {false, kAnswers};
}

void SimulateAll() {
  ExperimentSpec ab;
  ExperimentSpec canary;
  canary.mode = ExperimentMode::kCanary;
  canary.ramp = {{0.05, 50, 0}, {0.25, 100, 0}, {0.5, 1'000, 0}};
  std::printf(
      "\n%d runs of up to %d answers, a look after each, alpha 0.05; of equal arms every end is a false alarm\n\n"
      "| mode | champion | challenger | ended | mean answers | p90 |\n|---|---|---|---|---|---|\n",
      kRuns, kAnswers);
  const std::pair<double, double> rates[] = {{0.02, 0.02}, {0.2, 0.2}, {0.5, 0.5}, {0.8, 0.8},
                                             {0.98, 0.98}, {0.8, 0.7}, {0.8, 0.6}, {0.8, 0.4}};
  for (const auto& [name, spec] : {std::pair{"ab", &ab}, std::pair{"canary 5/25/50 %", &canary}}) {
    for (const auto& [champion, challenger] : rates) {
      int ended = 0;
      double sum = 0;
      std::vector<int> answers;
      for (uint64_t run = 1; run <= kRuns; ++run) {
        const Ended end = Simulate(*spec, champion, challenger, run);
        ended += end.ended ? 1 : 0;
        answers.push_back(end.answers);
        sum += end.answers;
      }
      std::sort(answers.begin(), answers.end());
      std::printf("| %s | %.2f | %.2f | %.1f %% | %.0f | %d |\n", name, champion, challenger, 100.0 * ended / kRuns,
                  sum / kRuns, answers[kRuns * 9 / 10]);
    }
  }
}

// A store with documents and two versions of a pipeline, and a server in process.
class Served {
 public:
  explicit Served(const std::filesystem::path& folder) {
    std::filesystem::remove_all(folder);
    DatabaseOptions options;
    options.path = folder.string();
    auto database = Database::Open(std::move(options));
    Check(database.status());
    database_ = *std::move(database);
    Ingest();
    auto server = Server::Start(ServerOptions{}, *database_, embedders_);
    Check(server.status());
    server_ = *std::move(server);
    channel_ = server_->InProcessChannel();
    answers_ = v1::Answers::NewStub(channel_);
    Pipeline(8);
    Pipeline(6);
    v1::PromoteRequest promote;
    promote.set_pipeline("bench@1");
    promote.set_alias("champion");
    v1::Promotion promotion;
    grpc::ClientContext context;
    Check(v1::Delivery::NewStub(channel_)->Promote(&context, promote, &promotion));
  }

  void Begin(const std::string& mode) {
    v1::ApplyExperimentRequest request;
    v1::ExperimentSpec* spec = request.mutable_spec();
    spec->set_name(mode);
    spec->set_pipeline("bench");
    spec->set_challenger("2");
    spec->set_mode(mode);
    v1::ApplyExperimentResponse reply;
    grpc::ClientContext context;
    Check(v1::Experiments::NewStub(channel_)->ApplyExperiment(&context, request, &reply));
  }
  v1::Experiment End(const std::string& mode) {
    const auto stub = v1::Experiments::NewStub(channel_);
    v1::GetExperimentRequest get;
    get.set_name(mode);
    v1::Experiment shown;
    grpc::ClientContext get_context;
    Check(stub->GetExperiment(&get_context, get, &shown));
    v1::RemoveExperimentRequest remove;
    remove.set_name(mode);
    v1::RemoveExperimentResponse reply;
    grpc::ClientContext context;
    Check(stub->RemoveExperiment(&context, remove, &reply));
    return shown;
  }

  double AskMs(size_t number) {
    v1::AskRequest request;
    request.set_pipeline("bench@champion");
    request.set_question(
        Concat("What is said of part", number % kDocuments, " and of part", number * 7 % kDocuments, "?"));
    v1::Answer answer;
    grpc::ClientContext context;
    const auto begin = SteadyClock::now();
    Check(answers_->Ask(&context, request, &answer));
    return std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count();
  }

 private:
  void Ingest() {
    IngestOptions options;
    options.collection = "bench";
    options.embedder = "builtin/hash?dim=384";
    auto ingestor = Ingestor::Begin(*database_, embedders_, std::move(options), {}, nullptr);
    Check(ingestor.status());
    for (size_t i = 0; i < kDocuments; ++i) {
      Document document;
      document.id = Concat("d", i);
      for (size_t sentence = 0; sentence < 6; ++sentence) {
        document.bytes += Concat("The part", i, " is held by screw", i * 31 % 977 + sentence, " and rests on part",
                                 (i + 7) % kDocuments, ". ");
      }
      Check((*ingestor)->Add(std::move(document)));
    }
    Check((*ingestor)->Finish().status());
  }

  void Pipeline(uint32_t chunks) {
    v1::ApplyPipelineRequest request;
    v1::PipelineSpec* spec = request.mutable_spec();
    spec->set_name("bench");
    spec->set_collection("bench");
    spec->mutable_retrieve()->set_chunks(chunks);
    v1::ApplyPipelineResponse reply;
    grpc::ClientContext context;
    Check(v1::Pipelines::NewStub(channel_)->ApplyPipeline(&context, request, &reply));
  }

  std::unique_ptr<Database> database_;
  EmbedderRegistry embedders_{ModelServerOptions()};
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Answers::Stub> answers_;
};

double At(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

void MeasureShadow(const std::filesystem::path& folder) {
  Served served(folder);
  size_t number = 0;
  while (number < 50) served.AskMs(number++);
  const char* const kModes[] = {"none", "ab", "shadow"};
  std::vector<double> times[3];
  uint64_t shadows = 0;
  uint64_t dropped = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (size_t mode = 0; mode < 3; ++mode) {
      if (mode > 0) served.Begin(kModes[mode]);
      for (int i = 0; i < kQuestions; ++i) {
        times[mode].push_back(served.AskMs(number++));
        std::this_thread::sleep_for(kPause);
      }
      if (mode == 0) continue;
      const v1::Experiment shown = served.End(kModes[mode]);
      if (mode != 2) continue;
      shadows += shown.arms(1).answers();
      dropped += shown.dropped();
    }
  }
  std::printf(
      "\nQuestions to the champion, %zu of each, %zu documents, ms; %llu shadows were asked meanwhile, %llu dropped\n\n"
      "| experiment | p50 | p90 | p99 | p50 more than none |\n|---|---|---|---|---|\n",
      times[0].size(), kDocuments, static_cast<unsigned long long>(shadows), static_cast<unsigned long long>(dropped));
  for (size_t mode = 0; mode < 3; ++mode) {
    std::printf("| %s | %.2f | %.2f | %.2f | %.2f |\n", kModes[mode], At(times[mode], 0.5), At(times[mode], 0.9),
                At(times[mode], 0.99), At(times[mode], 0.5) - At(times[0], 0.5));
  }
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench_experiment FOLDER\n");
    return 2;
  }
  vouch::SimulateAll();
  vouch::MeasureShadow(std::filesystem::path(argv[1]) / "store");
  return 0;
}
