#include "rag/drift/drift_look.h"

#include "absl/strings/str_format.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr DriftVerdict kVerdicts[] = {DriftVerdict::kSteady, DriftVerdict::kDrift,
                                      DriftVerdict::kCannotTell};
constexpr std::string_view kLookThing = "the drift record";

RecordJson ToJson(const KindLook& look) {
  RecordJson tests = RecordJson::array();
  for (const DriftTest& test : look.tests) {
    tests.push_back(
        {{"what", test.what}, {"p", test.p}, {"moved", test.moved}, {"alarms", test.alarms}});
  }
  RecordJson examples = RecordJson::array();
  for (const DriftExample& example : look.examples)
    examples.push_back({{"id", example.id}, {"distance", example.distance}});
  return {{"kind", DriftKindName(look.kind)},
          {"time_us", look.time_us},
          {"verdict", DriftVerdictName(look.verdict)},
          {"says", look.says},
          {"items", look.items},
          {"reference_items", look.reference_items},
          {"alpha", look.alpha},
          {"tests", std::move(tests)},
          {"examples", std::move(examples)}};
}

RecordJson ToJson(const std::vector<KindLook>& looks) {
  RecordJson kinds = RecordJson::array();
  for (const KindLook& look : looks) kinds.push_back(ToJson(look));
  return kinds;
}

absl::StatusOr<DriftKind> KindOf(const std::string& text) {
  const absl::StatusOr<DriftKind> kind = ParseDriftKind(text);
  if (!kind.ok()) return absl::DataLossError(kind.status().message());
  return *kind;
}

absl::StatusOr<DriftTest> TestOf(const RecordJson& json, const std::string& where) {
  RecordReader reader(json, where, kLookThing);
  DriftTest test;
  reader.Take("what", &test.what);
  reader.Take("p", &test.p);
  reader.Take("moved", &test.moved);
  reader.Take("alarms", &test.alarms);
  if (!reader.status().ok()) return reader.status();
  return test;
}

absl::StatusOr<DriftExample> ExampleOf(const RecordJson& json, const std::string& where) {
  RecordReader reader(json, where, kLookThing);
  DriftExample example;
  reader.Take("id", &example.id);
  reader.Take("distance", &example.distance);
  if (!reader.status().ok()) return reader.status();
  return example;
}

absl::StatusOr<KindLook> LookOf(const RecordJson& json, const std::string& where) {
  RecordReader reader(json, where, kLookThing);
  KindLook look;
  std::string kind;
  std::string verdict;
  reader.Take("kind", &kind);
  reader.Take("time_us", &look.time_us);
  reader.Take("verdict", &verdict);
  reader.Take("says", &look.says);
  reader.Take("items", &look.items);
  reader.Take("reference_items", &look.reference_items);
  reader.Take("alpha", &look.alpha);
  reader.TakeList("tests", &look.tests, TestOf);
  reader.TakeList("examples", &look.examples, ExampleOf);
  if (!reader.status().ok()) return reader.status();
  const absl::StatusOr<DriftKind> known = KindOf(kind);
  if (!known.ok()) return known.status();
  look.kind = *known;
  for (DriftVerdict candidate : kVerdicts) {
    if (verdict != DriftVerdictName(candidate)) continue;
    look.verdict = candidate;
    return look;
  }
  return absl::DataLossError(Concat(kLookThing, " is damaged: ", where, "verdict is '", Escape(verdict), "'"));
}

absl::StatusOr<DriftAction> ActionOf(const RecordJson& json, const std::string& where) {
  RecordReader reader(json, where, kLookThing);
  DriftAction action;
  reader.Take("what", &action.what);
  reader.Take("state", &action.state);
  reader.Take("says", &action.says);
  if (reader.Has("id")) reader.Take("id", &action.id);
  if (!reader.status().ok()) return reader.status();
  return action;
}

absl::StatusOr<CoolMark> MarkOf(const RecordJson& json, const std::string& where) {
  RecordReader reader(json, where, kLookThing);
  CoolMark mark;
  reader.Take("boot", &mark.boot);
  reader.Take("steady_us", &mark.steady_us);
  reader.Take("wall_us", &mark.wall_us);
  if (!reader.status().ok()) return reader.status();
  return mark;
}

absl::Status CheckFormat(uint64_t format) {
  if (format == 1) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat(kLookThing, " has format ", format, "; this program reads 1"));
}

}  // namespace

