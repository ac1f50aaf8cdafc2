// What answering costs apart from the model: 100,000 passages, BM25 and 384 dimensions, 8 passages a prompt; how long a
// streamed byte stays in the server; and many streams at a time.
//
//   bench_ask VOUCH FOLDER      the program, and where the store is made
//
// The model is a server of the bench on loopback. Overhead is the time of a question less the time of its tries at the
// model; it includes the reservation, its settlement and the record, each of which is durable. The way of a first byte is
// measured from its leaving the model to its arrival at the client of /v1/chat/completions, all on one machine.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/paced_model.h"
#include "query/database.h"
#include "rag/answer.h"
#include "storage/store.h"
#include "tests/crash/server_process.h"

namespace vouch {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kPassages = 100'000, kWords = 60, kVocabulary = 20'000, kQuestions = 300;
constexpr int kStreams = 200, kStreamSeconds = 20, kEventsASecond = 20, kHttpPort = 17'811;
constexpr uint64_t kSeed = 20261126;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_ask: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// Words by Zipf's law.
class Texts {
 public:
  explicit Texts(uint64_t seed) : random_(seed) {
    for (size_t i = 0; i < kVocabulary; ++i) weights_.push_back(1.0 / static_cast<double>(i + 1));
    words_ = std::discrete_distribution<size_t>(weights_.begin(), weights_.end());
  }
  std::string Make(size_t words) {
    std::string text = "The";
    for (size_t i = 0; i < words; ++i) {
      text += " w" + std::to_string(words_(random_));
      if (i % 15 == 14) text += ". The";
    }
    return text + " end.";
  }

 private:
  std::mt19937_64 random_;
  std::vector<double> weights_;
  std::discrete_distribution<size_t> words_;
};

void Ingest(const std::string& program, const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "done")) return;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  {
    std::ofstream out(folder / "corpus.jsonl");
    Texts texts(kSeed);
    for (size_t i = 0; i < kPassages; ++i) {
      out << "{\"_id\": \"p" << i << "\", \"title\": \"Passage " << i << "\", \"text\": \""
          << texts.Make(kWords) << "\"}\n";
    }
  }
  const std::string data = " --data '" + (folder / "store").string() + "' --quiet > /dev/null";
  const std::string collection = "'" + program + "' ingest bench '" + (folder / "corpus.jsonl").string() +
                                 "' --embedder 'builtin/hash?dim=384'" + data;
  const std::string optimize = "'" + program + "' collection optimize bench" + data;
  if (std::system(collection.c_str()) != 0 || std::system(optimize.c_str()) != 0)
    Check(absl::InternalError("ingestion failed"));
  std::ofstream(folder / "done") << "\n";
}

