#include "rag/kept_answers.h"

#include <functional>
#include <set>
#include <utility>

#include "absl/time/time.h"
#include "rag/answer.h"
#include "storage/answer_records.h"
#include "storage/concat.h"

namespace vouch {
namespace {

std::string TimeText(int64_t time_us) {
  if (time_us == std::numeric_limits<int64_t>::max()) return "no end";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

absl::Status CheckRange(const TimeRange& range) {
  if (range.from_us < 0) {
    return absl::InvalidArgumentError(Concat("the range begins at ", TimeText(range.from_us), "; it takes times from 1970 on"));
  }
  if (range.from_us <= range.to_us) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the range ends before it begins: from ", TimeText(range.from_us), " to ", TimeText(range.to_us)));
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

namespace {

// Takes the ids of a tenant's answers that are of a range.
class AnswerFinder {
 public:
  AnswerFinder(Store& store, std::string_view tenant, const TimeRange& range, size_t limit)
      : store_(store), tenant_(tenant), range_(range), limit_(limit) {}

  // A record that was written again has several links, and counts once.
  absl::Status Take(std::string id) {
    int64_t time_us = TimeOfUuidV7(id);
    if (time_us < 0) {
      const absl::StatusOr<std::string> record = store_.GetAnswer(tenant_, id);
      if (!record.ok()) return record.status();
      const absl::StatusOr<Answer> answer = AnswerFromJson(*record);
      if (!answer.ok()) return answer.status();
      time_us = answer->time_us;
    }
    if (!range_.Contains(time_us) || !found_.emplace(time_us, std::move(id)).second) return absl::OkStatus();
    if (found_.size() <= limit_) return absl::OkStatus();
    return absl::ResourceExhaustedError(Concat("the range has more than ", limit_, " answers; choose a shorter one"));
  }

  std::vector<KeptAnswer> Answers() const {
    std::vector<KeptAnswer> answers;
    answers.reserve(found_.size());
    for (const auto& [time_us, id] : found_) answers.push_back({.id = id, .time_us = time_us});
    return answers;
  }

 private:
  Store& store_;
  const std::string_view tenant_;
  const TimeRange& range_;
  const size_t limit_;
  std::set<std::pair<int64_t, std::string>> found_;
};

}  // namespace

// By the links, which are small and have the ids. Records from before there was a chain have numbers below the first link's; only
// where there are such is every record read.
absl::StatusOr<std::vector<KeptAnswer>> AnswersBetween(Store& store, std::string_view tenant,
                                                       const TimeRange& range, size_t limit,
                                                       const CancelToken& cancel) {
  if (absl::Status status = CheckRange(range); !status.ok()) return status;
  AnswerFinder finder(store, tenant, range, limit);
  uint64_t first_link = 0;
  std::set<std::string, std::less<>> linked;  // all of them, where others are to be told from them
  absl::Status status;
  absl::Status scanned = AnswerRecords::Of(store).ScanAnswerLinks(tenant, 1, [&](AnswerProof&& proof) {
    if (first_link == 0) first_link = proof.link.number;
    if (first_link > 1) linked.insert(proof.id);
    status = cancel.Check();
    if (status.ok()) status = finder.Take(std::move(proof.id));
    return status.ok();
  });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  if (first_link == 1) return finder.Answers();
  scanned = store.ScanAnswers(tenant, [&](std::string_view id, std::string_view) {
    status = cancel.Check();
    if (status.ok() && !linked.contains(id)) status = finder.Take(std::string(id));
    return status.ok();
  });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  return finder.Answers();
}

}  // namespace vouch
