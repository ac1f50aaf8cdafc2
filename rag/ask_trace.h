#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "rag/answer.h"

namespace vouch {

// Spans of one ask, after OpenTelemetry's semantic conventions for generative AI (status Development, 2026): the ask
// itself (`invoke_workflow`), retrieval, each try at a model (`chat`), and the embedding of the question (`embeddings`).
// No text of question, sources or answer stands in them, since the conventions want content only where it is asked for.

// The question's embedding, as it is done. `request.tracer` is not null.
void RecordEmbedding(const AskRequest& request, const Answer& answer, uint32_t dim, int64_t start_us, int64_t end_us,
                     const absl::Status& status);
// All the others, from what the answer says; `status` is how the ask ended. `request.tracer` is not null.
void RecordAsk(const AskRequest& request, const Answer& answer, int64_t end_us, const absl::Status& status);

}  // namespace vouch