std::string_view DriftVerdictName(DriftVerdict verdict) {
  switch (verdict) {
    case DriftVerdict::kSteady:
      return "steady";
    case DriftVerdict::kDrift:
      return "drift";
    case DriftVerdict::kCannotTell:
      return "cannot tell";
  }
  return "";
}

std::string DriftStateName(std::string_view monitor) { return Concat("drift-state/", monitor); }
std::string DriftAlarmPrefix(std::string_view monitor) { return Concat("drift-alarm/", monitor, "/"); }
std::string DriftAlarmName(std::string_view monitor, uint64_t number) {
  return Concat(DriftAlarmPrefix(monitor), absl::StrFormat("%08u", number));
}

std::string EncodeDriftState(const DriftState& state) {
  RecordJson drifting = RecordJson::array();
  for (DriftKind kind : state.drifting) drifting.push_back(DriftKindName(kind));
  RecordJson json = {{"format", 1},
                     {"reference", state.reference},
                     {"kinds", ToJson(state.kinds)},
                     {"drifting", std::move(drifting)},
                     {"looked_us", state.looked_us},
                     {"turn_us", state.turn_us},
                     {"answers_until", state.answers_until},
                     {"index_until", state.index_until},
                     {"rows_until", state.rows_until},
                     {"looks", state.looks},
                     {"alarms", state.alarms},
                     {"due_alarm", state.due_alarm},
                     {"started", nullptr}};
  if (state.has_started) {
    json["started"] = {{"boot", state.started.boot},
                       {"steady_us", state.started.steady_us},
                       {"wall_us", state.started.wall_us}};
  }
  return DumpRecord(json);
}

absl::StatusOr<DriftState> DecodeDriftState(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kLookThing);
  DriftState state;
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("reference", &state.reference);
  reader.TakeList("kinds", &state.kinds, LookOf);
  reader.TakeList("drifting", &state.drifting,
                  [](const RecordJson& item, const std::string& where) -> absl::StatusOr<DriftKind> {
                    if (!item.is_string())
                      return absl::DataLossError(Concat(kLookThing, " is damaged: ", where));
                    return KindOf(item.get<std::string>());
                  });
  reader.Take("looked_us", &state.looked_us);
  // Of an earlier program: it begins anew after the reference, at once.
  if (reader.Has("turn_us")) reader.Take("turn_us", &state.turn_us);
  if (reader.Has("answers_until")) reader.Take("answers_until", &state.answers_until);
  if (reader.Has("index_until")) reader.Take("index_until", &state.index_until);
  reader.Take("rows_until", &state.rows_until);
  reader.Take("looks", &state.looks);
  reader.Take("alarms", &state.alarms);
  reader.Take("due_alarm", &state.due_alarm);
  state.has_started = reader.Has("started");
  if (state.has_started) reader.TakeObject("started", &state.started, MarkOf);
  if (!reader.status().ok()) return reader.status();
  if (absl::Status status = CheckFormat(format); !status.ok()) return status;
  return state;
}

std::string EncodeDriftAlarm(const DriftAlarm& alarm) {
  RecordJson actions = RecordJson::array();
  for (const DriftAction& action : alarm.actions) {
    actions.push_back({{"what", action.what}, {"state", action.state}, {"says", action.says}});
    if (!action.id.empty()) actions.back()["id"] = action.id;
  }
  return DumpRecord({{"format", 1},
                     {"number", alarm.number},
                     {"time_us", alarm.time_us},
                     {"monitor_version", alarm.monitor_version},
                     {"reference", alarm.reference},
                     {"collection", alarm.collection},
                     {"field", alarm.field},
                     {"version", alarm.version},
                     {"kinds", ToJson(alarm.kinds)},
                     {"actions", std::move(actions)}});
}

absl::StatusOr<DriftAlarm> DecodeDriftAlarm(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kLookThing);
  DriftAlarm alarm;
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("number", &alarm.number);
  reader.Take("time_us", &alarm.time_us);
  reader.Take("monitor_version", &alarm.monitor_version);
  reader.Take("reference", &alarm.reference);
  reader.Take("collection", &alarm.collection);
  reader.Take("field", &alarm.field);
  reader.Take("version", &alarm.version);
  reader.TakeList("kinds", &alarm.kinds, LookOf);
  reader.TakeList("actions", &alarm.actions, ActionOf);
  if (!reader.status().ok()) return reader.status();
  if (absl::Status status = CheckFormat(format); !status.ok()) return status;
  return alarm;
}

}  // namespace vouch
