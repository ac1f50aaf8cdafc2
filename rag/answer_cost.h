#pragma once

#include <cstdint>

#include "rag/answer.h"

namespace vouch {

// Of all tries of all models, those that rewrote the question among them; in billionths of the currency of the answer's prices.
uint64_t CostNanoOf(const Answer& answer);

}  // namespace vouch
