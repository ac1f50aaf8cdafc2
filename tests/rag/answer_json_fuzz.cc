// The kept form of an answer, and a row's provenance.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/answer.h"
#include "rag/provenance.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto answer = vouch::AnswerFromJson(text); answer.ok()) {
    const std::string json = vouch::AnswerToJson(*answer);
    const auto again = vouch::AnswerFromJson(json);
    if (!again.ok() || vouch::AnswerToJson(*again) != json) std::abort();
  }
  if (const auto provenance = vouch::DecodeProvenance(text); provenance.ok()) {
    const std::string json = vouch::EncodeProvenance(*provenance);
    const auto again = vouch::DecodeProvenance(json);
    if (!again.ok() || vouch::EncodeProvenance(*again) != json) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::Answer answer;
  answer.id = "017f22e2-79b0-7000-8000-000000000000";
  answer.text = "A quote. [1]";
  answer.build_ids = {"a"};
  answer.citations.push_back({.answer = {0, 8},
                              .source_number = 1,
                              .point = vouch::PointId(1),
                              .row = vouch::RowId(2),
                              .document = "d",
                              .uri = "u",
                              .source_hash = "h",
                              .source = {3, 11},
                              .quote = "A quote.",
                              .verified = true});
  answer.sources.emplace_back().score = 0.25;
  answer.hits.emplace_back().explanation.emplace_back().terms.push_back(
      {.term = "quote", .frequency = 1, .document_frequency = 2, .idf = 1.5, .score = 0.5});
  vouch::Answer by_model = answer;
  vouch::Generation& generation = by_model.generation.emplace();
  generation.prompt.push_back({.role = "user", .content = "q"});
  generation.attempts.push_back({.tier = "small", .outcome = "ok"});
  generation.sentences.emplace_back().sources = {1};
  return {vouch::AnswerToJson(answer), vouch::AnswerToJson(by_model),
          vouch::AnswerToJson(vouch::Answer()),
          vouch::EncodeProvenance(
              {.document = "d",
               .uri = "u",
               .source_hash = "h",
               .source = {1, 2},
               .spans = vouch::SpanMap::Identity(4, 7),
               .blocks = {{{.kind = vouch::Block::Kind::kCode, .level = 0, .begin = 0, .end = 4}}},
               .parser = "p",
               .chunker = "c",
               .embedder = "e"})};
}
