#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rag/answer.h"
#include "rag/passage.h"
#include "storage/clock.h"

namespace vouch {

// Which answer a question had before, where everything is the same that a completion depends on. It
// holds ids of answers under hashes, and no text, so that nothing in it needs to be erased. Thread
// safe.
//
// Invariants:
// 1. A key is made of what was retrieved now: every passage of the prompt with its row, names and
//    text, in order. A chunk that was replaced, erased or left out by a filter or an access list
//    makes another key.
// 2. A key holds the pipeline's hash (with it prompt, guard and cache step), the prompt's budget, all
//    models that might be asked with their parameters and the route's rules, the conversation, and the
//    question by CanonicalQuestion.
// 3. What is found is only a proposal: the completion is taken from the kept record, and checked
//    against the passages of now like a new one. Where the record is gone or erased, or the check
//    comes out otherwise, there is no hit, and the entry is dropped.
// 4. Only whole answers of models are put in: none that abstained, was cut, or was quoted.
// 5. At most `max_entries`; the one that was used longest ago goes first.
class AnswerCache {
 public:
  static constexpr size_t kMaxEntries = 10'000;  // some 2 MiB

  explicit AnswerCache(const Clock& clock, size_t max_entries = kMaxEntries)
      : clock_(clock), max_entries_(max_entries) {}

  // The id of an answer, at most `max_age_seconds` old (0: of any age).
  std::optional<std::string> Find(const std::string& key, uint32_t max_age_seconds);
  void Put(const std::string& key, const std::string& answer_id);
  // Where the key still leads to that answer.
  void Drop(const std::string& key, const std::string& answer_id);
  size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::string answer_id;
    int64_t put_us = 0;
  };

  const Clock& clock_;
  const size_t max_entries_;
  mutable std::mutex mu_;
  // Guarded by mu_.
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

// The key of a question, whose prompt has been made of `passages`.
std::string AnswerCacheKey(const AskRequest& request, const Answer& answer, const Generation& prompt,
                           const std::vector<Passage>& passages);

}  // namespace vouch
