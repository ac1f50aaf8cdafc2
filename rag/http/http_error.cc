#include "rag/http/http_error.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxMessageBytes = 300;

}  // namespace

std::string UrlWithoutSecrets(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::string_view authority =
      url.substr(host, std::min(url.find('/', host), url.size()) - host);
  const size_t at = authority.rfind('@');
  const size_t user = at == std::string_view::npos ? 0 : at + 1;
  // A "?" before the "@" is part of a password or a query; what is secret then cannot be told.
  if (authority.substr(0, user).find_first_of("?#") != std::string_view::npos) {
    return Concat(url.substr(0, host), "…");
  }
  const std::string_view rest = url.substr(host + user);
  return Concat(url.substr(0, host), rest.substr(0, rest.find_first_of("?#")));
}

std::string WithoutSecret(std::string text, std::string_view secret) {
  constexpr std::string_view kHidden = "***";
  if (secret.empty()) return text;
  for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), kHidden);
    at += kHidden.size();
  }
  return text;
}

std::string ErrorMessageOf(std::string_view body) {
  const Json reply = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (reply.is_object()) {
    for (const char* key : {"error", "message", "detail"}) {
      const auto found = reply.find(key);
      if (found == reply.end()) continue;
      const Json* message = &*found;
      if (message->is_object() && message->contains("message")) message = &(*message)["message"];
      if (message->is_string())
        return Escape(message->get_ref<const std::string&>(), kMaxMessageBytes);
    }
  }
  return Escape(body, kMaxMessageBytes);
}

absl::Status StatusOfReply(std::string_view url, const HttpReply& reply) {
  const std::string where = Concat(UrlWithoutSecrets(url), ": HTTP ", reply.status, ": ");
  if (reply.status >= 300 && reply.status < 400) {
    return absl::FailedPreconditionError(Concat(
        where, "the server redirects to ", reply.location.empty() ? "nowhere" : reply.location,
        ", which is not followed; set the address that is meant"));
  }
  const std::string message = Concat(where, ErrorMessageOf(reply.body));
  switch (reply.status) {
    case 401:
      return absl::UnauthenticatedError(message);
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 408:
    case 425:
    case 429:
      return absl::UnavailableError(message);
    default:
      return reply.status >= 500 ? absl::UnavailableError(message)
                                 : absl::InvalidArgumentError(message);
  }
}

bool IsWorthRetrying(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace vouch
