#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rag/deliver/event.h"
#include "rag/deliver/hook_runner.h"

namespace vouch {

// A dead letter as the journal keeps it, JSON. DATA_LOSS.
std::string EncodeDeadLetter(const DeadLetter& letter);
absl::StatusOr<DeadLetter> DecodeDeadLetter(std::string_view text);
// Its event, to be sent as it was.
Event EventOfLetter(const DeadLetter& letter);

}  // namespace vouch
