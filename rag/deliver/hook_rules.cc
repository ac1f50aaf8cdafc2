#include "rag/deliver/hook_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "rag/http/http_error.h"
#include "storage/concat.h"

namespace vouch {
namespace {

absl::Status NotTaken(std::string_view url, std::string_view why) {
  return absl::InvalidArgumentError(Concat("'", Escape(UrlWithoutSecrets(url)), "' ", why));
}

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// A name, an IPv4 address, or an IPv6 address in brackets.
bool IsHost(std::string_view host) {
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string_view inside = brackets ? host.substr(1, host.size() - 2) : host;
  if (brackets) {
    return inside.find(':') != std::string_view::npos && std::all_of(inside.begin(), inside.end(), [](char c) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
    });
  }
  return !inside.empty() && std::all_of(inside.begin(), inside.end(), [](char c) {
    return IsAlnum(c) || c == '.' || c == '-' || c == '_';
  });
}

// "HOST" or "HOST:PORT"; false where it is neither.
bool ReadAuthority(std::string_view authority, HookUrl* url) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  if (!IsHost(host)) return false;
  url->host = absl::AsciiStrToLower(ToAbsl(host));
  url->port = url->scheme == "https" ? 443 : 80;
  if (colon == std::string_view::npos) return true;
  const std::string_view port = authority.substr(colon + 1);
  // SimpleAtoi takes signs and white space.
  return std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         absl::SimpleAtoi(ToAbsl(port), &url->port) && url->port >= 1 && url->port <= 65'535;
}

}  // namespace

absl::StatusOr<HookUrl> HookUrl::Parse(std::string_view text) {
  HookUrl url;
  for (const std::string_view scheme : {"http", "https"}) {
    if (text.starts_with(Concat(scheme, "://"))) url.scheme = scheme;
  }
  if (url.scheme.empty()) return NotTaken(text, "is no URL: it takes http:// or https://");
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '\\'; });
  if (!plain) return NotTaken(text, "has white space, a '\\' or what is not ASCII");
  if (text.find('#') != std::string_view::npos) return NotTaken(text, "has a fragment ('#'), which is not sent");
  const std::string_view rest = text.substr(url.scheme.size() + 3);
  const std::string_view authority = rest.substr(0, std::min(rest.find_first_of("/?"), rest.size()));
  if (authority.find('@') != std::string_view::npos)
    return NotTaken(text, "has a user or a password; a hook signs what it sends (secret_env)");
  if (!ReadAuthority(authority, &url)) return NotTaken(text, "has no host, or a port that is none");
  const std::string_view after = rest.substr(authority.size());
  const size_t query = after.find('?');
  url.has_query = query != std::string_view::npos;
  std::string_view path = after.substr(0, query);
  // Which of them end up as separators or as a way up is decided by whoever reads them.
  for (const char* escape : {"%2e", "%2f", "%5c", "%25"}) {
    if (absl::StrContains(absl::AsciiStrToLower(ToAbsl(path)), escape))
      return NotTaken(text, Concat("has ", escape, " in its path"));
  }
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const size_t size = std::min(path.find('/'), path.size());
    url.segments.emplace_back(path.substr(0, size));
    path.remove_prefix(size);
  }
  for (const std::string& segment : url.segments) {
    // Some servers take what follows a ';' off before they go up.
    const std::string bare = segment.substr(0, segment.find(';'));
    if (bare == "." || bare == "..") return NotTaken(text, Concat("has '", segment, "' in its path"));
  }
  while (!url.segments.empty() && url.segments.back().empty()) url.segments.pop_back();
  return url;
}

bool HookUrl::LiesUnder(const HookUrl& prefix) const {
  return scheme == prefix.scheme && host == prefix.host && port == prefix.port &&
         segments.size() >= prefix.segments.size() &&
         std::equal(prefix.segments.begin(), prefix.segments.end(), segments.begin());
}

absl::StatusOr<HookRules> HookRules::Create(const std::vector<std::string>& url_prefixes, Environment environment) {
  HookRules rules;
  for (const std::string& text : url_prefixes) {
    absl::StatusOr<HookUrl> url = HookUrl::Parse(text);
    if (!url.ok()) return url.status();
    if (url->has_query) return NotTaken(text, "has a query; a prefix is of scheme, host, port and path");
    rules.urls_.push_back(*std::move(url));
    rules.url_texts_.push_back(text);
  }
  rules.environment_ = std::move(environment);
  return rules;
}

absl::StatusOr<HookSpec> HookRules::Admit(const AppliedHook& hook) const {
  if (absl::Status status = CheckAppliedHook(hook); !status.ok()) return status;
  if (!allow_any()) {
    return absl::FailedPreconditionError(
        "this process takes no hooks that are applied: whom they may speak to is the operator's to say, by URL prefixes in "
        "--hook-urls, VOUCH_HOOK_URLS or the key hook_urls");
  }
  const absl::StatusOr<HookUrl> url = HookUrl::Parse(hook.spec.url);
  if (!url.ok()) return absl::InvalidArgumentError(Concat("url ", ToStd(url.status().message())));
  if (std::none_of(urls_.begin(), urls_.end(), [&url](const HookUrl& prefix) { return url->LiesUnder(prefix); })) {
    return absl::PermissionDeniedError(Concat("url is '", Escape(UrlWithoutSecrets(hook.spec.url)),
                                              "'; the operator allows what lies under ", absl::StrJoin(url_texts_, ", "),
                                              " (hook_urls)"));
  }
  HookSpec spec = hook.spec;
  if (hook.secret_env.empty()) return spec;
  spec.secret = environment_ == nullptr ? "" : environment_(hook.secret_env).value_or("");
  if (spec.secret.empty()) {
    return absl::NotFoundError(Concat("secret_env is ", hook.secret_env, ", which is not set where the server runs"));
  }
  return spec;
}

}  // namespace vouch
