// How often drift monitors alarm without drift, and after how many questions they find a new topic in
// a tenth of them: windows of 250 questions against references of 1,000, false alarms at 1 % a window.
//   bench_drift [FOLDER with cranfield and cisi]
// Made questions (of tests/rag/topic_questions.h) by builtin/lsa and builtin/hash, about two minutes on
// two cores; with a folder also titles and questions of cranfield by builtin/lsa trained on its abstracts, where the new topic is
// cisi's.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rag/embed/builtin_hash.h"
#include "rag/embed/lsa.h"
#include "rag/eval/drift_window.h"
#include "rag/eval/interval.h"
#include "rag/eval/seeded_random.h"
#include "tests/rag/topic_questions.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261126;
constexpr size_t kReference = 1'000, kWindow = 250, kWindows = 1'000, kWindowsAReference = 40, kStreams = 100;
constexpr size_t kSoon = 500, kGivenUp = 2'500;
constexpr double kFalseAlarms = 0.01, kNewShare = 0.1;

// Questions without end: `share_new` of them of the new topic.
using Draws = std::function<DriftPoints(size_t count, double share_new)>;
// A stream of them by its seed, so that figures do not depend on the threads.
using Source = std::function<Draws(uint64_t seed)>;

DriftPoints Joined(DriftPoints a, const DriftPoints& b) {
  a.values.insert(a.values.end(), b.values.begin(), b.values.end());
  return a;
}

bool Alarms(const DriftDetector& detector, const DriftPoints& window) {
  return detector.Compare(window, {}, {}).value().alarms;
}

// Calls `run` with 0 … count - 1, on all cores.
void ForEach(size_t count, const std::function<void(size_t)>& run) {
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (size_t at = next++; at < count; at = next++) run(at);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void Measure(const char* name, const Source& source) {
  std::atomic<size_t> alarms = 0;
  std::atomic<int64_t> busy_us = 0;
  ForEach(kWindows / kWindowsAReference, [&](size_t i) {
    const Draws draws = source(kSeed + i);
    const DriftDetector detector(draws(kReference, 0), {.alpha = kFalseAlarms});
    for (size_t w = 0; w < kWindowsAReference; ++w) {
      const DriftPoints window = draws(kWindow, 0);
      const auto begin = std::chrono::steady_clock::now();
      alarms += Alarms(detector, window) ? 1 : 0;
      busy_us += std::chrono::duration_cast<std::chrono::microseconds>(
                     std::chrono::steady_clock::now() - begin)
                     .count();
    }
  });
  const Interval share = ExactInterval(alarms.load(), kWindows, 0.95);
  std::printf("| %s | %zu of %zu | %.2f %% [%.2f, %.2f] | %s | %.0f |\n", name, alarms.load(), kWindows,
              100 * static_cast<double>(alarms) / static_cast<double>(kWindows), 100 * share.low,
              100 * share.high, share.low <= kFalseAlarms ? "yes" : "**no**",
              static_cast<double>(busy_us) / 1'000 / static_cast<double>(kWindows));
}

// The topic begins somewhere in a window; windows follow one another.
void MeasureShift(const char* name, const Source& source) {
  std::vector<size_t> found_after(kStreams);
  ForEach(kStreams, [&](size_t i) {
    const Draws draws = source(kSeed + 1'000'000 + i);
    const DriftDetector detector(draws(kReference, 0), {.alpha = kFalseAlarms});
    const size_t before = SeededRandom(kSeed + i).Below(kWindow);  // of the window, without the topic
    size_t asked = kWindow - before;
    bool found = Alarms(detector, Joined(draws(before, 0), draws(kWindow - before, kNewShare)));
    while (!found && asked < kGivenUp) {
      asked += kWindow;
      found = Alarms(detector, draws(kWindow, kNewShare));
    }
    found_after[i] = asked;
  });
  std::sort(found_after.begin(), found_after.end());
  const auto within = std::upper_bound(found_after.begin(), found_after.end(), kSoon) - found_after.begin();
  double sum = 0;
  for (size_t asked : found_after) sum += static_cast<double>(asked);
  std::printf("| %s | %td of %zu | %.0f | %zu |\n", name, within, kStreams,
              sum / static_cast<double>(kStreams), found_after.back());
}

std::vector<std::string> Texts(const std::string& path, const char* key) {
  std::vector<std::string> texts;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.contains(key) && !json[key].get<std::string>().empty())
      texts.push_back(json[key].get<std::string>());
  }
  return texts;
}

DriftPoints Embedded(const Embedder& embedder, const std::vector<std::string>& texts) {
  DriftPoints points{.dim = embedder.dim()};
  const std::vector<std::vector<float>> vectors = embedder.Embed(texts, {}).value();
  for (const std::vector<float>& vector : vectors) points.Add(vector);
  return points;
}

Source Made(std::shared_ptr<const Embedder> embedder) {
  return [embedder](uint64_t seed) -> Draws {
    auto questions = std::make_shared<TopicQuestions>(seed);
    return [=](size_t count, double share_new) {
      DriftPoints points{.dim = embedder->dim()};
      return count == 0 ? points : questions->Points(*embedder, questions->Draw(count, share_new));
    };
  };
}

// Draws from texts that there are, which must outlive it.
Source Drawn(const DriftPoints& usual, const DriftPoints& other) {
  return [&usual, &other](uint64_t seed) -> Draws {
    auto random = std::make_shared<SeededRandom>(seed);
    return [&usual, &other, random](size_t count, double share_new) {
      DriftPoints points{.dim = usual.dim};
      for (size_t i = 0; i < count; ++i) {
        const DriftPoints& from = random->Uniform() < share_new ? other : usual;
        const float* point = &from.values[random->Below(from.size()) * from.dim];
        points.values.insert(points.values.end(), point, point + from.dim);
      }
      return points;
    };
  };
}

int Run(const std::string& folder) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf(
      "Windows of %zu against references of %zu, at most %g %% false alarms a window, seed %llu\n\n",
      kWindow, kReference, 100 * kFalseAlarms, static_cast<unsigned long long>(kSeed));
  std::vector<std::pair<const char*, Source>> sources = {
      {"made questions, builtin/lsa", Made(TopicQuestions::Lsa(32))},
      {"made questions, builtin/hash", Made(CreateHashEmbedder(256, "english").value())}};
  DriftPoints usual;
  DriftPoints other;
  if (!folder.empty()) {
    const auto lsa = TrainLsa({.dim = 64}, Texts(folder + "/cranfield/corpus.jsonl", "text"), {},
                              [](double) {})
                         .value();
    const auto both = [&](const std::string& name) {
      std::vector<std::string> texts = Texts(folder + "/" + name + "/corpus.jsonl", "title");
      for (std::string& text : Texts(folder + "/" + name + "/queries.jsonl", "text"))
        texts.push_back(std::move(text));
      return Embedded(*lsa, texts);
    };
    usual = both("cranfield");
    other = both("cisi");
    sources.emplace_back("cranfield, cisi new, builtin/lsa", Drawn(usual, other));
  }
  std::printf("| new topic in %g %% | found within %zu questions | mean | most |\n|---|---|---|---|\n",
              100 * kNewShare, kSoon);
  for (const auto& [name, source] : sources) MeasureShift(name, source);
  std::printf(
      "\n| without drift, %zu windows a reference | alarms | share [95 %%] | within %g %% | ms a window |\n"
      "|---|---|---|---|---|\n",
      kWindowsAReference, 100 * kFalseAlarms);
  for (const auto& [name, source] : sources) Measure(name, source);
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) { return vouch::Run(argc > 1 ? argv[1] : ""); }
