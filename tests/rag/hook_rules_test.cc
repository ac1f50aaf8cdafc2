// Whom hooks that are applied may speak to, and by which secrets.
#include "rag/deliver/hook_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

AppliedHook Hook(const std::string& url) {
  AppliedHook hook;
  hook.spec.name = "ci";
  hook.spec.events = {"after.promote"};
  hook.spec.url = url;
  return hook;
}

HookRules Rules(const std::vector<std::string>& prefixes) {
  return HookRules::Create(prefixes, [](const std::string& variable) -> std::optional<std::string> {
           if (variable == "VOUCH_HOOK_CI") return "s3cret";
           if (variable == "OPENAI_API_KEY") return "sk-1";
           return std::nullopt;
         })
      .value();
}

TEST(HookRules, APrefixIsOfSchemeHostPortAndWholeSegments) {
  const HookRules rules = Rules({"https://ci.example", "http://Desk.example:8080/hooks/", "http://[::1]:9/a"});
  for (const char* url :
       {"https://ci.example", "https://ci.example/", "https://ci.example:443/any/path?x=1", "https://CI.example/x",
        "https://ci.example?x=1", "http://desk.example:8080/hooks", "http://desk.example:8080/hooks/new",
        "http://desk.example:8080/hooks//new", "http://[::1]:9/a/b"}) {
    EXPECT_TRUE(rules.Admit(Hook(url)).ok()) << url << ": " << rules.Admit(Hook(url)).status();
  }
  for (const char* url :
       {"https://ci.example.evil.org/", "https://evil-ci.example/", "https://ci.example.:443/", "https://ci.example:4433/",
        "http://ci.example/", "http://ci.example:443/", "http://desk.example:8080/hooksandmore",
        "http://desk.example:8080/", "http://desk.example:8080/Hooks", "http://desk.example/hooks",
        "http://desk.example:8080/x/hooks", "http://[::2]:9/a", "https://evil.org/https://ci.example/",
        "https://evil.org?https://ci.example/"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(rules.Admit(Hook(url)).status())) << url << ": " << rules.Admit(Hook(url)).status();
  }
}

TEST(HookRules, WhatReadersOfUrlsReadDifferentlyIsRefused) {
  const HookRules rules = Rules({"https://ci.example/hooks"});
  for (const char* url :
       {"https://ci.example/hooks/../admin", "https://ci.example/hooks/..", "https://ci.example/hooks/%2e%2e/admin",
        "https://ci.example/hooks/..%2Fadmin", "https://ci.example/hooks/..%5cadmin", "https://ci.example/hooks/%252e%252e/x",
        "https://ci.example/hooks/..;x/admin", "https://ci.example@evil.org/hooks", "https://ci.example:443@evil.org/hooks",
        "https://ci.example:x@evil.org/hooks", "https://evil.org\\@ci.example/hooks", "https://ci.example\\.evil.org/hooks",
        "https://ci.example#@evil.org/hooks", "https://ci.example/hooks#x", "https://ci.example /hooks",
        "https://ci.example/hooks\r\nX: y", "https://ci.example\t/hooks", "https:///hooks", "https://:443/hooks",
        "https://ci.example:/hooks/x y", "https://ci.example:+443/hooks", "https://ci.example:0/hooks",
        "https://ci.example:65536/hooks", "https://ci.example:443:443/hooks", "https://ci.example%2eevil.org/hooks",
        "https://c\u0456.example/hooks", "https://[ci.example]/hooks", "HTTPS://ci.example/hooks", "//ci.example/hooks",
        "file:///hooks", "ci.example/hooks"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(rules.Admit(Hook(url)).status())) << url << ": " << rules.Admit(Hook(url)).status();
  }
  EXPECT_THAT(std::string(rules.Admit(Hook("https://u:pass@evil.org/hooks")).status().message()), Not(HasSubstr("pass@")));
}

TEST(HookRules, WithoutPrefixesNoneIsTaken) {
  const absl::Status refused = HookRules().Admit(Hook("https://ci.example/")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr("--hook-urls"), HasSubstr("the key hook_urls")));
  for (const char* prefix : {"ci.example", "https://ci.example?x", "https://ci.example/#", "https://a@ci.example", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(HookRules::Create({prefix}, nullptr).status())) << prefix;
  }
}

TEST(HookRules, SecretsAreOfVariablesThatAreMeantForIt) {
  const HookRules rules = Rules({"https://ci.example"});
  AppliedHook hook = Hook("https://ci.example/");
  hook.secret_env = "VOUCH_HOOK_CI";
  EXPECT_EQ(rules.Admit(hook)->secret, "s3cret");
  hook.secret_env = "VOUCH_HOOK_NONE";
  const absl::Status missing = rules.Admit(hook).status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("VOUCH_HOOK_NONE, which is not set"));
  // Whether it is there or not, the message is the same.
  for (const char* variable : {"OPENAI_API_KEY", "PATH", "VOUCH_HOOK", "VOUCH_HOOK_", "VOUCH_HOOKS", "VOUCH_HOOK_URLS", "vouch_hook_ci",
                               " VOUCH_HOOK_CI", "VOUCH_HOOK_A=B"}) {
    hook.secret_env = variable;
    const absl::Status refused = rules.Admit(hook).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << variable;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("whose name begins with VOUCH_HOOK_")) << variable;
  }
}

TEST(HookRules, ACommandIsRefused) {
  AppliedHook hook = Hook("");
  hook.spec.command = {"/bin/true"};
  EXPECT_THAT(std::string(Rules({"https://ci.example"}).Admit(hook).status().message()),
              HasSubstr("command is not for hooks that are applied"));
}

TEST(AppliedHookJson, IsReadAsItWasWritten) {
  AppliedHook hook = Hook("https://ci.example/");
  hook.secret_env = "VOUCH_HOOK_CI";
  hook.spec.events = {"after.*", "before.promote"};
  hook.spec.on_failure = HookSpec::OnFailure::kRefuse;
  hook.spec.attempts = 3;
  const std::string json = AppliedHookToJson(hook);
  EXPECT_EQ(json,
            R"({"format":1,"name":"ci","events":["after.*","before.promote"],"url":"https://ci.example/",)"
            R"("secret_env":"VOUCH_HOOK_CI","on_failure":"refuse","timeout_ms":5000,"attempts":3,)"
            R"("first_pause_ms":500,"max_pause_ms":60000})");
  EXPECT_EQ(AppliedHookToJson(AppliedHookFromJson(json).value()), json);
  EXPECT_TRUE(absl::IsDataLoss(AppliedHookFromJson("{}").status()));
  EXPECT_TRUE(absl::IsDataLoss(AppliedHookFromJson("").status()));
}

}  // namespace
}  // namespace vouch
