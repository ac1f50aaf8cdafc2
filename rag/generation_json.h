#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "rag/answer.h"
#include "rag/record_reader.h"

namespace vouch {

// `generation` of an answer record.
RecordJson GenerationToJson(const Generation& generation);
// DATA_LOSS names the field; `where` stands before its name.
absl::StatusOr<Generation> ReadGeneration(const RecordJson& json, std::string where);

}  // namespace vouch
