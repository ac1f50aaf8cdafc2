#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/answer.h"

namespace vouch {

using AnswerReader = std::function<absl::StatusOr<Answer>(const std::string& id)>;

// Answers from the answer's hits by the request's route: fills text, citations, sources and
// `generation`. False where no model gave an answer: `generation` then says what was tried, and the
// rest is left to builtin/extractive. An error where the request ended, or where a model failed
// after some of its text had reached the listener.
// Where the pipeline has a cache, its completion may be that of an answer before, which `read` gets by
// its id. `cache_key`: set where the answer may be put into the cache once it is kept.
absl::StatusOr<bool> AnswerByModel(Collection& collection, const AskRequest& request,
                                   const AnswerReader& read, Answer* answer,
                                   std::string* cache_key);

// The same without asking: from the prompt's limit and the completion that `recorded` holds; the other
// fields of `generation` are those recorded. Where it holds no completion, only `generation` is filled,
// up to the prompt.
absl::Status RedoModelAnswer(Collection& collection, const AskRequest& request,
                             const Generation& recorded, Answer* answer);

// The language of the collection's texts: that of its first text field.
std::string LanguageOf(const CollectionSchema& schema);

}  // namespace vouch
