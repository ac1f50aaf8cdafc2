#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/answer.h"

namespace vouch {

// Answers from the answer's hits by the request's route: fills text, citations, sources and
// `generation`. False where no model gave an answer: `generation` then says what was tried, and the
// rest is left to builtin/extractive. An error where the request ended, or where a model failed
// after some of its text had reached the listener.
absl::StatusOr<bool> AnswerByModel(Collection& collection, const AskRequest& request,
                                   Answer* answer);

// The same without asking: from the prompt's limit and the completion that `recorded` holds; the other
// fields of `generation` are those recorded. Where it holds no completion, only `generation` is filled,
// up to the prompt.
absl::Status RedoModelAnswer(Collection& collection, const AskRequest& request,
                             const Generation& recorded, Answer* answer);

// The language of the collection's texts: that of its first text field.
std::string LanguageOf(const CollectionSchema& schema);

}  // namespace vouch
