#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/embed/embedder.h"

namespace vouch {

struct LsaOptions {
  uint32_t dim = 300;  // of the vectors; where the corpus has a lower rank the rest is zero
  uint32_t max_terms = 50'000;  // vocabulary, by document frequency
  uint32_t min_documents =
      1;  // a term must stand in so many texts; raised by training for large corpora
  uint32_t max_training_texts = 20'000;  // evenly spaced sample of the texts above this
  std::string language = "english";
};

// Latent semantic analysis (Deerwester et al., 1990): texts × terms weighted (1 + log tf) · idf,
// rows normalised, truncated SVD, texts folded in as their weighted terms times the right singular
// vectors. One thread, fixed start vector: the same texts in the same order give the same bytes on
// the same machine.
//
// INVALID_ARGUMENT: no text has a term, or an option is out of bounds.
absl::StatusOr<std::shared_ptr<const Embedder>> TrainLsa(
    const LsaOptions& options, std::span<const std::string> texts, const CancelToken& cancel,
    const std::function<void(double)>& progress);
// The model's bytes (rag/embed/lsa_model.h): format version, vocabulary, idf, matrix, checksum.
// Empty where the embedder is no builtin/lsa.
std::string SerializeLsa(const Embedder& lsa);
// DATA_LOSS where the bytes are damaged.
absl::StatusOr<std::shared_ptr<const Embedder>> ParseLsa(std::string_view bytes);

}  // namespace vouch
