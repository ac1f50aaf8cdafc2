#include "rag/interleave.h"

#include <set>

#include "rag/eval/seeded_random.h"
#include "storage/concat.h"
#include "storage/sha256.h"

namespace vouch {

Interleaved TeamDraft(const std::vector<PointHit>& champion, const std::vector<PointHit>& challenger,
                      size_t limit, uint64_t seed) {
  SeededRandom coin(seed);
  Interleaved mixed;
  std::set<uint64_t> taken;
  const std::vector<PointHit>* const rankings[] = {&champion, &challenger};
  size_t next[] = {0, 0};
  size_t picked[] = {0, 0};
  while (mixed.hits.size() < limit) {
    for (size_t team = 0; team < 2; ++team) {
      while (next[team] < rankings[team]->size() &&
             taken.contains((*rankings[team])[next[team]].row.value)) {
        ++next[team];
      }
    }
    const bool left[] = {next[0] < champion.size(), next[1] < challenger.size()};
    if (!left[0] && !left[1]) break;
    // The coin is tossed whenever the teams are equal, so that what it says later does not depend on this.
    size_t team = picked[0] == picked[1] ? coin.Below(2) : picked[0] < picked[1] ? 0 : 1;
    if (!left[team]) team = 1 - team;
    const PointHit& hit = (*rankings[team])[next[team]];
    taken.insert(hit.row.value);
    ++picked[team];
    mixed.hits.push_back(hit);
    mixed.teams += team == 0 ? kChampionTeam : kChallengerTeam;
  }
  return mixed;
}

uint64_t InterleaveSeed(const ExperimentArm& arm, std::string_view question) {
  const std::string digest = Sha256Of(Concat(arm.salt, "\ninterleave\n", arm.caller, "\n", question));
  uint64_t seed = 0;
  for (size_t i = 0; i < 8; ++i) seed = seed << 8 | static_cast<unsigned char>(digest[i]);
  return seed;
}

}  // namespace vouch
