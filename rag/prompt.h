#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/llm/chat.h"

namespace vouch {

// Names the prompt's words exactly; they change only together with it.
inline constexpr std::string_view kPromptId = "answer/1";

// A passage as the prompt shows it.
struct PromptSource {
  std::string name;  // title and headings, or the document's id
  std::string text;
};

struct Prompt {
  std::vector<ChatMessage> messages;
  size_t sources = 0;  // the first so many are in it, numbered from 1
};

// The question with its sources, as many from the front as fit into `max_tokens` by EstimateTokens.
// Each line of a source begins with "> ", whatever breaks lines in it, and its name is one line:
// what a source says stays quoted data. RESOURCE_EXHAUSTED: not even the first source fits.
absl::StatusOr<Prompt> BuildPrompt(std::string_view question,
                                   const std::vector<PromptSource>& sources, uint32_t max_tokens);

struct PromptStep;
// The same by a pipeline's checked texts; `conversation` stands for {{conversation}}. A text that is
// empty makes no message.
absl::StatusOr<Prompt> BuildPrompt(const PromptStep& step, std::string_view question,
                                   std::string_view conversation,
                                   const std::vector<PromptSource>& sources, uint32_t max_tokens);

// Each line of the text with "> " before it, whatever breaks lines in it.
std::string QuotedLines(std::string_view text);

// ContentHash of the messages, in their order, as JSON.
std::string PromptHash(const std::vector<ChatMessage>& messages);

// Whether a completion is the one by which the prompt lets the model say that the sources do not
// answer the question.
bool SaysItDoesNotKnow(std::string_view completion);

}  // namespace vouch
