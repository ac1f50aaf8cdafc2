#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rag/answer.h"

namespace vouch {

// Notes what comes of an answer, and in which order.
class NotingListener final : public AnswerListener {
 public:
  absl::Status OnSources(const std::vector<AnswerSource>& sources) override {
    events.push_back("sources " + std::to_string(sources.size()));
    return absl::OkStatus();
  }
  absl::Status OnText(std::string_view piece) override {
    if (events.empty() || events.back() != "text") events.push_back("text");
    text += piece;
    return end;
  }
  absl::Status OnCitations(const std::vector<Citation>& citations) override {
    events.push_back("citations " + std::to_string(citations.size()));
    return absl::OkStatus();
  }

  std::vector<std::string> events = {};
  std::string text = {};
  absl::Status end = {};  // what OnText returns
};

}  // namespace vouch
