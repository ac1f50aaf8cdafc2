#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "index/dense/dense_search.h"
#include "index/segment.h"

namespace vouch {

// Counts how segments were searched, for the plan's words.
struct PlanCounts {
  uint64_t walked = 0;
  uint64_t fresh = 0;
  uint64_t asked = 0;
  uint64_t flat = 0;
  uint64_t filtered = 0;
  uint64_t by_code = 0;
  uint64_t fresh_by_code = 0;
  uint64_t by_cell = 0;
  uint64_t by_ivf = 0;
  uint64_t on_device = 0;
  uint64_t on_device_exact = 0;  // of these
  size_t min_ivf_ef = 0;
  size_t max_ivf_ef = 0;
  size_t min_ef = 0;
  size_t max_ef = 0;

  void Add(const Segment& segment, bool has_graph, bool asked_exact, const DenseSegmentStats& done) {
    if (done.device) {
      ++on_device;
      on_device_exact += done.exact ? 1 : 0;
      return;
    }
    if (done.exact) {
      ++(asked_exact ? asked : !segment.sealed ? fresh : has_graph ? filtered : flat);
      return;
    }
    if (done.cells) {
      ++by_cell;
      return;
    }
    if (done.ivf) {
      min_ivf_ef = by_ivf == 0 ? done.ef : std::min(min_ivf_ef, done.ef);
      max_ivf_ef = std::max(max_ivf_ef, done.ef);
      ++by_ivf;
      return;
    }
    if (done.codes) {
      ++(segment.sealed ? by_code : fresh_by_code);
      return;
    }
    if (done.ef == 0) return;
    min_ef = walked == 0 ? done.ef : std::min(min_ef, done.ef);
    max_ef = std::max(max_ef, done.ef);
    ++walked;
  }
  std::string Words() const {
    std::string words;
    if (walked > 0) {
      absl::StrAppend(&words, "graph ef=", min_ef);
      if (max_ef != min_ef) absl::StrAppend(&words, "..", max_ef);
      absl::StrAppend(&words, " on ", walked, walked == 1 ? " segment" : " segments");
    }
    if (by_ivf > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "nearest cells ef=", min_ivf_ef);
      if (max_ivf_ef != min_ivf_ef) absl::StrAppend(&words, "..", max_ivf_ef);
      absl::StrAppend(&words, " on ", by_ivf, by_ivf == 1 ? " segment" : " segments");
    }
    if (by_cell > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "nearest cells on ", by_cell, " (filter)");
    }
    if (by_code > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "all codes on ", by_code, " (few rows allowed)");
    }
    if (fresh_by_code > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "all codes on ", fresh_by_code, " (fresh rows)");
    }
    if (on_device > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "on a device ", on_device, on_device == 1 ? " segment" : " segments");
      if (on_device_exact > 0) absl::StrAppend(&words, " (", on_device_exact, " exactly)");
    }
    AddExact(asked, "on request", words);
    AddExact(fresh, "fresh rows", words);
    AddExact(flat, "no graph", words);
    AddExact(filtered, "few rows allowed", words);
    return words.empty() ? "nothing to search" : words;
  }

 private:
  static void AddExact(uint64_t count, const char* why, std::string& words) {
    if (count == 0) return;
    absl::StrAppend(&words, words.empty() ? "" : ", ", "exact on ", count, " (", why, ")");
  }
};

// The recall to be expected of a search in several segments: the mean of theirs by allowed rows, as the best rows lie in
// them in that proportion if nothing else is known.
class RecallEstimate {
 public:
  // `measured` is below 0 where nothing was.
  void Add(uint64_t allowed, bool exact, double measured) {
    known_ = known_ && (exact || measured >= 0);
    sum_ += static_cast<double>(allowed) * (exact ? 1 : measured);
    allowed_ += allowed;
  }
  double value() const {
    if (!known_) return -1;
    return allowed_ == 0 ? 1 : sum_ / static_cast<double>(allowed_);
  }

 private:
  bool known_ = true;
  double sum_ = 0;
  uint64_t allowed_ = 0;
};

}  // namespace vouch
