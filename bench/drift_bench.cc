// How often drift monitors alarm without drift, and after how many questions they find a new topic in
// a tenth of them: windows of 250 questions against references of 1,000, false alarms at 1 % a window.
//   bench_drift [FOLDER with cranfield and cisi]
// Made questions (of tests/rag/topic_questions.h) by builtin/lsa and builtin/hash; with a folder also
// titles and questions of cranfield by builtin/lsa trained on its abstracts, where the new topic is
// cisi's.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
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
constexpr size_t kReference = 1'000, kWindow = 250, kWindows = 1'000, kStreams = 100;
constexpr double kFalseAlarms = 0.01, kNewShare = 0.1;

// Questions without end: `share_new` of them of the new topic.
using Source = std::function<DriftPoints(size_t count, double share_new)>;

DriftPoints Joined(DriftPoints a, const DriftPoints& b) {
  a.values.insert(a.values.end(), b.values.begin(), b.values.end());
  return a;
}

void Measure(const char* name, const Source& source, size_t windows_a_reference) {
  size_t alarms = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (size_t done = 0; done < kWindows; done += windows_a_reference) {
    const DriftDetector detector(source(kReference, 0), {.alpha = kFalseAlarms});
    for (size_t i = 0; i < windows_a_reference; ++i)
      alarms += detector.Compare(source(kWindow, 0), {}, {}).alarms ? 1 : 0;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const Interval share = ExactInterval(alarms, kWindows, 0.95);
  std::printf("| %s, %zu windows a reference | %zu of %zu | %.4f [%.4f, %.4f] | %.0f |\n", name,
              windows_a_reference, alarms, kWindows,
              static_cast<double>(alarms) / static_cast<double>(kWindows), share.low, share.high,
              1'000 * seconds / static_cast<double>(kWindows));
}

// The topic begins somewhere in a window; windows follow one another.
void MeasureShift(const char* name, const Source& source) {
  SeededRandom random(kSeed);
  size_t within = 0;
  size_t most = 0;
  double sum = 0;
  for (size_t i = 0; i < kStreams; ++i) {
    const DriftDetector detector(source(kReference, 0), {.alpha = kFalseAlarms});
    const size_t before = random.Below(kWindow);  // questions of the window without the topic
    size_t asked = kWindow - before;
    bool found = detector
                     .Compare(Joined(source(before, 0), source(kWindow - before, kNewShare)), {}, {})
                     .alarms;
    while (!found && asked < 10 * kWindow) {
      asked += kWindow;
      found = detector.Compare(source(kWindow, kNewShare), {}, {}).alarms;
    }
    within += asked <= 500 ? 1 : 0;
    most = std::max(most, asked);
    sum += static_cast<double>(asked);
  }
  std::printf("| %s | %zu of %zu | %.0f | %zu |\n", name, within, kStreams,
              sum / static_cast<double>(kStreams), most);
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

// Draws from texts that there are.
Source Drawn(DriftPoints usual, DriftPoints other) {
  auto random = std::make_shared<SeededRandom>(kSeed);
  return [=, usual = std::move(usual), other = std::move(other)](size_t count, double share_new) {
    DriftPoints points{.dim = usual.dim};
    for (size_t i = 0; i < count; ++i) {
      const DriftPoints& from = random->Uniform() < share_new ? other : usual;
      const float* point = &from.values[random->Below(from.size()) * from.dim];
      points.values.insert(points.values.end(), point, point + from.dim);
    }
    return points;
  };
}

int Run(const std::string& folder) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("Windows of %zu against references of %zu, at most %g %% false alarms a window, seed %llu\n\n",
              kWindow, kReference, 100 * kFalseAlarms, static_cast<unsigned long long>(kSeed));
  const auto made = TopicQuestions::Lsa(32);
  const auto hash = CreateHashEmbedder(256, "english").value();
  TopicQuestions questions(kSeed);
  std::vector<std::pair<const char*, Source>> sources = {
      {"made questions, builtin/lsa",
       [&](size_t count, double share_new) {
         return questions.Points(*made, questions.Draw(count, share_new));
       }},
      {"made questions, builtin/hash", [&](size_t count, double share_new) {
         return questions.Points(*hash, questions.Draw(count, share_new));
       }}};
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
    sources.emplace_back("cranfield, cisi new, builtin/lsa", Drawn(both("cranfield"), both("cisi")));
  }
  std::printf("| new topic in %g %% | found within 500 questions | mean | most |\n|---|---|---|---|\n",
              100 * kNewShare);
  for (const auto& [name, source] : sources) MeasureShift(name, source);
  std::printf("\n| without drift | alarms | share [95 %%] | ms a window |\n|---|---|---|---|\n");
  for (const auto& [name, source] : sources) {
    Measure(name, source, 40);
    Measure(name, source, kWindows);
  }
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) { return vouch::Run(argc > 1 ? argv[1] : ""); }
