#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/retriever.h"

namespace vouch {

// What a model makes of a question before anything is looked for.
struct RewriteStep {
  static constexpr uint32_t kMaxQuestions = 8;

  bool standalone = false;    // conversation and question become one question
  uint32_t questions = 0;     // of several parts, up to so many, 2 … kMaxQuestions; 0: as it is
  bool hypothetical = false;  // a passage that could answer is looked for, too (HyDE: Gao et al. 2022)
};

struct RetrieveStep {
  RetrievalMode mode = RetrievalMode::kHybrid;
  std::string filter = {};  // JSON, empty for none
  uint32_t chunks = 8;      // 1 … 100
  // In place of a mode: a tree, in the words of the layer above, which also makes it a QueryNode;
  // empty for none.
  std::string query = {};
};

enum class PassageOrder : uint8_t { kRank, kDocument };

struct AssembleStep {
  uint32_t max_prompt_tokens = 0;  // by estimate; 0: the route's
  PassageOrder order = PassageOrder::kRank;
  bool dedupe = false;  // a passage whose text stands in a better one is left out
};

// Without both texts the prompt is the program's own.
struct PromptStep {
  static constexpr size_t kMaxTextBytes = 64 << 10;
  static constexpr size_t kMaxVariables = 100;

  std::string system = {};
  std::string user = {};
  std::map<std::string, std::string> variables = {};
  bool empty() const { return system.empty() && user.empty(); }
};

struct GenerateStep {
  std::string generator = {};  // "": models where there are any; "route", "builtin/extractive"
  uint32_t max_sentences = 4;  // of a quoted answer, 1 … 20
};

struct GuardStep {
  double min_grounding = 0.5;  // 0 … 1
  bool hold = false;           // nothing streams before the answer is checked
};

// What of an answer is kept in its record. The caller gets it whole.
struct RecordStep {
  static constexpr size_t kMaxPatterns = 50;
  static constexpr size_t kMaxPatternBytes = 1'000;

  // "email", "phone", "iban", "card", or "re:REGEX" (RE2's syntax): what they match in the texts of caller and models is
  // covered with asterisks. Such an answer can be shown, and not be replayed.
  std::vector<std::string> redact = {};
};

// Whether a completion is used again (AnswerCache says when).
struct CacheStep {
  bool enabled = false;
  bool similar = false;  // also for questions that differ in words of courtesy alone
  uint32_t max_age_seconds = 0;  // 0: as long as there is room
  friend bool operator==(const CacheStep&, const CacheStep&) = default;
};

// How questions are answered, from the first step to the last.
struct PipelineSpec {
  std::string name = {};
  std::string description = {};
  std::string collection = {};
  RewriteStep rewrite = {};
  RetrieveStep retrieve = {};
  AssembleStep assemble = {};
  PromptStep prompt = {};
  GenerateStep generate = {};
  GuardStep guard = {};
  RecordStep record = {};
  CacheStep cache = {};
};

// INVALID_ARGUMENT names the step, the field, the value and what it takes; of a prompt, the variable
// that is missing, unknown or not used.
absl::Status CheckPipeline(const PipelineSpec& spec);

// The canonical form: all fields in one order, defaults filled in. Equal specifications give equal
// bytes.
std::string PipelineToJson(const PipelineSpec& spec);
// DATA_LOSS: it is no canonical form.
absl::StatusOr<PipelineSpec> PipelineFromJson(std::string_view json);

// One version of a pipeline, which never changes.
struct PipelineVersion {
  PipelineSpec spec = {};
  uint64_t number = 0;    // from 1
  std::string hash = {};  // ContentHash of the canonical form
  int64_t created_us = 0;
};

}  // namespace vouch
