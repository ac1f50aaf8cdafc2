#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rag/answer.h"

namespace vouch {

// Asks the request's models for what its pipeline's rewrite step wants, and fills `answer->rewrites`.
// A model that fails leaves the question as it is, and the record says so. FAILED_PRECONDITION: the
// step needs a model and there is none. Else an error only where the request ended.
absl::Status RewriteQuestion(const AskRequest& request, Answer* answer);

// The question that stands alone: the rewritten one, else the one that was asked.
const std::string& EffectiveQuestion(const Answer& answer);
// What is looked for: the effective question, and what the other rewrites made of it.
std::vector<std::string> RetrievalTexts(const Answer& answer);

// "User: …\nAssistant: …\n", the latest turns that fit, oldest first.
std::string ConversationText(const std::vector<ChatMessage>& conversation);
// The latest turns of a conversation, as many as are kept and looked at.
std::vector<ChatMessage> LatestTurns(std::vector<ChatMessage> conversation);

}  // namespace vouch
