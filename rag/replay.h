#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/embed/embedder_registry.h"

namespace vouch {

struct ReplayRequest {
  std::string id = {};
  Principal principal = {};
  // Another version than the recorded one: what would differ there.
  std::optional<ReadAt> at = {};
  TreeBuilder tree = nullptr;  // needed where the answer's pipeline has a query of its own
  CancelToken cancel = {};
};

// One level, and the first field of the record that does not hold.
struct ReplayStep {
  std::string level;  // "R0" … "R3"
  std::string what;   // for people
  bool identical = false;
  std::string first_difference;  // "hits[2].score: 0.25 became 0.5"; empty where identical
};

struct ReplayReport {
  std::string id;
  Version version;    // replayed at
  std::string level;  // the highest that holds with all below it; "R4" at another version; "" where
                      // R0 fails
  std::vector<ReplayStep> steps;  // R0, R1, R2, R3
  std::string text;               // as the replay gives it
};

// Takes an answer's steps again, at its version, and compares with its record:
//   R0  the record explains itself: its prompt has the hash that it names, its citations name sources of it
//   R1  retrieval gives the same points and rows with the same score bits and explanations. Which rows an approximate search gives
//       depends on how its graph was built, so those that the record keeps are taken, and `what` says how many of them the index
//       of now finds, where it is not all
//   R2  the prompt is the same, byte for byte (without one, the passages are what R1 says)
//   R3  the answer is the same, with its citations, sources and grounding: quoted again, or, where a model wrote it, from the
//       recorded completion, since no server gives the same one twice
// An answer of which texts were erased or covered holds R0 alone, and the steps name what is missing, with its hash.
// At another version (R4, counterfactual) the steps say what would be different. Nothing is
// written, and no model is asked. NOT_FOUND: no such answer of the tenant. A collection or version
// that is gone is a difference, no error.
absl::StatusOr<ReplayReport> Replay(Database& database, EmbedderRegistry& embedders,
                                    const ReplayRequest& request);

}  // namespace vouch
