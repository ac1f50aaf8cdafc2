#include "rag/rerank/rerank_reply.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using ReplyJson = nlohmann::json;

absl::Status Bad(std::string_view what) {
  return absl::FailedPreconditionError(Concat("the rerank reply ", what));
}

}  // namespace

absl::StatusOr<std::vector<double>> ParseRerankReply(std::string_view body, size_t count) {
  const ReplyJson reply = ReplyJson::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!reply.is_object()) return Bad(Concat("is no JSON object (", body.size(), " bytes)"));
  const auto results = reply.find("results");
  if (results == reply.end() || !results->is_array()) return Bad("has no \"results\" array");
  if (results->size() != count) {
    return Bad(Concat("has ", results->size(), " scores for ", count, " texts"));
  }
  std::vector<double> scores(count);
  std::vector<bool> seen(count, false);
  for (const ReplyJson& item : *results) {
    if (!item.is_object()) return Bad("has an entry that is no object");
    const auto index = item.find("index");
    if (index == item.end() || !index->is_number_unsigned() || index->get<uint64_t>() >= count) {
      return Bad(Concat("has an entry without an index below ", count));
    }
    const size_t at = index->get<size_t>();
    if (seen[at]) return Bad(Concat("has index ", at, " twice"));
    seen[at] = true;
    const auto score = item.find("relevance_score");
    if (score == item.end() || !score->is_number()) {
      return Bad(Concat("has no number as relevance_score at index ", at));
    }
    scores[at] = score->get<double>();
    if (!std::isfinite(scores[at])) return Bad(Concat("has a score that is not finite at index ", at));
  }
  return scores;
}

}  // namespace vouch
