#include "api/http/http_status.h"

#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

std::string DumpError(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* OpenAiType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:  // UNKNOWN, INTERNAL, DATA_LOSS, and codes that there are not yet
      return 500;
  }
}

std::string ErrorJson(const absl::Status& status) {
  return DumpError({{"error",
                {{"code", HttpStatusOf(status.code())},
                 {"status", absl::StatusCodeToString(status.code())},
                 {"message", std::string(status.message())}}}});
}

std::string OpenAiErrorJson(const absl::Status& status, const std::string& param) {
  const int http = HttpStatusOf(status.code());
  Json code = nullptr;
  if (http == 404) code = "model_not_found";
  if (http == 429) code = "rate_limit_exceeded";
  return DumpError({{"error",
                {{"message", std::string(status.message())},
                 {"type", OpenAiType(http)},
                 {"param", param.empty() ? Json(nullptr) : Json(param)},
                 {"code", std::move(code)}}}});
}

}  // namespace vouch
