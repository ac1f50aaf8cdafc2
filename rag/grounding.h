#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/inverted/analyzer.h"
#include "rag/document.h"

namespace vouch {

// A numbered source of an answer, as the model saw it.
struct GroundingSource {
  std::string_view text;
  std::string_view context;  // title and headings; names may stand there alone
};

// Bytes of a source's text that a sentence of the answer rests on.
struct CitedSpan {
  uint32_t source = 0;  // from 1
  ByteSpan text;
};

struct GroundedSentence {
  ByteSpan answer;                    // bytes of the answer; markers may stand inside, but not at its end
  std::vector<CitedSpan> cited;       // one a source that it cites and that is there
  double support = 0;                 // share of its terms that the cited spans hold, 0 … 1
  std::vector<std::string> problems;  // for people; supported where there is none
};

struct Grounding {
  std::vector<GroundedSentence> sentences;  // those that have a term
  double score = 0;  // share of the sentences that are supported; 0 without sentences
};

// Checks an answer with markers [n] against its sources, without a model. A marker counts for the
// sentence that it stands in or after. For each source that a sentence cites, the one to three
// neighbouring sentences that hold most of its terms are its span. Supported is a sentence that
// 1. cites a source that is there, and none that is not;
// 2. has half of its terms or more in its spans;
// 3. has every quotation (in quotation marks, three words or more) in them, white space collapsed;
// 4. has every number in them;
// 5. has every name in them or in the sources' context: words with a capital inside, and, unless
// every
//    noun has one (`capitals_are_names` false), words with a capital that do not begin a sentence;
// 6. denies where they deny, and only there.
// At most 500 sentences, and 20 sources a sentence, are checked; what is past that is not supported. A
// function of its arguments alone.
Grounding CheckGrounding(std::string_view answer, const std::vector<GroundingSource>& sources,
                         const Analyzer& analyzer, bool capitals_are_names);

}  // namespace vouch
