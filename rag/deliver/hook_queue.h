#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "rag/deliver/event.h"

namespace vouch {

// What a hook is still to be told, in order for each subject: while one event of a subject waits to
// be tried again, those after it wait too, and other subjects go on. Not thread safe; no clock.
//
// Each event comes from a source with its number there ("audit", or a collection), and Cursor says
// up to which number all is done: what a restart begins after.
class HookQueue {
 public:
  static constexpr size_t kMaxPending = 256;

  struct Pending {
    Event event = {};
    std::string source = {};
    uint64_t number = 0;
    uint32_t attempts = 0;  // that failed
    int64_t due_ms = 0;
    std::string error = {};  // of the last one
  };

  explicit HookQueue(std::map<std::string, uint64_t> cursors = {}) : cursors_(std::move(cursors)) {}

  bool full() const { return pending_.size() >= kMaxPending; }
  size_t size() const { return pending_.size(); }
  // The source was read up to there; numbers of it that are pending hold the cursor back.
  void Read(const std::string& source, uint64_t number);
  uint64_t ReadTo(const std::string& source) const;
  void Add(const std::string& source, uint64_t number, Event event);

  // The first event that is due and has none of its subject before it; null where there is none.
  Pending* Next(int64_t now_ms);
  // When one may be due that is not now; nullopt where none waits.
  std::optional<int64_t> NextDue() const;
  // It was delivered, or given up.
  void Done(const Pending* pending);
  const Pending* first_failed() const;

  // For each source, the number up to which all is done.
  std::map<std::string, uint64_t> Cursors() const;

 private:
  std::map<std::string, uint64_t> cursors_;  // read up to there
  std::list<Pending> pending_;               // in the order they came
};

// How long to wait after so many failures, from 1.
int64_t HookPauseMs(uint32_t failures, int64_t first_ms, int64_t max_ms);

}  // namespace vouch
