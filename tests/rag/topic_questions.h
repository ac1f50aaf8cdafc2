#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "rag/embed/lsa.h"
#include "rag/eval/drift_window.h"
#include "rag/eval/seeded_random.h"

namespace vouch {

// Questions of a support desk as they come: a topic by its share, two or three of its words, and a
// way to ask. Topic kNew is not among those of the first day.
class TopicQuestions {
 public:
  static constexpr size_t kNew = 5;

  explicit TopicQuestions(uint64_t seed) : random_(seed) {}

  std::string Ask(size_t topic) {
    const auto& words = Words()[topic];
    const auto word = [&] { return words[random_.Below(words.size())]; };
    std::string text = Openings()[random_.Below(Openings().size())];
    for (int i = 0; i < 2; ++i) text.append(" ").append(word());
    if (random_.Below(2) == 0) text.append(" with the ").append(word());
    return text.append("?");
  }
  // `share_new` of them about the new topic.
  std::vector<std::string> Draw(size_t count, double share_new) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i)
      texts.push_back(Ask(random_.Uniform() < share_new ? kNew : random_.Below(kNew)));
    return texts;
  }
  // Of documents about all topics, the new one among them: what is new is that it is asked for.
  static std::shared_ptr<const Embedder> Lsa(uint32_t dim) {
    TopicQuestions random(1);
    std::vector<std::string> documents;
    for (size_t i = 0; i < 40 * (kNew + 1); ++i) {
      std::string text;
      for (int part = 0; part < 3; ++part) text.append(random.Ask(i % (kNew + 1))).append(" ");
      documents.push_back(std::move(text));
    }
    return TrainLsa({.dim = dim}, documents, {}, [](double) {}).value();
  }
  DriftPoints Points(const Embedder& embedder, const std::vector<std::string>& texts) const {
    DriftPoints points{.dim = embedder.dim()};
    const std::vector<std::vector<float>> vectors = embedder.Embed(texts, {}).value();
    for (const std::vector<float>& vector : vectors) points.Add(vector);
    return points;
  }

 private:
  static const std::vector<std::string>& Openings() {
    static const auto& all = *new std::vector<std::string>{
        "How do I change the", "Why does the", "What is wrong with my", "Where can I find the",
        "Please explain the", "Can you cancel the", "When will the", "I lost the"};
    return all;
  }
  static const std::array<std::vector<std::string>, kNew + 1>& Words() {
    static const auto& all = *new std::array<std::vector<std::string>, kNew + 1>{
        std::vector<std::string>{"invoice", "payment", "refund", "card", "bank", "amount", "receipt",
                                 "tax", "discount", "price"},
        {"parcel", "delivery", "courier", "address", "tracking", "warehouse", "customs", "van",
         "doorstep", "label"},
        {"password", "login", "account", "email", "code", "browser", "session", "profile", "username",
         "device"},
        {"printer", "cable", "screen", "battery", "charger", "keyboard", "fan", "speaker", "hinge",
         "adapter"},
        {"warranty", "repair", "return", "technician", "appointment", "spare", "workshop", "claim",
         "damage", "inspection"},
        {"vineyard", "grape", "harvest", "barrel", "cork", "tannin", "cellar", "vintage", "bouquet",
         "sommelier"}};
    return all;
  }

  SeededRandom random_;
};

}  // namespace vouch
