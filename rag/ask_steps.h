#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/answer.h"

namespace vouch {

// The steps of Ask, which a replay takes again.

// INVALID_ARGUMENT: what the request says is wrong, whoever answers it.
absl::Status CheckAsk(const AskRequest& request);

// All that is looked for, at the answer's version: the question and what rewrites made of it, by the
// pipeline's query or the request's mode; several texts are fused by reciprocal ranks.
absl::StatusOr<TextQuery> BuildAskQuery(Collection& collection, EmbedderRegistry& embedders,
                                        const AskRequest& request, const Answer& answer);

// Fills embedder, hits and build ids, at the answer's version. `points`: how many points the
// version has that the principal sees. `candidates`: keeps the rows of approximate searches, or gives those of a record.
// Where hits are interleaved and the other pipeline's cannot be had, they are this one's alone, and the answer's arm is
// against nobody.
absl::Status RetrieveHits(Collection& collection, EmbedderRegistry& embedders,
                          const AskRequest& request, CandidateLog& candidates, Answer* answer,
                          uint64_t* points);

// Fills generator, text, citations and sources from the hits, by builtin/extractive.
absl::Status AnswerByQuotes(Collection& collection, const AskRequest& request, uint64_t points,
                            Answer* answer);

}  // namespace vouch
