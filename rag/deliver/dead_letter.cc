#include "rag/deliver/dead_letter.h"

#include "absl/time/time.h"
#include "rag/record_reader.h"

namespace vouch {

std::string EncodeDeadLetter(const DeadLetter& letter) {
  return DumpRecord({{"format", 1},
                     {"hook", letter.hook},
                     {"id", letter.id},
                     {"event", letter.event},
                     {"attempts", letter.attempts},
                     {"error", letter.error},
                     {"time_us", letter.time_us}});
}

absl::StatusOr<DeadLetter> DecodeDeadLetter(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the dead letter");
  DeadLetter letter;
  reader.Take("hook", &letter.hook);
  reader.Take("id", &letter.id);
  reader.Take("event", &letter.event);
  reader.Take("attempts", &letter.attempts);
  reader.Take("error", &letter.error);
  reader.Take("time_us", &letter.time_us);
  if (!reader.status().ok()) return reader.status();
  return letter;
}

Event EventOfLetter(const DeadLetter& letter) {
  const RecordJson json = RecordJson::parse(letter.event, nullptr, /*allow_exceptions=*/false);
  Event event{.id = letter.id, .time_us = letter.time_us};
  const auto text = [&json](const char* key) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                         : std::string();
  };
  event.source = text("source");
  event.subject = text("subject");
  const std::string type = text("type");
  event.type = type.starts_with("vouch.") ? type.substr(6) : type;
  if (json.is_object() && json.contains("data")) event.data = DumpRecord(json["data"]);
  if (absl::Time time; absl::ParseTime(absl::RFC3339_full, text("time"), &time, nullptr))
    event.time_us = absl::ToUnixMicros(time);
  return event;
}

}  // namespace vouch
