#include "rag/kept_answers.h"

#include <algorithm>
#include <utility>

#include "rag/answer.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Answers are kept in the order of their ends, this long after they began at the most.
constexpr int64_t kLongestAnswerUs = int64_t{3'600} * 1'000'000;
// So many in a row from before the range, and the older ones are from before it, too: fewer may be of a clock that was wrong
// for a while.
constexpr size_t kSureOfOlder = 1'000;

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

absl::Status CheckRange(const TimeRange& range) {
  if (range.from_us <= range.to_us) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the range ends before it begins: from ", range.from_us,
                                           " to ", range.to_us, " microseconds"));
}

int64_t TimeOfUuidV7(std::string_view id) {
  constexpr size_t kBytes = 36;
  constexpr size_t kTimeEnd = 18;  // "0192a3b4-c5d6-7abc"
  constexpr size_t kVersion = 14;
  if (id.size() != kBytes || id[kVersion] != '7') return -1;
  int64_t ms = 0;
  int64_t fraction = 0;
  for (size_t i = 0; i < kTimeEnd; ++i) {
    if (i == 8 || i == 13) {
      if (id[i] != '-') return -1;
      continue;
    }
    const int digit = Digit(id[i]);
    if (digit < 0) return -1;
    if (i < 13) {
      ms = ms << 4 | digit;
    } else if (i > kVersion) {
      fraction = fraction << 4 | digit;
    }
  }
  // The smallest number of microseconds with that fraction, which is the one that it was made of.
  return ms * 1000 + (fraction * 1000 + 4095) / 4096;
}

absl::StatusOr<std::vector<KeptAnswer>> AnswersBetween(const Store& store, std::string_view tenant,
                                                       const TimeRange& range, size_t limit,
                                                       const CancelToken& cancel) {
  if (absl::Status status = CheckRange(range); !status.ok()) return status;
  std::vector<KeptAnswer> answers;
  size_t older = 0;  // in a row
  absl::Status status;
  const absl::Status scanned =
      store.ScanAnswers(tenant, [&](std::string_view id, std::string_view record) {
        if (status = cancel.Check(); !status.ok()) return false;
        int64_t time_us = TimeOfUuidV7(id);
        if (time_us < 0) {
          const absl::StatusOr<Answer> answer = AnswerFromJson(record);
          if (status = answer.status(); !status.ok()) return false;
          time_us = answer->time_us;
        }
        if (time_us < range.from_us - kLongestAnswerUs) return ++older < kSureOfOlder;
        older = 0;
        if (!range.Contains(time_us)) return true;
        if (answers.size() == limit) {
          status = absl::ResourceExhaustedError(
              Concat("the range has more than ", limit, " answers; choose a shorter one"));
          return false;
        }
        answers.push_back({.id = std::string(id), .time_us = time_us});
        return true;
      });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  std::sort(answers.begin(), answers.end(), [](const KeptAnswer& a, const KeptAnswer& b) {
    return std::pair(a.time_us, std::string_view(a.id)) < std::pair(b.time_us, std::string_view(b.id));
  });
  return answers;
}

}  // namespace vouch
