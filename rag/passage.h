#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/answer.h"
#include "rag/provenance.h"

namespace vouch {

// A retrieved hit with what an answer needs of its payload and provenance.
struct Passage {
  const PointHit* hit = nullptr;
  std::string text;
  std::string title;
  std::string heading;
  bool ingested = false;  // its provenance is that of a chunk
  Provenance provenance;
};

// Of the hit alone, which must outlive it.
Passage ReadPassage(const PointHit& hit);

// In the order of the hits, which must outlive them. A child's passage is its whole parent, with the spans, blocks and
// places of all its chunks; of hits of one parent the first alone has a passage. Siblings are read at the answer's version,
// as the principal sees them; a parent of which one is missing stays the child alone.
absl::StatusOr<std::vector<Passage>> ReadPassages(const Collection& collection, const Answer& answer,
                                                  const Principal& principal);

// Kept sources by content hash, each read once an answer. A source that is gone or damaged is
// empty, and no quote verifies against it.
class KeptSources {
 public:
  explicit KeptSources(Collection& collection) : collection_(collection) {}

  const std::string& Get(const std::string& hash);

 private:
  Collection& collection_;
  std::map<std::string, std::string> kept_;
};

AnswerSource SourceOf(const Passage& passage, uint32_t number);
// Cites bytes `span` of the passage's text, checked against the kept source; `answer` is left to
// the caller.
Citation CitationOf(const Passage& passage, ByteSpan span, uint32_t number, KeptSources* sources);

}  // namespace vouch
