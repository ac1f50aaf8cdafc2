#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/database.h"
#include "rag/experiment_arm.h"

namespace vouch {

// Teams of hits, as the record has them: one letter a hit.
inline constexpr char kChampionTeam = 'A';
inline constexpr char kChallengerTeam = 'B';

struct Interleaved {
  std::vector<PointHit> hits = {};
  std::string teams = {};
};

// Two rankings as one, by team draft (Radlinski, Kurup, Joachims, 2008): the team with fewer hits so far
// adds its best that is not there yet, of equal ones a coin says which; where one has none left the other
// goes on. At most `limit` hits. The same seed gives the same ones.
Interleaved TeamDraft(const std::vector<PointHit>& champion, const std::vector<PointHit>& challenger,
                      size_t limit, uint64_t seed);
// Of a question in an experiment, by its salt and who asks. A coin that were the question's alone would fall the same way
// for all of its callers, each of whom counts as if he had tossed one of his own.
uint64_t InterleaveSeed(const ExperimentArm& arm, std::string_view question);

}  // namespace vouch
