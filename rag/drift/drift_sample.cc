#include "rag/drift/drift_sample.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "rag/answer.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Answers are kept in the order of their ends, some time after they began.
constexpr int64_t kLongestAnswer = int64_t{3'600} * 1'000'000;
constexpr size_t kLookedAt = 4;  // rows, for each that is wanted: documents have several

std::string DocumentOf(const RowRecord& row) {
  const auto json =
      nlohmann::json::parse(row.provenance, nullptr, /*allow_exceptions=*/false);
  const auto document = json.is_object() ? json.find("document") : json.end();
  if (json.is_object() && document != json.end() && document->is_string())
    return Concat("d", document->get_ref<const std::string&>());
  return Concat("p", row.id.ToString());
}

bool IsEmpty(const DriftPoints& points, size_t i) {
  const float* begin = &points.values[i * points.dim];
  return std::all_of(begin, begin + points.dim, [](float value) { return value == 0; });
}

SearchRequest NearestOf(const std::string& field, const DriftPoints& points, size_t i,
                        uint32_t limit, bool exact, Version at, const Principal& principal,
                        const CancelToken& cancel) {
  DenseLeaf leaf{.field = field};
  const float* begin = &points.values[i * points.dim];
  leaf.vector.assign(begin, begin + points.dim);
  leaf.exact = exact;
  SearchRequest request;
  request.query.node = std::move(leaf);
  request.limit = limit;
  request.at.at = at;
  request.projection.payload = false;
  request.principal = principal;
  request.cancel = cancel;
  return request;
}

// Searches for all points that are not empty; the responses by point, empty ones without hits.
absl::StatusOr<std::vector<SearchResponse>> SearchAll(const Collection& collection,
                                                      const std::string& field,
                                                      const DriftPoints& points, uint32_t limit,
                                                      bool exact, Version at,
                                                      const Principal& principal,
                                                      const CancelToken& cancel) {
  std::vector<SearchResponse> responses(points.size());
  std::vector<SearchRequest> batch;
  std::vector<size_t> places;
  const auto flush = [&]() -> absl::Status {
    if (batch.empty()) return absl::OkStatus();
    absl::StatusOr<std::vector<SearchResponse>> found = collection.SearchBatch(batch);
    if (!found.ok()) return found.status();
    for (size_t i = 0; i < places.size(); ++i) responses[places[i]] = std::move((*found)[i]);
    batch.clear();
    places.clear();
    return absl::OkStatus();
  };
  for (size_t i = 0; i < points.size(); ++i) {
    if (IsEmpty(points, i)) continue;
    batch.push_back(NearestOf(field, points, i, limit, exact, at, principal, cancel));
    places.push_back(i);
    if (batch.size() < Collection::kMaxBatch) continue;
    if (absl::Status status = flush(); !status.ok()) return status;
  }
  if (absl::Status status = flush(); !status.ok()) return status;
  return responses;
}

}  // namespace

absl::StatusOr<std::vector<AskedQuestion>> LatestQuestions(Store& store, std::string_view tenant,
                                                           std::string_view collection,
                                                           std::string_view pipeline,
                                                           int64_t after_us, size_t limit) {
  std::vector<AskedQuestion> questions;
  std::optional<absl::Status> failed;
  uint64_t scanned = 0;
  const std::string prefix = Concat(pipeline, "@");
  const absl::Status status =
      store.ScanAnswers(tenant, [&](std::string_view, std::string_view record) {
        const absl::StatusOr<Answer> answer = AnswerFromJson(record);
        if (!answer.ok()) {
          failed = answer.status();
          return false;
        }
        if (answer->time_us <= after_us - kLongestAnswer || ++scanned > kMaxScannedAnswers)
          return false;
        if (answer->time_us <= after_us || answer->evaluation || answer->question.empty() ||
            answer->collection != collection)
          return true;
        if (!pipeline.empty() && !answer->pipeline.starts_with(prefix)) return true;
        questions.push_back({answer->id, answer->question, answer->time_us});
        return questions.size() < limit;
      });
  if (failed) return *failed;
  if (!status.ok()) return status;
  return questions;
}

