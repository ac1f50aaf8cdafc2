#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/deliver/applied_hook.h"
#include "rag/deliver/hook.h"

namespace vouch {

// An http or https URL in its parts, as far as they say whom one speaks to. Whatever readers of URLs are known to read
// differently is refused: a user or password, a "\", escapes of "." and "/", "." and ".." as segments, what is not ASCII.
struct HookUrl {
  std::string scheme = {};                 // "http", "https"
  std::string host = {};                   // in lower case; an IPv6 address with its brackets
  uint32_t port = 0;                       // that of the scheme where none is given
  std::vector<std::string> segments = {};  // of the path, without those that are empty at its end
  bool has_query = false;

  static absl::StatusOr<HookUrl> Parse(std::string_view url);
  // Whether it has the scheme, the host and the port of `prefix`, and whole segments of a path that begins as that one's.
  bool LiesUnder(const HookUrl& prefix) const;
};

// What the operator allows of hooks that are applied: by default nothing. Set once, then read by any thread.
class HookRules {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& variable)>;

  HookRules() = default;
  // INVALID_ARGUMENT names the prefix that is none.
  static absl::StatusOr<HookRules> Create(const std::vector<std::string>& url_prefixes, Environment environment);

  bool allow_any() const { return !urls_.empty(); }
  // The hook as it is called, with its secret. INVALID_ARGUMENT: the hook is wrong. FAILED_PRECONDITION: no hook may be
  // applied at all. PERMISSION_DENIED: not to this address. NOT_FOUND: there is no such secret.
  absl::StatusOr<HookSpec> Admit(const AppliedHook& hook) const;

 private:
  std::vector<HookUrl> urls_;
  std::vector<std::string> url_texts_;
  Environment environment_;  // null: there are no variables
};

}  // namespace vouch
