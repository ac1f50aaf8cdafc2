#pragma once

#include <vector>

#include "rag/passage.h"
#include "rag/pipeline.h"

namespace vouch {

// What of the retrieved passages an answer is made from, and in which order. Without any of it they
// stay as they are, best first. `dedupe` leaves out a passage whose text, white space collapsed,
// stands whole in a better one; in document order, those of a document follow each other as they
// stand in it, and documents follow by their best passage. A function of the passages alone.
std::vector<Passage> AssemblePassages(std::vector<Passage> passages, const AssembleStep& step);

}  // namespace vouch
