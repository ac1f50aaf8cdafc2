// How often drift monitors alarm without drift, and after how many questions they find a new topic in
// a tenth of them: windows of 250 questions against references of 1,000, false alarms at 1 % a window.
//   bench_drift [FOLDER with cranfield and cisi]
// Made questions (of tests/rag/topic_questions.h) by builtin/lsa and builtin/hash, about two minutes on
// two cores; with a folder also titles and questions of cranfield by builtin/lsa trained on its abstracts, where the new topic is
// cisi's, the same by builtin/hash, and the other way round.
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

#include "index/inverted/analyzer.h"
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

struct Questions {
  DriftPoints points = {};
  std::vector<DriftWords> words = {};
};

// Questions without end: `share_new` of them of the new topic.
using Draws = std::function<Questions(size_t count, double share_new)>;
// A stream of them by its seed, so that figures do not depend on the threads.
using Source = std::function<Draws(uint64_t seed)>;

Questions Joined(Questions a, const Questions& b) {
  a.points.values.insert(a.points.values.end(), b.points.values.begin(), b.points.values.end());
  a.words.insert(a.words.end(), b.words.begin(), b.words.end());
  return a;
}

// A reference, and what is seen of windows.
class Seen {
 public:
  explicit Seen(const Questions& reference)
      : detector_(reference.points, {.alpha = kFalseAlarms}), reference_{.words = reference.words} {}

  bool Alarms(const Questions& window) const {
    return detector_.Compare(window.points, reference_, {.words = window.words}).value().alarms;
  }

 private:
  const DriftDetector detector_;
  const DriftBesides reference_;
};

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
    const Seen reference(draws(kReference, 0));
    for (size_t w = 0; w < kWindowsAReference; ++w) {
      const Questions window = draws(kWindow, 0);
      const auto begin = std::chrono::steady_clock::now();
      alarms += reference.Alarms(window) ? 1 : 0;
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
    const Seen reference(draws(kReference, 0));
    const size_t before = SeededRandom(kSeed + i).Below(kWindow);  // of the window, without the topic
    size_t asked = kWindow - before;
    bool found = reference.Alarms(Joined(draws(before, 0), draws(kWindow - before, kNewShare)));
    while (!found && asked < kGivenUp) {
      asked += kWindow;
      found = reference.Alarms(draws(kWindow, kNewShare));
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

Questions Seeing(const Embedder& embedder, const std::vector<std::string>& texts) {
  static const std::shared_ptr<const Analyzer> analyzer = Analyzer::Create("english").value();
  Questions questions{.points = {.dim = embedder.dim()}};
  if (texts.empty()) return questions;
  const std::vector<std::vector<float>> vectors = embedder.Embed(texts, {}).value();
  for (const std::vector<float>& vector : vectors) questions.points.Add(vector);
  for (const std::string& text : texts) questions.words.push_back(DriftWordsOf(*analyzer, text));
  return questions;
}

Source Made(std::shared_ptr<const Embedder> embedder) {
  return [embedder](uint64_t seed) -> Draws {
    auto questions = std::make_shared<TopicQuestions>(seed);
    return [=](size_t count, double share_new) { return Seeing(*embedder, questions->Draw(count, share_new)); };
  };
}

// Draws from texts that there are, which must outlive it.
Source Drawn(const Questions& usual, const Questions& other) {
  return [&usual, &other](uint64_t seed) -> Draws {
    auto random = std::make_shared<SeededRandom>(seed);
    return [&usual, &other, random](size_t count, double share_new) {
      Questions questions{.points = {.dim = usual.points.dim}};
      for (size_t i = 0; i < count; ++i) {
        const Questions& from = random->Uniform() < share_new ? other : usual;
        const size_t place = random->Below(from.words.size());
        const float* point = &from.points.values[place * from.points.dim];
        questions.points.values.insert(questions.points.values.end(), point, point + from.points.dim);
        questions.words.push_back(from.words[place]);
      }
      return questions;
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
  std::vector<std::unique_ptr<Questions>> kept;
  if (!folder.empty()) {
    const auto trained = [&](const std::string& name) -> std::shared_ptr<const Embedder> {
      return TrainLsa({.dim = 64}, Texts(folder + "/" + name + "/corpus.jsonl", "text"), {}, [](double) {}).value();
    };
    const auto of = [&](const std::string& name, const Embedder& embedder) -> const Questions& {
      std::vector<std::string> texts = Texts(folder + "/" + name + "/corpus.jsonl", "title");
      for (std::string& text : Texts(folder + "/" + name + "/queries.jsonl", "text")) texts.push_back(std::move(text));
      return *kept.emplace_back(std::make_unique<Questions>(Seeing(embedder, texts)));
    };
    const auto add = [&](const char* title, const std::string& usual, const std::string& other, const Embedder& embedder) {
      sources.emplace_back(title, Drawn(of(usual, embedder), of(other, embedder)));
    };
    add("cranfield, cisi new, builtin/lsa", "cranfield", "cisi", *trained("cranfield"));
    add("cranfield, cisi new, builtin/hash", "cranfield", "cisi", *CreateHashEmbedder(256, "english").value());
    add("cisi, cranfield new, builtin/lsa", "cisi", "cranfield", *trained("cisi"));
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
