#include "rag/prompt_template.h"

#include <functional>
#include <set>

#include "absl/strings/ascii.h"
#include "storage/concat.h"

namespace vouch {
namespace {

const std::set<std::string, std::less<>>& OwnNames() {
  static const auto& names =
      *new std::set<std::string, std::less<>>{"conversation", "question", "sources"};
  return names;
}

bool IsName(std::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name.front()))) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

std::string_view Trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Gives `text` to `piece` and each name between braces to `place`, in order. INVALID_ARGUMENT says
// where a place is broken; `place` may end it likewise.
absl::Status Walk(std::string_view text, const std::function<void(std::string_view)>& piece,
                  const std::function<absl::Status(std::string_view name, size_t at)>& place) {
  size_t at = 0;
  for (;;) {
    const size_t begin = text.find("{{", at);
    piece(text.substr(at, begin == std::string_view::npos ? begin : begin - at));
    if (begin == std::string_view::npos) return absl::OkStatus();
    const size_t end = text.find("}}", begin);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError(Concat("has a {{ at byte ", begin, " that nothing closes"));
    }
    const std::string_view name = Trimmed(text.substr(begin + 2, end - begin - 2));
    if (!IsName(name)) {
      return absl::InvalidArgumentError(Concat("has {{", Escape(name), "}} at byte ", begin,
                                               ", which is no variable's name"));
    }
    if (absl::Status status = place(name, begin); !status.ok()) return status;
    at = end + 2;
  }
}

}  // namespace

absl::Status CheckPromptTemplate(const PromptStep& step) {
  if (step.variables.size() > PromptStep::kMaxVariables) {
    return absl::InvalidArgumentError(Concat("prompt.variables has ", step.variables.size(),
                                             " names; the limit is ", PromptStep::kMaxVariables));
  }
  for (const auto& [name, value] : step.variables) {
    if (!IsName(name) || OwnNames().contains(name)) {
      return absl::InvalidArgumentError(
          Concat("prompt.variables has '", Escape(name),
                 "'; a name is of letters, digits and '_', and none of conversation, question, "
                 "sources"));
    }
  }
  if (step.empty()) {
    if (step.variables.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "prompt.variables are declared, and there is neither prompt.system nor prompt.user");
  }
  std::set<std::string, std::less<>> used;
  const std::pair<const char*, const std::string*> texts[] = {{"prompt.system", &step.system},
                                                              {"prompt.user", &step.user}};
  for (const auto& [field, text] : texts) {
    if (text->size() > PromptStep::kMaxTextBytes) {
      return absl::InvalidArgumentError(Concat(field, " has ", text->size(),
                                               " bytes; the limit is ", PromptStep::kMaxTextBytes));
    }
    const absl::Status status = Walk(
        *text, [](std::string_view) {},
        [&](std::string_view name, size_t at) -> absl::Status {
          used.emplace(name);
          if (OwnNames().contains(name) || step.variables.contains(std::string(name)))
            return absl::OkStatus();
          return absl::InvalidArgumentError(
              Concat("has {{", name, "}} at byte ", at,
                     "; declare it in prompt.variables, or take question, sources or "
                     "conversation"));
        });
    if (!status.ok())
      return absl::InvalidArgumentError(Concat(field, " ", ToStd(status.message())));
  }
  for (const char* name : {"sources", "question"}) {
    if (used.contains(name)) continue;
    return absl::InvalidArgumentError(
        Concat("the prompt has no place {{", name, "}}, neither in prompt.system nor in prompt.user"));
  }
  for (const auto& [name, value] : step.variables) {
    if (used.contains(name)) continue;
    return absl::InvalidArgumentError(
        Concat("prompt.variables has '", name, "', which no text of the prompt uses"));
  }
  return absl::OkStatus();
}

std::string FillTemplate(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string filled;
  const absl::Status status = Walk(
      text, [&filled](std::string_view piece) { filled += piece; },
      [&](std::string_view name, size_t) {
        const auto found = values.find(std::string(name));
        if (found != values.end()) filled += found->second;
        return absl::OkStatus();
      });
  // A text that was not checked: what follows its broken place is left out.
  status.IgnoreError();
  return filled;
}

}  // namespace vouch
