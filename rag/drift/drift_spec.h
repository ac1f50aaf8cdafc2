#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// What may drift, each seen on its own.
enum class DriftKind : uint8_t {
  kQueries,   // the questions that are asked
  kCorpus,    // the rows that are written
  kEmbedder,  // the model behind the embedder
  kIndex,     // what approximate search finds of what exact search finds
};
std::string_view DriftKindName(DriftKind kind);  // "queries", "corpus", "embedder", "index"
absl::StatusOr<DriftKind> ParseDriftKind(std::string_view text);

// A monitor: what of a collection is watched, against a reference window, and what an alarm starts.
struct DriftSpec {
  static constexpr size_t kMaxSentinels = 100;
  static constexpr size_t kMaxSentinelBytes = 2'000;

  std::string name = {};
  std::string description = {};
  // One of the two. Of a pipeline: its collection, and the questions that were asked by it.
  std::string collection = {};
  std::string pipeline = {};
  std::string field = {};  // dense; empty: the first with an embedder
  std::vector<DriftKind> watch = {};  // ascending
  // Chance that a look at windows without drift alarms, all kinds together. Each kind that rests on
  // a sample has an equal share of it (Bonferroni).
  double false_alarms = 0.01;
  uint32_t window = 250;      // questions, or documents, of a window, 30 … 1000
  double min_moved = 0.02;    // less of a window may have moved without an alarm, however sure it is
  double min_recall = 0;      // of the index; 0: the field's recall target, else that of the reference
  std::vector<std::string> sentinels = {};  // texts for the embedder; none: DefaultSentinels()
  uint32_t every_minutes = 10;  // a server looks so often, 1 … 10080
  // What an alarm starts besides its event; empty: nothing.
  std::string evaluate_pipeline = {};  // NAME, NAME@NUMBER or NAME@ALIAS, with the next
  std::string evaluate_dataset = {};   // NAME or NAME@VERSION
  std::string reembed_with = {};       // an embedder's spec: a migration to it is built and compared
  uint32_t cool_down_minutes = 1'440;  // nothing is started twice within that

  bool Watches(DriftKind kind) const;
  // The share of false_alarms that a kind has.
  double AlphaOf(DriftKind kind) const;
  // Questions or documents of a reference, at most.
  uint32_t reference_size() const { return window < 500 ? 4 * window : 2'000; }
};

// Texts that every language model has something to say of.
const std::vector<std::string>& DefaultSentinels();

// INVALID_ARGUMENT names the field, the value and what it takes.
absl::Status CheckDrift(const DriftSpec& spec);
std::string DriftToJson(const DriftSpec& spec);                  // the canonical form
absl::StatusOr<DriftSpec> DriftFromJson(std::string_view json);  // DATA_LOSS

}  // namespace vouch
