#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vouch {

struct BundleProblem {
  std::string where = {};  // a file of the bundle, with the line where it has lines; "the archive"
  std::string what = {};   // a sentence
};

// What is found in a bundle.
struct BundleReport {
  static constexpr size_t kMaxProblems = 1'000;

  std::string tenant = {};
  std::string from = {};  // as the manifest says
  std::string to = {};    // empty: no end
  uint64_t files = 0;
  uint64_t answers = 0;    // records that are what their links say
  uint64_t erased = 0;     // of these, with erased texts
  uint64_t unchained = 0;  // from before there was a chain: nothing but the sums vouches for them
  uint64_t links = 0;
  uint64_t entries = 0;    // of the audit log, each following from the one before it
  uint64_t commits = 0;
  uint64_t feedback = 0;
  std::string seal = {};
  std::vector<BundleProblem> problems = {};  // none: it is as it was written
};

// What must be so as well, from elsewhere; empty: nothing.
struct BundleExpectations {
  std::string seal = {};       // that the export printed
  uint64_t entry = 0;          // of the audit log, of the range, with
  std::string entry_hash = {};
  uint64_t answer = 0;         // a link of the answers' chain, of the range, with
  std::string answer_hash = {};
};

// Checks a bundle by itself: no store and no server. In turn: the archive's own bytes; every file against SHA256SUMS and the
// manifest; every record against its link, and every link against the one before it; every entry of the audit log likewise;
// versions against their hashes, and figures of evaluations against what the audit log says of them; commits and feedback, which are in
// no chain, as far as their lines follow from each other. Each problem names the file that it was found in. Hostile bytes give
// problems, never more.
//
// Who can write all files can make sums, links and entries anew: what such a bundle does not fit is what was kept elsewhere. The seal
// covers every byte. An entry's hash covers the audit log up to it and the figures of the evaluations there; a link's hash the answers
// up to it. Neither covers the other, nor what comes after it.
BundleReport CheckBundle(std::string_view archive, const BundleExpectations& expected);

}  // namespace vouch
