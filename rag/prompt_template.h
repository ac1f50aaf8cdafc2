#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rag/pipeline.h"

namespace vouch {

// Texts with places {{NAME}}. A name is a letter or '_' and then letters, digits and '_'; spaces
// around it count for nothing. What stands in place of one is never looked into again, so that a
// source that holds "{{question}}" is quoted as it is.

// INVALID_ARGUMENT names the text, the byte and what is wrong: a place that is not closed or has no
// name, a variable that is not declared, one that is not used, or no place for sources or question.
absl::Status CheckPromptTemplate(const PromptStep& step);

// Of a checked text: every place by its value; one without a value stays empty.
std::string FillTemplate(std::string_view text, const std::map<std::string, std::string>& values);

}  // namespace vouch
