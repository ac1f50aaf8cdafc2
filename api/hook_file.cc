#include "api/hook_file.h"

#include <yaml-cpp/yaml.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/yaml_mapping.h"

namespace vouch {
namespace {

void TakeTexts(YamlMapping& mapping, const std::string& where, const std::string& key,
               std::vector<std::string>* texts) {
  if (!mapping.Has(key)) return;
  const YAML::Node list = mapping.At(key);
  if (list.IsScalar()) {
    texts->push_back(list.Scalar());
    return;
  }
  if (!list.IsSequence()) return mapping.Fail(list, where + key, "takes a list of texts");
  for (const YAML::Node& item : list) {
    if (!item.IsScalar()) return mapping.Fail(item, where + key, "takes a list of texts");
    texts->push_back(item.Scalar());
  }
}

absl::Status AddHook(const YAML::Node& node, const std::string& file,
                     const Environment& environment, std::vector<HookSpec>* hooks) {
  const std::string where = absl::StrCat("hooks[", hooks->size(), "].");
  YamlMapping mapping(node, file, where,
                      {"name", "events", "url", "command", "secret_env", "secret_file",
                       "on_failure", "timeout_ms", "attempts", "first_pause_ms", "max_pause_ms"});
  HookSpec hook;
  std::string on_failure;
  std::string variable;
  std::string secret_file;
  for (const char* key : {"name", "events"}) mapping.Require(key);
  mapping.Take("name", &hook.name);
  TakeTexts(mapping, where, "events", &hook.events);
  mapping.Take("url", &hook.url);
  TakeTexts(mapping, where, "command", &hook.command);
  mapping.Take("secret_env", &variable);
  mapping.Take("secret_file", &secret_file);
  mapping.Take("on_failure", &on_failure);
  mapping.TakeWhole<int64_t>("timeout_ms", &hook.timeout_ms, 1, HookSpec::kMaxTimeoutMs);
  mapping.TakeWhole<uint32_t>("attempts", &hook.attempts, 1, 100);
  mapping.TakeWhole<int64_t>("first_pause_ms", &hook.first_pause_ms, 1, 3'600'000);
  mapping.TakeWhole<int64_t>("max_pause_ms", &hook.max_pause_ms, 1, 3'600'000);
  if (on_failure == "allow") {
    hook.on_failure = HookSpec::OnFailure::kAllow;
  } else if (on_failure == "refuse") {
    hook.on_failure = HookSpec::OnFailure::kRefuse;
  } else if (!on_failure.empty()) {
    mapping.Fail(mapping.At("on_failure"), where + "on_failure",
                 absl::StrCat("is '", on_failure, "'; it takes allow or refuse"));
  }
  if (!mapping.status().ok()) return mapping.status();
  absl::StatusOr<std::string> secret = ApiKey(variable, secret_file, environment);
  if (!secret.ok()) return secret.status();
  hook.secret = *std::move(secret);
  for (const HookSpec& other : *hooks) {
    if (other.name == hook.name)
      mapping.Fail(mapping.At("name"), where + "name", absl::StrCat("is '", hook.name, "' twice"));
  }
  if (absl::Status status = CheckHook(hook); !status.ok())
    mapping.Fail(node, where, std::string(status.message()));
  if (!mapping.status().ok()) return mapping.status();
  hooks->push_back(std::move(hook));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HookSpec>> HooksIn(const YAML::Node& root, const std::string& file,
                                              const Environment& environment) {
  YamlMapping mapping(root, file, "", {"hooks"});
  mapping.Require("hooks");
  if (!mapping.status().ok()) return mapping.status();
  const YAML::Node list = mapping.At("hooks");
  if (!list.IsSequence() || list.size() == 0 || list.size() > HookSpec::kMaxHooks) {
    mapping.Fail(list, "hooks", absl::StrCat("takes a list of 1 to ", HookSpec::kMaxHooks));
    return mapping.status();
  }
  std::vector<HookSpec> hooks;
  for (const YAML::Node& node : list) {
    if (absl::Status status = AddHook(node, file, environment, &hooks); !status.ok()) return status;
  }
  return hooks;
}

}  // namespace

absl::StatusOr<std::vector<HookSpec>> ParseHookFile(const std::string& file_name,
                                                    const std::string& text,
                                                    const Environment& environment) {
  try {
    return HooksIn(YAML::Load(text), file_name, environment);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, ", line ", error.mark.line + 1,
                                                   ", column ", error.mark.column + 1,
                                                   ": not YAML: ", error.msg));
  }
}

absl::StatusOr<std::vector<HookSpec>> HooksOf(const Config& config,
                                              const Environment& environment) {
  if (config.hooks.empty()) return std::vector<HookSpec>();
  const absl::StatusOr<std::string> text =
      ReadWhole(config.hooks, kMaxYamlFileBytes, "the file of hooks");
  if (!text.ok()) return text.status();
  return ParseHookFile(config.hooks, *text, environment);
}

absl::StatusOr<HookRules> HookRulesOf(const Config& config, const Environment& environment) {
  absl::StatusOr<HookRules> rules = HookRules::Create(config.hook_urls, environment);
  if (rules.ok()) return rules;
  return absl::Status(rules.status().code(), absl::StrCat("hook_urls: ", rules.status().message()));
}

}  // namespace vouch
