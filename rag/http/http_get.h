#pragma once

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/http/http_client.h"

namespace vouch {

// As HttpClient::Post, by GET, without a body and over a connection of its own: for the few requests
// that only ask.
absl::StatusOr<HttpReply> HttpGet(const HttpRequest& request, const CancelToken& cancel);

}  // namespace vouch
