#include "rag/deliver/hook_queue.h"

#include <algorithm>
#include <set>
#include <utility>

namespace vouch {

void HookQueue::Read(const std::string& source, uint64_t number) {
  uint64_t& cursor = cursors_[source];
  cursor = std::max(cursor, number);
}

uint64_t HookQueue::ReadTo(const std::string& source) const {
  const auto found = cursors_.find(source);
  return found == cursors_.end() ? 0 : found->second;
}

void HookQueue::Add(const std::string& source, uint64_t number, Event event) {
  pending_.push_back({.event = std::move(event), .source = source, .number = number});
  Read(source, number);
}

HookQueue::Pending* HookQueue::Next(int64_t now_ms) {
  std::set<std::string_view> seen;
  for (Pending& pending : pending_) {
    if (seen.insert(pending.event.subject).second && pending.due_ms <= now_ms) return &pending;
  }
  return nullptr;
}

std::optional<int64_t> HookQueue::NextDue() const {
  std::optional<int64_t> due;
  std::set<std::string_view> seen;
  for (const Pending& pending : pending_) {
    if (!seen.insert(pending.event.subject).second) continue;
    due = due ? std::min(*due, pending.due_ms) : pending.due_ms;
  }
  return due;
}

void HookQueue::Done(const Pending* pending) {
  pending_.remove_if([pending](const Pending& other) { return &other == pending; });
}

const HookQueue::Pending* HookQueue::first_failed() const {
  for (const Pending& pending : pending_) {
    if (pending.attempts > 0) return &pending;
  }
  return nullptr;
}

std::map<std::string, uint64_t> HookQueue::Cursors() const {
  std::map<std::string, uint64_t> done = cursors_;
  for (const Pending& pending : pending_) {
    uint64_t& cursor = done[pending.source];
    cursor = std::min(cursor, pending.number - 1);
  }
  return done;
}

int64_t HookPauseMs(uint32_t failures, int64_t first_ms, int64_t max_ms) {
  int64_t pause = first_ms;
  for (uint32_t i = 1; i < failures && pause < max_ms; ++i) pause *= 2;
  return std::min(pause, max_ms);
}

}  // namespace vouch
