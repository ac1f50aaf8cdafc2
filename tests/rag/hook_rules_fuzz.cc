// URLs of hooks, and hooks as they are kept: what is taken lies where it seems to, and what is read is written as it was.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/deliver/hook_rules.h"

std::vector<std::string> FuzzSeeds() {
  vouch::AppliedHook hook;
  hook.spec.name = "h";
  hook.spec.events = {"after.*"};
  return {"https://ci.example/hooks/a?b", "https://ci.example:443/hooks", "https://[::1]:9/hooks", vouch::AppliedHookToJson(hook)};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<vouch::HookUrl> prefix = vouch::HookUrl::Parse("https://ci.example/hooks");
  const absl::StatusOr<vouch::HookUrl> url = vouch::HookUrl::Parse(text);
  if (url.ok() && url->LiesUnder(*prefix)) {
    const std::string_view rest = text.substr(std::string_view("https://").size());
    const std::string_view after = rest.substr(std::string_view("ci.example").size());
    if (after.empty() || (after[0] != '/' && after[0] != ':')) std::abort();
  }
  const absl::StatusOr<vouch::AppliedHook> hook = vouch::AppliedHookFromJson(text);
  if (!hook.ok()) return 0;
  const std::string written = vouch::AppliedHookToJson(*hook);
  const absl::StatusOr<vouch::AppliedHook> again = vouch::AppliedHookFromJson(written);
  if (!again.ok() || vouch::AppliedHookToJson(*again) != written) std::abort();
  return 0;
}
