#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rag/answer.h"

namespace vouch {

// Whether what is read as a text of a record stands for one that was erased.
bool IsErasedText(std::string_view text);

// The paths of an answer's record whose texts hold something of a document: payloads and explanations of its hits, titles
// and headings of its sources, its quotes. Where it is cited, or a model had it before it, the answer, the completion, the
// prompt and what was found wrong with sentences, too.
std::set<std::string> PathsOf(const Answer& answer, std::string_view collection, std::string_view document);

// Erases in a record that was just kept what its sources' forgetting could not find there yet: who forgets looks at the answers that
// there are, and an ask that began before may end after it.
absl::Status EraseForgotten(Database& database, CollectionId collection, const Answer& answer);

}  // namespace vouch
