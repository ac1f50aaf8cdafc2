#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "rag/record_reader.h"

namespace vouch {

// Parts that stand elsewhere in a record, too.
RecordJson MessageToJson(const ChatMessage& message);
absl::StatusOr<ChatMessage> ReadChatMessage(const RecordJson& json, std::string where);
RecordJson AttemptToJson(const ModelAttempt& attempt);
absl::StatusOr<ModelAttempt> ReadAttempt(const RecordJson& json, std::string where);

// `generation` of an answer record.
RecordJson GenerationToJson(const Generation& generation);
// DATA_LOSS names the field; `where` stands before its name.
absl::StatusOr<Generation> ReadGeneration(const RecordJson& json, std::string where);

}  // namespace vouch
