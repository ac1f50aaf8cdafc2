#pragma once

#include <string>

#include "absl/status/status.h"

namespace vouch {

// The HTTP status of a canonical code, as google/rpc/code.proto pairs them; CANCELLED is 499.
int HttpStatusOf(absl::StatusCode code);

// {"error":{"code":404,"status":"NOT_FOUND","message":"…"}}
std::string ErrorJson(const absl::Status& status);

// The error of OpenAI's API: {"error":{"message","type","param","code"}}, all four always there.
// `param` is empty or the field that is wrong.
std::string OpenAiErrorJson(const absl::Status& status, const std::string& param = "");

}  // namespace vouch
