#include "rag/eval/passages.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "rag/provenance.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kMaxKeptBytes = size_t{64} << 20;
constexpr size_t kGetAtOnce = 1'000;

uint64_t Overlap(const ByteSpan& a, const ByteSpan& b) {
  const uint64_t begin = std::max(a.begin, b.begin);
  const uint64_t end = std::min(a.end, b.end);
  return end > begin ? end - begin : 0;
}

bool StandsFor(const ByteSpan& chunk, const ByteSpan& passage) {
  const uint64_t shorter = std::min(chunk.end - chunk.begin, passage.end - passage.begin);
  return shorter > 0 && 2 * Overlap(chunk, passage) >= shorter;
}

// Documents, as judgements name them, with their best chunks.
JudgedRetrieval ByDocument(const DatasetQuestion& question,
                           const std::vector<RetrievedChunk>& chunks) {
  JudgedRetrieval judged{.levels = question.documents};
  for (const RetrievedChunk& chunk : chunks) {
    if (judged.scores.emplace(chunk.document, chunk.score).second) {
      judged.ranked.push_back(chunk.document);
    }
  }
  return judged;
}

}  // namespace

absl::Status AddChunkJudgements(const Collection& collection, Version at,
                                const Principal& principal, const Qrels& chunks,
                                std::vector<DatasetQuestion>* questions) {
  std::map<std::string, DatasetQuestion*> by_id;
  for (DatasetQuestion& question : *questions) by_id.emplace(question.id, &question);
  const Projection projection{.payload = false, .provenance = true};
  for (const auto& [query, points] : chunks) {
    const auto question = by_id.find(query);
    if (question == by_id.end()) {
      return absl::InvalidArgumentError(
          Concat("judgements: query \"", Escape(query), "\" is none of the questions"));
    }
    std::vector<PointId> ids;
    std::vector<int> levels;
    for (const auto& [point, level] : points) {
      absl::StatusOr<PointId> id = PointId::FromString(point);
      if (!id.ok()) return id.status();
      ids.push_back(*std::move(id));
      levels.push_back(level);
    }
    for (size_t begin = 0; begin < ids.size(); begin += kGetAtOnce) {
      const size_t count = std::min(kGetAtOnce, ids.size() - begin);
      auto hits = collection.Get(std::span(ids).subspan(begin, count), {at}, projection, principal);
      if (!hits.ok()) return hits.status();
      for (size_t i = 0; i < count; ++i) {
        const std::string name = ids[begin + i].ToString();
        if (!(*hits)[i].has_value()) {
          return absl::NotFoundError(Concat("judgements: query \"", Escape(query),
                                            "\" judges the chunk \"", Escape(name),
                                            "\", which version ", at.value, " does not have"));
        }
        absl::StatusOr<Provenance> provenance = DecodeProvenance((*hits)[i]->provenance);
        if (!provenance.ok()) {
          return absl::InvalidArgumentError(
              Concat("judgements: the point \"", Escape(name),
                     "\" is no chunk of an ingested document; judge documents instead"));
        }
        question->second->passages.push_back({.document = std::move(provenance->document),
                                              .source_hash = std::move(provenance->source_hash),
                                              .source = provenance->source,
                                              .level = levels[begin + i]});
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const std::string*> PassageFollower::Source(const std::string& hash) {
  auto found = sources_.find(hash);
  if (found != sources_.end()) return &found->second;
  absl::StatusOr<std::string> bytes = collection_.store().GetArtifact(collection_.id(), hash);
  if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
  std::string source = bytes.ok() ? *std::move(bytes) : std::string();
  if (kept_bytes_ + source.size() > kMaxKeptBytes) {
    sources_.clear();
    kept_bytes_ = 0;
  }
  kept_bytes_ += source.size();
  return &sources_.emplace(hash, std::move(source)).first->second;
}

absl::StatusOr<std::optional<ByteSpan>> PassageFollower::Locate(const PassageJudgement& passage,
                                                                const std::string& source_hash) {
  if (passage.source_hash == source_hash) return std::optional<ByteSpan>(passage.source);
  absl::StatusOr<const std::string*> before = Source(passage.source_hash);
  if (!before.ok()) return before.status();
  if (passage.source.end > (*before)->size()) return std::optional<ByteSpan>();
  // A copy: reading the other source may drop this one.
  const std::string words =
      (*before)->substr(passage.source.begin, passage.source.end - passage.source.begin);
  absl::StatusOr<const std::string*> now = Source(source_hash);
  if (!now.ok()) return now.status();
  const size_t at = (*now)->find(words);
  if (at == std::string::npos || (*now)->find(words, at + 1) != std::string::npos) {
    return std::optional<ByteSpan>();
  }
  return std::optional<ByteSpan>({at, at + words.size()});
}

absl::StatusOr<JudgedRetrieval> PassageFollower::Follow(const DatasetQuestion& question,
                                                        const std::vector<RetrievedChunk>& chunks) {
  if (question.passages.empty()) return ByDocument(question, chunks);
  JudgedRetrieval judged;
  for (size_t i = 0; i < question.passages.size(); ++i) {
    judged.levels.emplace(Concat("passage:", i), question.passages[i].level);
  }
  const auto add = [&judged](std::string unit, double score) {
    if (judged.scores.emplace(unit, score).second) judged.ranked.push_back(std::move(unit));
  };
  std::map<std::pair<size_t, std::string>, std::optional<ByteSpan>> located;
  std::set<size_t> lost;
  for (const RetrievedChunk& chunk : chunks) {
    bool found = false;
    for (size_t i = 0; i < question.passages.size(); ++i) {
      const PassageJudgement& passage = question.passages[i];
      if (passage.document != chunk.source_document || chunk.source_hash.empty()) continue;
      auto place = located.find({i, chunk.source_hash});
      if (place == located.end()) {
        absl::StatusOr<std::optional<ByteSpan>> span = Locate(passage, chunk.source_hash);
        if (!span.ok()) return span.status();
        place = located.emplace(std::pair(i, chunk.source_hash), *span).first;
        if (!span->has_value()) lost.insert(i);
      }
      if (!place->second.has_value() || !StandsFor(chunk.source, *place->second)) continue;
      add(Concat("passage:", i), chunk.score);
      found = true;
    }
    if (!found) add(Concat("chunk:", chunk.point), chunk.score);
  }
  judged.lost_passages = static_cast<uint32_t>(lost.size());
  return judged;
}

}  // namespace vouch
