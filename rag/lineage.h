#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"

namespace vouch {

struct LineageNode {
  std::string kind = {};  // one of kLineageKinds
  std::string id = {};
  std::string label = {};  // for people
  friend bool operator==(const LineageNode&, const LineageNode&) = default;
};

inline constexpr std::string_view kLineageKinds[] = {
    "answer", "version", "index",   "chunk",    "document", "source",
    "parser", "chunker", "embedder", "pipeline", "prompt",   "model",    "experiment"};

// From what was made to what it was made of.
struct LineageEdge {
  uint32_t from = 0;  // a place in `nodes`
  uint32_t to = 0;
  std::string what = {};
  friend bool operator==(const LineageEdge&, const LineageEdge&) = default;
};

// Each node and each edge stands once, in the order in which the records name them.
struct LineageGraph {
  std::vector<LineageNode> nodes = {};
  std::vector<LineageEdge> edges = {};
  uint64_t answers_read = 0;
  bool more = false;  // there may be older answers, which were not looked at
};

// What an answer is made of, by its record alone: nothing else is read, so that it holds as long as
// the record does.
LineageGraph TraceAnswer(const Answer& answer);

struct FindAnswersRequest {
  static constexpr uint32_t kMaxLimit = 100'000;

  std::string kind = {};
  // A pipeline's or an experiment's name finds all of its versions; a prompt is found by its name and by its hash; a
  // source by the beginning of its hash, of 8 characters or more.
  std::string id = {};
  uint32_t limit = 10'000;  // records looked at, newest first, 1 … kMaxLimit
  Principal principal = {};
  CancelToken cancel = {};
};

// The tenant's answers that are made of something, with the edges that lead to it. INVALID_ARGUMENT:
// no such kind.
absl::StatusOr<LineageGraph> FindAnswers(Database& database, const FindAnswersRequest& request);

}  // namespace vouch
