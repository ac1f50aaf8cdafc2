#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/drift/cool_down.h"
#include "rag/drift/drift_spec.h"

namespace vouch {

enum class DriftVerdict : uint8_t {
  kSteady,
  kDrift,
  kCannotTell,  // too little to compare, or nothing that it can be compared with
};
std::string_view DriftVerdictName(DriftVerdict verdict);  // "steady", "drift", "cannot tell"

struct DriftTest {
  std::string what = {};
  double p = 1;
  double moved = 0;  // share of the window
  bool alarms = false;
};

// A question (by its answer's id), a point, or a sentinel's text, with how far it is from what there
// was: its novelty (0 … 1), of a sentinel 1 - cosine; of a question of the index 1 - recall.
struct DriftExample {
  std::string id = {};
  double distance = 0;
};

// What a look found of one kind.
struct KindLook {
  DriftKind kind = DriftKind::kQueries;
  int64_t time_us = 0;
  DriftVerdict verdict = DriftVerdict::kCannotTell;
  std::string says = {};  // in a sentence; where it cannot tell, why and what to do
  uint64_t items = 0;     // of the window
  uint64_t reference_items = 0;
  double alpha = 0;  // its share of the false alarms
  std::vector<DriftTest> tests = {};
  std::vector<DriftExample> examples = {};  // furthest first
};

// What an alarm starts, and what has come of it.
struct DriftAction {
  std::string what = {};   // "evaluate", "reembed"
  std::string state = {};  // "due", "done", "failed", "held back"
  std::string id = {};     // of what was begun for it, kept before it runs; empty: nothing was
  std::string says = {};   // the evaluation's id, the migration, the error, or until when
};

// Kept for good, beside the audit log's entry.
struct DriftAlarm {
  uint64_t number = 0;  // of the monitor, from 1
  int64_t time_us = 0;
  uint64_t monitor_version = 0;
  uint64_t reference = 0;
  std::string collection = {};
  std::string field = {};
  uint64_t version = 0;
  std::vector<KindLook> kinds = {};  // that began to drift
  std::vector<DriftAction> actions = {};
};

// How a monitor stands.
struct DriftState {
  uint64_t reference = 0;  // the latest; 0: none was made
  std::vector<KindLook> kinds = {};     // the latest look at each, in their order
  std::vector<DriftKind> drifting = {};  // since their alarm, ascending
  int64_t looked_us = 0;                 // the last look, of any kind
  int64_t turn_us = 0;                   // when it was last seen whether there is something to look at
  std::string answers_until = {};        // the last window of questions ended with this answer
  std::string index_until = {};          // likewise of those that the index is asked
  uint64_t rows_until = 0;               // likewise of rows
  uint64_t looks = 0;                    // with a reference, ever
  uint64_t alarms = 0;                   // ever, which is the number of the last one
  uint64_t due_alarm = 0;                // whose actions are still to be taken; 0: none
  CoolMark started = {};                 // when something was started last
  bool has_started = false;
};

// The journal records that they are kept as.
std::string DriftStateName(std::string_view monitor);
std::string DriftAlarmPrefix(std::string_view monitor);
std::string DriftAlarmName(std::string_view monitor, uint64_t number);

// JSON, format 1. DATA_LOSS names the field.
std::string EncodeDriftState(const DriftState& state);
absl::StatusOr<DriftState> DecodeDriftState(std::string_view json);
std::string EncodeDriftAlarm(const DriftAlarm& alarm);
absl::StatusOr<DriftAlarm> DecodeDriftAlarm(std::string_view json);

}  // namespace vouch
