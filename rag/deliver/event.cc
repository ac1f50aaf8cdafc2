#include "rag/deliver/event.h"

#include <algorithm>

#include "absl/time/time.h"
#include "rag/answer_id.h"
#include "rag/record_reader.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

std::string SourceOf(std::string_view tenant) { return Concat("/vouch/", tenant); }

// Text that is JSON as it is, other text as a string, nothing as null.
RecordJson Embedded(const std::string& text) {
  if (text.empty()) return nullptr;
  RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? RecordJson(text) : json;
}

std::string EventOfAction(std::string_view action) {
  const std::string_view kind = action.substr(0, action.find('.'));
  const std::string type = Concat("after.", action.ends_with(".refused") ? "refuse" : kind);
  const std::vector<std::string>& known = AfterEvents();
  return std::find(known.begin(), known.end(), type) == known.end() ? "" : type;
}

}  // namespace

const std::vector<std::string>& AfterEvents() {
  static const auto& events = *new std::vector<std::string>{
      "after.commit",   "after.tag",    "after.pipeline", "after.evaluation", "after.promote",
      "after.rollback", "after.refuse", "after.slo_burn", "after.gate",       "after.slo",
      "after.drift",    "after.monitor", "after.budget",   "after.experiment"};
  return events;
}

const std::vector<std::string>& BeforeEvents() {
  static const auto& events = *new std::vector<std::string>{
      "before.commit", "before.tag", "before.pipeline", "before.promote", "before.rollback"};
  return events;
}

std::string EventToJson(const Event& event) {
  return DumpRecord({{"specversion", "1.0"},
                     {"id", event.id},
                     {"source", event.source},
                     {"type", Concat("vouch.", event.type)},
                     {"subject", event.subject},
                     {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ",
                                               absl::FromUnixMicros(event.time_us), absl::UTCTimeZone())},
                     {"datacontenttype", "application/json"},
                     {"data", Embedded(event.data)}});
}

std::optional<Event> EventOfEntry(const AuditEntry& entry) {
  Event event{.id = entry.hash.substr(0, 32),
              .source = SourceOf(entry.tenant),
              .type = EventOfAction(entry.change.action),
              .subject = entry.change.subject,
              .time_us = entry.change.time_us};
  if (event.type.empty()) return std::nullopt;
  event.data = DumpRecord({{"action", entry.change.action},
                           {"actor", entry.change.actor},
                           {"reason", entry.change.reason},
                           {"before", Embedded(entry.change.before)},
                           {"after", Embedded(entry.change.after)},
                           {"audit", {{"number", entry.number}, {"hash", entry.hash}}}});
  return event;
}

Event EventOfCommit(std::string_view tenant, const std::string& collection,
                    uint64_t collection_number, const CommitHeader& header) {
  const std::string key = Concat("commit/", tenant, "/", collection_number, "/",
                                 header.version.value, "/", header.time_us);
  return {.id = HexOf(Sha256Of(key)).substr(0, 32),
          .source = SourceOf(tenant),
          .type = "after.commit",
          .subject = Concat("collection/", collection),
          .time_us = header.time_us,
          .data = DumpRecord({{"collection", collection},
                              {"version", header.version.value},
                              {"actor", header.actor},
                              {"request_id", header.request_id},
                              {"rows_added", header.row_count},
                              {"rows_retired", header.retired.size()},
                              {"live_rows", header.live_rows}})};
}

Event BeforeEvent(std::string_view tenant, std::string type, std::string subject, std::string data,
                  int64_t time_us) {
  return {.id = MakeUuidV7(time_us, RandomBytes()),
          .source = SourceOf(tenant),
          .type = std::move(type),
          .subject = std::move(subject),
          .time_us = time_us,
          .data = std::move(data)};
}

}  // namespace vouch
