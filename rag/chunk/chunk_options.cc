#include <algorithm>

#include "absl/strings/numbers.h"
#include "rag/chunk/chunker.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Method = ChunkOptions::Method;

constexpr uint32_t kMinTokens = 8;
constexpr uint32_t kMaxTokens = 100'000;

absl::Status OutOfRange(std::string_view key, uint64_t value, uint64_t low, uint64_t high) {
  return absl::InvalidArgumentError(
      Concat("chunker: ", key, " is ", value, "; it takes ", low, " to ", high));
}

absl::Status CheckRange(std::string_view key, uint64_t value, uint64_t low, uint64_t high) {
  return value < low || value > high ? OutOfRange(key, value, low, high) : absl::OkStatus();
}

// Where the value of a key stands; null where the method has none of that name.
uint32_t* FieldOf(ChunkOptions* options, std::string_view key) {
  switch (options->method) {
    case Method::kStructure:
      if (key == "target") return &options->target_bytes;
      if (key == "max") return &options->max_bytes;
      if (key == "record") return &options->record_max_bytes;
      if (key == "tokens") return &options->structure_tokens;
      return nullptr;
    case Method::kFixed:
    case Method::kSentence:
      if (key == "tokens") return &options->tokens;
      if (key == "overlap") return &options->overlap;
      return nullptr;
    case Method::kParentChild:
      if (key == "child") return &options->child_tokens;
      if (key == "parent") return &options->parent_tokens;
      return nullptr;
  }
  return nullptr;
}

std::string_view KeysOf(Method method) {
  switch (method) {
    case Method::kStructure:
      return "target, max, record (bytes), tokens";
    case Method::kFixed:
      return "tokens, overlap (tokens)";
    case Method::kSentence:
      return "tokens, overlap (sentences)";
    case Method::kParentChild:
      return "child, parent (tokens)";
  }
  return "";
}

}  // namespace

absl::StatusOr<ChunkOptions> ParseChunkOptions(std::string_view spec) {
  ChunkOptions options;
  const std::string_view name = spec.substr(0, spec.find('?'));
  if (name == "structure") {
    options.method = Method::kStructure;
  } else if (name == "fixed") {
    options.method = Method::kFixed;
  } else if (name == "sentence") {
    options.method = Method::kSentence;
  } else if (name == "parent_child") {
    options.method = Method::kParentChild;
  } else {
    return absl::InvalidArgumentError(
        Concat("there is no chunker '", Escape(name), "'; there are structure, fixed, sentence and parent_child"));
  }
  std::string_view rest = spec.substr(std::min(name.size() + 1, spec.size()));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::string_view key = pair.substr(0, pair.find('='));
    uint32_t* const field = FieldOf(&options, key);
    if (field == nullptr) {
      return absl::InvalidArgumentError(Concat("chunker ", name, " has no key '", Escape(key), "'; it has ",
                                               KeysOf(options.method)));
    }
    const std::string_view value = pair.substr(std::min(key.size() + 1, pair.size()));
    if (!absl::SimpleAtoi(ToAbsl(value), field)) {
      return absl::InvalidArgumentError(
          Concat("chunker ", name, ": ", key, " is '", Escape(value), "', which is no whole number"));
    }
    // Given a target alone, the limit goes with it.
    if (key == "target" && spec.find("max=") == spec.npos) options.max_bytes = 2 * std::min(*field, UINT32_MAX / 2);
  }
  if (absl::Status status = ValidateChunkOptions(options); !status.ok()) return status;
  return options;
}

absl::Status ValidateChunkOptions(const ChunkOptions& options) {
  switch (options.method) {
    case Method::kStructure:
      if (options.target_bytes == 0 || options.max_bytes < options.target_bytes || options.max_bytes < 16) {
        return absl::InvalidArgumentError(
            Concat("chunks of ", options.target_bytes, " to ", options.max_bytes,
                   " bytes: the target must be 1 or more, the limit 16 or more and not below the target"));
      }
      return options.structure_tokens == 0 ? absl::OkStatus()
                                           : CheckRange("tokens", options.structure_tokens, kMinTokens, kMaxTokens);
    case Method::kFixed:
      if (absl::Status status = CheckRange("tokens", options.tokens, kMinTokens, kMaxTokens); !status.ok()) return status;
      return CheckRange("overlap", options.overlap, 0, options.tokens / 2);
    case Method::kSentence:
      if (absl::Status status = CheckRange("tokens", options.tokens, kMinTokens, kMaxTokens); !status.ok()) return status;
      return CheckRange("overlap", options.overlap, 0, 10);
    case Method::kParentChild:
      if (absl::Status status = CheckRange("child", options.child_tokens, kMinTokens, kMaxTokens); !status.ok()) {
        return status;
      }
      return CheckRange("parent", options.parent_tokens, options.child_tokens, kMaxTokens);
  }
  return absl::OkStatus();
}

std::string Chunker::id() const {
  switch (options_.method) {
    case Method::kStructure:
      if (options_.structure_tokens > 0) {
        return Concat("structure/3?tokens=", options_.structure_tokens, "&record=", options_.record_max_bytes);
      }
      return Concat("structure/3?target=", options_.target_bytes, "&max=", options_.max_bytes,
                    "&record=", options_.record_max_bytes);
    case Method::kFixed:
      return Concat("fixed/1?tokens=", options_.tokens, "&overlap=", options_.overlap);
    case Method::kSentence:
      return Concat("sentence/1?tokens=", options_.tokens, "&overlap=", options_.overlap);
    case Method::kParentChild:
      return Concat("parent_child/1?child=", options_.child_tokens, "&parent=", options_.parent_tokens);
  }
  return "";
}

}  // namespace vouch
