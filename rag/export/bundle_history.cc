#include "rag/export/bundle_history.h"

#include <tuple>
#include <utility>

#include "rag/kept_answers.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"

namespace vouch {

BundleCommit BundleCommitOf(const std::string& collection, const CommitHeader& header) {
  return {.collection = collection,
          .version = header.version.value,
          .time_us = header.time_us,
          .actor = header.actor,
          .request_id = header.request_id,
          .rows_added = header.row_count,
          .rows_retired = header.retired.size(),
          .rows_live = header.live_rows};
}

std::string EncodeBundleCommit(const BundleCommit& commit) {
  const RecordJson json = {{"collection", commit.collection},     {"version", commit.version},
                           {"time_us", commit.time_us},           {"actor", commit.actor},
                           {"request_id", commit.request_id},     {"rows_added", commit.rows_added},
                           {"rows_retired", commit.rows_retired}, {"rows_live", commit.rows_live}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<BundleCommit> DecodeBundleCommit(std::string_view line) {
  const RecordJson json = ParseRecordJson(line);
  BundleCommit commit;
  RecordReader reader(json, "", "the commit");
  reader.Take("collection", &commit.collection);
  reader.Take("version", &commit.version);
  reader.Take("time_us", &commit.time_us);
  reader.Take("actor", &commit.actor);
  reader.Take("request_id", &commit.request_id);
  reader.Take("rows_added", &commit.rows_added);
  reader.Take("rows_retired", &commit.rows_retired);
  reader.Take("rows_live", &commit.rows_live);
  if (!reader.status().ok()) return reader.status();
  return commit;
}

std::string CommitHistory::Take(const BundleCommit& commit) {
  const std::optional<BundleCommit> before = std::exchange(before_, commit);
  const std::string name = Concat("version ", commit.version, " of collection ", Escape(commit.collection));
  if (before && before->collection > commit.collection) return Concat(name, " stands after collection ", Escape(before->collection));
  // Unsigned numbers wrap, so that hostile ones come to something as well.
  if (!before || before->collection != commit.collection) {
    return commit.version == 1 && commit.rows_live != commit.rows_added - commit.rows_retired
               ? Concat(name, " has other live rows than were added and retired")
               : "";
  }
  if (commit.version != before->version + 1)
    return Concat(name, " follows version ", before->version, ": what was between them was removed");
  if (commit.rows_live != before->rows_live + commit.rows_added - commit.rows_retired)
    return Concat(name, " has other live rows than the version before it, with those added and without those retired");
  return "";
}

std::string FeedbackHistory::Take(const Feedback& feedback) {
  const std::optional<Feedback> before = std::exchange(before_, feedback);
  const std::string name = Concat("feedback ", Escape(feedback.id));
  if (!answers_.contains(feedback.answer)) return Concat(name, " is on answer ", Escape(feedback.answer), ", which is not in the bundle");
  if (before && std::tie(before->answer, before->id) >= std::tie(feedback.answer, feedback.id))
    return Concat(name, " does not follow the one before it by answer and id");
  if (TimeOfUuidV7(feedback.id) != feedback.time_us) return Concat(name, " has another time than its id");
  return "";
}

}  // namespace vouch
