#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rag/http/http_client.h"

namespace vouch {

// A URL without what may be secret in it (user and password, query, fragment): for ids and
// messages.
std::string UrlWithoutSecrets(std::string_view url);

// `text` with "***" in place of each occurrence of `secret`: a server may repeat a key in its
// message.
std::string WithoutSecret(std::string text, std::string_view secret);

// What a server says went wrong: {"error": {"message": …}}, {"error": "…"}, {"message": …},
// {"detail": …}, else the body's beginning; at most 300 bytes, unprintable bytes escaped.
std::string ErrorMessageOf(std::string_view body);

// The error that a reply with another status than 2xx stands for, as "URL: HTTP 503: message".
// UNAVAILABLE (408, 425, 429, 5xx), UNAUTHENTICATED (401), PERMISSION_DENIED (403), NOT_FOUND
// (404), FAILED_PRECONDITION (3xx: names where it leads), else INVALID_ARGUMENT.
absl::Status StatusOfReply(std::string_view url, const HttpReply& reply);

// Whether the same request may succeed later: UNAVAILABLE, or no reply in time.
bool IsWorthRetrying(const absl::Status& status);

}  // namespace vouch
