#pragma once

#include <cstdint>
#include <string>

namespace vouch {

// Which part of an experiment a question had, for its record (rag/deliver/experiment.h).
struct ExperimentArm {
  std::string experiment = {};  // "cheaper@2"
  uint64_t run = 0;             // of the experiment, from 1
  uint32_t step = 0;            // of a canary's ramp, from 0
  std::string mode = {};        // "ab"
  bool challenger = false;
  double propensity = 1;     // of being sent to this arm, in (0, 1]
  std::string salt = {};     // by which callers are split
  std::string caller = {};   // 16 hexadecimal digits of SHA-256 of the salt and who asked
  std::string asked = {};    // what was asked for, "support@champion"; the answer's pipeline says who answered
  std::string shadow_of = {};  // the answer that the caller got to the same question; else empty
  // Where two pipelines' hits were interleaved: whose they were besides, "support@2", by which filter (JSON),
  // and of each hit of the answer its team (rag/interleave.h). Else empty.
  std::string against = {};
  std::string against_filter = {};
  std::string teams = {};
};

}  // namespace vouch
