#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/embed/lsa.h"
#include "rag/embed/lsa_model.h"

namespace {

void TryParse(std::string_view bytes) {
  const absl::StatusOr<vouch::LsaModel> model = vouch::LsaModel::Parse(bytes);
  if (!model.ok()) return;
  if (model->Serialize() != bytes) std::abort();  // there is one encoding of a model
  const auto embedder = vouch::ParseLsa(bytes);
  if (!embedder.ok()) return;  // an unknown language
  const std::vector<std::string> texts = {"a cat", "one text"};
  if (!(*embedder)->Embed(texts, vouch::CancelToken()).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  TryParse(bytes);
  // And behind the checksum.
  if (size < sizeof(uint64_t)) return 0;
  const uint64_t checksum = XXH3_64bits(bytes.data(), size - sizeof(uint64_t));
  bytes.replace(size - sizeof(checksum), sizeof(checksum), reinterpret_cast<const char*>(&checksum),
                sizeof(checksum));
  TryParse(bytes);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::LsaModel small{.dim = 2,
                        .rank = 1,
                        .training_texts = 1,
                        .language = "none",
                        .terms = {"a"},
                        .idf = {1},
                        .loadings = {1}};
  vouch::LsaModel larger{.dim = 4,
                         .rank = 2,
                         .training_texts = 9,
                         .language = "english",
                         .terms = {"cat", "one", "text"},
                         .idf = {1, 2, 3},
                         .loadings = {1, -2, 3, -4, 5, -6}};
  return {small.Serialize(), larger.Serialize()};
}
