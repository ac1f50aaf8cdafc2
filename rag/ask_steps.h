#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "rag/answer.h"

namespace vouch {

// The steps of Ask, which a replay takes again.

// Fills embedder, hits and build ids, at the answer's version. `points`: how many points the
// version has that the principal sees.
absl::Status RetrieveHits(Collection& collection, EmbedderRegistry& embedders,
                          const AskRequest& request, Answer* answer, uint64_t* points);

// Fills generator, text, citations and sources from the hits, by builtin/extractive.
absl::Status AnswerByQuotes(Collection& collection, const AskRequest& request, uint64_t points,
                            Answer* answer);

}  // namespace vouch