double At(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

void Row(const char* name, const std::vector<double>& ms) {
  std::printf("| %s | %.2f | %.2f | %.2f |\n", name, At(ms, 0.5), At(ms, 0.9), At(ms, 0.99));
}

void MeasureOverhead(const std::filesystem::path& store) {
  DatabaseOptions options;
  options.path = store.string();
  auto database = Database::Open(options);
  Check(database.status());
  EmbedderRegistry embedders{ModelServerOptions()};
  SpendLedger ledger((*database)->store().catalog(), (*database)->clock());
  const PacedModel model({.text = "The passage speaks of it [1]. "});
  RouteSpec spec;
  spec.tiers = {{.name = "model", .endpoint = {.base_url = model.base_url(), .model = "m"}, .parameters = {}}};
  auto route = ModelRoute::Create(spec, {.ledger = ledger});
  Check(route.status());
  std::vector<double> all, retrieve, rest, quotes;
  Texts questions(kSeed + 1);
  for (size_t i = 0; i < kQuestions + 20; ++i) {
    AskRequest ask;
    ask.collection = "bench";
    ask.question = questions.Make(8);
    ask.min_grounding = 0;
    for (ModelRoute* models : {route->get(), static_cast<ModelRoute*>(nullptr)}) {
      ask.route = models;
      const auto begin = SteadyClock::now();
      const auto answer = Ask(**database, embedders, ask);
      const double ms = std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count();
      Check(answer.status());
      if (i < 20) continue;  // warm caches
      if (models == nullptr) {
        quotes.push_back(ms);
        continue;
      }
      double tries_ms = 0;
      for (const ModelAttempt& attempt : answer->generation->attempts)
        tries_ms += static_cast<double>(attempt.ended_us - attempt.started_us) / 1'000;
      all.push_back(ms - tries_ms);
      retrieve.push_back(static_cast<double>(answer->retrieve_us) / 1'000);
      rest.push_back(ms - tries_ms - retrieve.back());
    }
  }
  std::printf("%zu passages x 384, hybrid with BM25, 8 passages, %zu questions, seed %llu\n\n", kPassages, kQuestions,
              static_cast<unsigned long long>(kSeed));
  std::printf("| ms | p50 | p90 | p99 |\n|---|---|---|---|\n");
  Row("`Ask` apart from the model", all);
  Row("of that retrieval", retrieve);
  Row("of that prompt, check, books and record", rest);
  Row("`Ask` that quotes", quotes);
}

// One question over HTTP. The time at which its first text came; false where it did not end well.
bool Stream(SteadyClock::time_point* first_text, size_t* events) {
  const int fd = ConnectTo(kHttpPort);
  if (fd < 0) return false;
  const std::string body =
      R"({"model":"collection:bench","stream":true,"messages":[{"role":"user","content":"The w1 w7 w40 w90?"}]})";
  const bool sent = WriteAll(fd, "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                                 "Connection: close\r\nContent-Length: " +
                                     std::to_string(body.size()) + "\r\n\r\n" + body);
  std::string tail;
  char buffer[16384];
  bool first = true;
  bool done = false;
  for (ssize_t got = 0; sent && (got = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    tail.append(buffer, static_cast<size_t>(got));
    for (size_t at = tail.find("tick"); at != std::string::npos; at = tail.find("tick", at + 4)) ++*events;
    if (first && *events > 0) {
      *first_text = SteadyClock::now();
      first = false;
    }
    done = done || tail.find("[DONE]") != std::string::npos;
    tail.erase(0, tail.size() - std::min<size_t>(tail.size(), 3));
    if (done) break;
  }
  ::close(fd);
  return done;
}

struct ProcessState {
  double rss_mib = 0;
  long threads = 0;
};

ProcessState StateOf(pid_t pid) {
  ProcessState state;
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("VmRSS:", 0) == 0) state.rss_mib = std::strtod(line.c_str() + 6, nullptr) / 1'024;
    if (line.rfind("Threads:", 0) == 0) state.threads = std::strtol(line.c_str() + 8, nullptr, 10);
  }
  return state;
}

std::unique_ptr<ServerProcess> Serve(const std::string& program, const std::filesystem::path& folder,
                                     const PacedModel& model) {
  auto server = ServerProcess::Start(
      program, (folder / "store").string(), (folder / "log").string(),
      {"--http-listen", "127.0.0.1:" + std::to_string(kHttpPort), "--request-threads", "256", "--http-connections", "256",
       "--generator-model", "m", "--generator-endpoint", model.base_url(), "--log-level", "error"});
  if (server == nullptr) Check(absl::InternalError("the server does not start; see " + (folder / "log").string()));
  return server;
}

void MeasureFirstByte(const std::string& program, const std::filesystem::path& folder) {
  const PacedModel model({.before_first_ms = 30, .between_ms = 2, .events = 3, .text = "tick "});
  const auto server = Serve(program, folder, model);
  std::vector<double> ms;
  for (int i = 0; i < 220; ++i) {
    SteadyClock::time_point first_text;
    size_t events = 0;
    if (!Stream(&first_text, &events)) Check(absl::InternalError("a stream ended early"));
    if (i >= 20) ms.push_back(std::chrono::duration<double, std::milli>(first_text - model.first_event()).count());
  }
  std::printf("\n| ms | p50 | p90 | p99 |\n|---|---|---|---|\n");
  Row("first streamed byte, from the model to the client", ms);
}

void MeasureStreams(const std::string& program, const std::filesystem::path& folder) {
  const PacedModel model({.before_first_ms = 100,
                          .between_ms = 1'000 / kEventsASecond,
                          .events = kStreamSeconds * kEventsASecond,
                          .text = "tick "});
  const auto server = Serve(program, folder, model);
  std::vector<std::thread> clients;
  std::atomic<int> done = 0;
  std::atomic<size_t> events = 0;
  for (int i = 0; i < kStreams; ++i) {
    clients.emplace_back([&] {
      SteadyClock::time_point first_text;
      size_t seen = 0;
      done += Stream(&first_text, &seen) ? 1 : 0;
      events += seen;
    });
  }
  std::printf("\n%d streams at a time for %d s, %d events a second each\n\n| second | resident MiB | threads |\n|---|---|---|\n",
              kStreams, kStreamSeconds, kEventsASecond);
  for (int second = 3; second <= kStreamSeconds; second += 4) {
    std::this_thread::sleep_for(std::chrono::seconds(second == 3 ? 3 : 4));
    const ProcessState state = StateOf(server->pid());
    std::printf("| %d | %.0f | %ld |\n", second, state.rss_mib, state.threads);
  }
  for (std::thread& client : clients) client.join();
  std::printf("\n%d of %d streams ended whole, with %zu of %zu events\n", done.load(), kStreams, events.load(),
              static_cast<size_t>(kStreams) * kStreamSeconds * kEventsASecond);
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bench_ask VOUCH FOLDER\n");
    return 2;
  }
  const std::string program = argv[1];
  const std::filesystem::path folder = argv[2];
  vouch::Ingest(program, folder);
  vouch::MeasureOverhead(folder / "store");
  vouch::MeasureFirstByte(program, folder);
  vouch::MeasureStreams(program, folder);
  return 0;
}