absl::StatusOr<SampledRows> SampleRows(Collection& collection, size_t dense_field, RowRange range,
                                       Version at, size_t limit, const CancelToken& cancel) {
  Store& store = collection.store();
  SampledRows sampled;
  const DenseField& field = collection.schema().dense[dense_field];
  sampled.vectors.dim = field.dim;
  std::set<uint64_t> gone;
  const absl::Status scanned =
      store.ScanRetired(collection.id(), range, [&](RowId row, Version version) {
        if (version <= at) gone.insert(row.value);
      });
  if (!scanned.ok()) return scanned;
  const uint64_t live = range.size() - gone.size();
  const uint64_t looked_at = std::min<uint64_t>(live, kLookedAt * limit);
  std::set<std::string> documents;
  // The i-th looked at is the live row number i * live / looked_at.
  uint64_t next = 0;
  uint64_t number = 0;
  for (uint64_t row = range.begin.value; row < range.end.value && next < looked_at; ++row) {
    if (gone.contains(row)) continue;
    if (number++ != next * live / looked_at) continue;
    ++next;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    // A row that was let go is left out.
    absl::Status read = store.ScanRows(
        collection.id(), {RowId(row), RowId(row + 1)}, /*with_vectors=*/true,
        [&](RowRecord&& record) {
          std::vector<float> vector;
          if (dense_field < record.vectors.size()) vector = std::move(record.vectors[dense_field]);
          // A text without a vector says nothing to the embedder; a user's row has none on purpose.
          if ((vector.empty() && field.embedder.empty()) ||
              !documents.insert(DocumentOf(record)).second)
            return absl::OkStatus();
          sampled.rows.push_back(row);
          sampled.points.push_back(record.id.ToString());
          sampled.vectors.Add(vector);
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
  }
  if (sampled.rows.size() <= limit) return sampled;
  // Evenly among those found, since the first ones alone would be the oldest.
  SampledRows even;
  even.vectors.dim = sampled.vectors.dim;
  for (size_t i = 0; i < limit; ++i) {
    const size_t place = i * sampled.rows.size() / limit;
    even.rows.push_back(sampled.rows[place]);
    even.points.push_back(sampled.points[place]);
    const float* begin = &sampled.vectors.values[place * even.vectors.dim];
    even.vectors.values.insert(even.vectors.values.end(), begin, begin + even.vectors.dim);
  }
  return even;
}

absl::StatusOr<std::vector<double>> BestScores(const Collection& collection,
                                               const std::string& field, const DriftPoints& points,
                                               Version at, const Principal& principal,
                                               const CancelToken& cancel) {
  const auto responses =
      SearchAll(collection, field, points, 1, /*exact=*/false, at, principal, cancel);
  if (!responses.ok()) return responses.status();
  double least = 0;
  for (const SearchResponse& response : *responses) {
    if (!response.hits.empty()) least = std::min(least, response.hits[0].score);
  }
  std::vector<double> scores;
  for (const SearchResponse& response : *responses)
    scores.push_back(response.hits.empty() ? least - 1 : response.hits[0].score);
  return scores;
}

absl::StatusOr<std::vector<double>> SampleRecall(const Collection& collection,
                                                 const std::string& field,
                                                 const DriftPoints& points, Version at,
                                                 const Principal& principal,
                                                 const CancelToken& cancel) {
  const auto approximate =
      SearchAll(collection, field, points, kRecallK, /*exact=*/false, at, principal, cancel);
  if (!approximate.ok()) return approximate.status();
  const auto exact =
      SearchAll(collection, field, points, kRecallK, /*exact=*/true, at, principal, cancel);
  if (!exact.ok()) return exact.status();
  std::vector<double> recall;
  for (size_t i = 0; i < exact->size(); ++i) {
    const std::vector<PointHit>& wanted = (*exact)[i].hits;
    if (wanted.empty()) continue;
    // A hit as near as the last one wanted is as good.
    const auto found = std::count_if(
        (*approximate)[i].hits.begin(), (*approximate)[i].hits.end(),
        [&](const PointHit& hit) { return hit.score >= wanted.back().score; });
    recall.push_back(static_cast<double>(found) / static_cast<double>(wanted.size()));
  }
  return recall;
}

}  // namespace vouch
