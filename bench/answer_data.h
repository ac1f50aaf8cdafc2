#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/embed/embedder_registry.h"
#include "storage/concat.h"

namespace vouch {

// Texts of words whose frequency falls as 1 / rank (Zipf), in sentences of twelve; embedded by builtin/hash, so that nothing is
// trained. The same seed gives the same texts.
class AnswerData {
 public:
  static constexpr size_t kWords = 20'000, kSentences = 5, kWordsOfASentence = 12;

  explicit AnswerData(uint64_t seed) : random_(seed) {
    std::vector<double> weights(kWords);
    for (size_t i = 0; i < kWords; ++i) weights[i] = 1.0 / static_cast<double>(i + 1);
    word_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
  }

  static CollectionSchema Schema(uint32_t dim) {
    CollectionSchema schema;
    schema.dense.push_back({.name = "embedding",
                            .dim = dim,
                            .metric = Metric::kCosine,
                            .index = DenseIndexKind::kHnsw,
                            .hnsw = {},
                            .embedder = Concat("builtin/hash?dim=", dim)});
    schema.text.push_back({.name = "text", .paths = {"text"}});
    return schema;
  }

  std::string Sentence() {
    std::string sentence;
    for (size_t i = 0; i < kWordsOfASentence; ++i) {
      sentence += i == 0 ? "The " : " ";
      sentence += Word();
    }
    return Concat(sentence, ".");
  }
  std::string Text() {
    std::string text;
    for (size_t i = 0; i < kSentences; ++i) text += Concat(i == 0 ? "" : " ", Sentence());
    return text;
  }
  // Some rare words of it, as one would ask.
  std::string Question() {
    std::string question = "What of";
    for (int i = 0; i < 4; ++i) question += Concat(" ", WordOf(200 + random_() % (kWords - 200)));
    return Concat(question, "?");
  }

  // Points `first` … `first + count - 1`, in commits of 1,000.
  void Write(Collection& collection, EmbedderRegistry& embedders, uint32_t dim, size_t first, size_t count) {
    const auto embedder = embedders.Create(Concat("builtin/hash?dim=", dim));
    Check(embedder.status());
    for (size_t from = first; from < first + count; from += 1'000) {
      WriteRequest write;
      std::vector<std::string> texts;
      for (size_t id = from; id < std::min(first + count, from + 1'000); ++id) {
        texts.push_back(Text());
        PointInput point;
        point.id = PointId(id);
        point.payload = nlohmann::json{{"text", texts.back()}}.dump();
        write.upserts.push_back(std::move(point));
      }
      auto vectors = (*embedder)->Embed(texts, CancelToken());
      Check(vectors.status());
      for (size_t i = 0; i < texts.size(); ++i)
        write.upserts[i].vectors.emplace_back("embedding", std::move((*vectors)[i]));
      Check(collection.Write(std::move(write)).status());
    }
  }

  static std::unique_ptr<Database> Open(const std::filesystem::path& dir) {
    DatabaseOptions options;
    options.path = dir.string();
    auto database = Database::Open(options);
    Check(database.status());
    return *std::move(database);
  }

  static void Check(const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "bench: %s\n", std::string(status.message()).c_str());
    std::exit(1);
  }

 private:
  // Pronounceable, and no two alike.
  static std::string WordOf(size_t number) {
    static constexpr char kConsonants[] = "bdfgklmnprstvz";
    static constexpr char kVowels[] = "aeiou";
    std::string word;
    for (size_t rest = number + 70; rest > 0; rest /= 70) {
      word += kConsonants[rest % 14];
      word += kVowels[rest / 14 % 5];
    }
    return word;
  }
  std::string Word() { return WordOf(word_(random_)); }

  std::mt19937_64 random_;
  std::discrete_distribution<size_t> word_;
};

}  // namespace vouch
