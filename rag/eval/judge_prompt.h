#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/eval/dataset.h"
#include "rag/llm/chat.h"

namespace vouch {

// What a model is asked of an answer. The words of a prompt never change under its id.
struct JudgePrompt {
  std::string_view measure;  // "judge_faithfulness"
  std::string_view id;       // "faithfulness/1"
  std::string_view rules;
  bool needs_sources = false;
  bool needs_reference = false;
};
const std::vector<JudgePrompt>& JudgePrompts();

// Whether something of the answer that the prompt would show was erased: what stands in its place is no answer and no source.
bool IsErasedFor(const JudgePrompt& prompt, const Answer& answer);

// The prompt with the answer, all quoted line by line. Sources have the numbers by which the answer cites them. nullopt: one that it
// cites is gone or does not fit into `max_tokens`, so that the judge would not see what the answer rests on.
absl::StatusOr<std::optional<std::vector<ChatMessage>>> JudgeMessages(const JudgePrompt& prompt, const DatasetQuestion& question,
                                                                      const Answer& answer, const Collection& collection,
                                                                      const Principal& principal, uint32_t max_tokens);

// A judge's reply: the number `score` of the first JSON object in it, 0 to 1; NaN where there is none.
double ScoreOfVerdict(std::string_view reply);

}  // namespace vouch
