#include "api/hook_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::optional<std::string> Secrets(const std::string& name) {
  if (name == "HOOK_SECRET") return "s3cret";
  return std::nullopt;
}

TEST(HookFile, HoldsAddressesAndCommands) {
  const auto hooks = ParseHookFile("hooks.yaml",
                                   "hooks:\n"
                                   "  - name: desk\n"
                                   "    events: [after.promote, after.rollback]\n"
                                   "    url: https://example.org/events\n"
                                   "    secret_env: HOOK_SECRET\n"
                                   "    attempts: 3\n"
                                   "  - name: approval\n"
                                   "    events: before.promote\n"
                                   "    command: [/usr/bin/approve, --strict]\n"
                                   "    on_failure: refuse\n"
                                   "    timeout_ms: 100\n",
                                   Secrets);
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  ASSERT_EQ(hooks->size(), 2u);
  EXPECT_EQ((*hooks)[0].secret, "s3cret");
  EXPECT_EQ((*hooks)[0].attempts, 3u);
  EXPECT_TRUE((*hooks)[0].Wants("after.rollback"));
  EXPECT_FALSE((*hooks)[0].Wants("after.commit"));
  EXPECT_THAT((*hooks)[1].command, ElementsAre("/usr/bin/approve", "--strict"));
  EXPECT_EQ((*hooks)[1].on_failure, HookSpec::OnFailure::kRefuse);
}

TEST(HookFile, MistakesNameTheLineAndTheKey) {
  const std::string good = "name: a, events: [after.tag], url: 'http://h'";
  const std::pair<std::string, std::string> cases[] = {
      {"hook: []", "hook is no known key; there are hooks"},
      {"hooks: []", "hooks takes a list of 1 to 32"},
      {absl::StrCat("hooks: [{", good, ", size: 1}]"), "hooks[0].size is no known key"},
      {"hooks: [{name: a, url: 'http://h'}]", "hooks[0].events is missing"},
      {"hooks:\n- {name: a, events: [after.x], url: 'http://h'}", "hooks.yaml, line 2"},
      {"hooks: [{name: a, events: [before.tag], url: 'http://h'}]", "on_failure is missing"},
      {"hooks: [{name: a, events: [before.tag], url: 'http://h', on_failure: maybe}]",
       "on_failure is 'maybe'; it takes allow or refuse"},
      {absl::StrCat("hooks: [{", good, ", timeout_ms: 0}]"),
       "timeout_ms is '0'; it takes a whole number from 1 to"},
      {absl::StrCat("hooks: [{", good, "}, {", good, "}]"), "hooks[1].name is 'a' twice"},
      {"hooks: [", "not YAML"},
  };
  for (const auto& [text, message] : cases) {
    const auto hooks = ParseHookFile("hooks.yaml", text, Secrets);
    ASSERT_FALSE(hooks.ok()) << text;
    EXPECT_THAT(std::string(hooks.status().message()), HasSubstr(message)) << text;
  }
  EXPECT_TRUE(absl::IsNotFound(
      ParseHookFile("hooks.yaml", absl::StrCat("hooks: [{", good, ", secret_env: NONE}]"), Secrets)
          .status()));
}

}  // namespace
}  // namespace vouch
