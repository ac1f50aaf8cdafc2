#include "rag/drift/drift_sample.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "index/inverted/analyzer.h"
#include "rag/answer.h"
#include "rag/forget/forget_record.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Rows, for each that is wanted: documents have several. Where the first brings too few documents, the
// second is tried, and only in a range of kManyRows for each wanted is what it brings all there is.
constexpr uint64_t kLookedAt[] = {4, 64};
constexpr uint64_t kManyRows = 1'000;

// Of its document, or of the point itself where it was not ingested; the kinds do not meet.
std::string OriginOf(const RowRecord& row) {
  const auto json =
      nlohmann::json::parse(row.provenance, nullptr, /*allow_exceptions=*/false);
  const auto document = json.is_object() ? json.find("document") : json.end();
  if (json.is_object() && document != json.end() && document->is_string())
    return Concat("d", document->get_ref<const std::string&>());
  return Concat("p", row.id.ToString());
}

// What rows are taken from.
struct SampledRange {
  Collection& collection;
  size_t dense_field = 0;
  RowRange range = {};
  std::set<uint64_t> gone = {};
  uint64_t live() const { return range.size() - gone.size(); }
};

// The first of each document among the live rows number i * live / looked_at.
absl::Status TakeRows(const SampledRange& from, uint64_t looked_at, const CancelToken& cancel,
                      SampledRows* sampled) {
  const DenseField& field = from.collection.schema().dense[from.dense_field];
  std::set<std::string> origins;
  uint64_t next = 0;
  uint64_t number = 0;
  for (uint64_t row = from.range.begin.value; row < from.range.end.value && next < looked_at; ++row) {
    if (from.gone.contains(row)) continue;
    if (number++ != next * from.live() / looked_at) continue;
    ++next;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    // A row that was let go is left out.
    absl::Status read = from.collection.store().ScanRows(
        from.collection.id(), {RowId(row), RowId(row + 1)}, /*with_vectors=*/true,
        [&](RowRecord&& record) {
          std::vector<float> vector;
          if (from.dense_field < record.vectors.size())
            vector = std::move(record.vectors[from.dense_field]);
          // A text without a vector says nothing to the embedder; a user's row has none on purpose.
          if (vector.empty() && field.embedder.empty()) return absl::OkStatus();
          const auto [origin, first] = origins.insert(OriginOf(record));
          if (!first) return absl::OkStatus();
          sampled->rows.push_back(row);
          sampled->points.push_back(record.id.ToString());
          sampled->documents.push_back(origin->substr(1));
          sampled->vectors.Add(vector);
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
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
  leaf.background = exact;  // the others are answered as users' are
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

absl::StatusOr<AskedQuestions> LatestQuestions(Store& store, const QuestionRange& range,
                                               const CancelToken& cancel) {
  AskedQuestions asked;
  absl::Status failed;
  uint64_t scanned = 0;
  const std::string prefix = Concat(range.pipeline, "@");
  // As it stands in the JSON of an answer by the pipeline: its name takes no escapes.
  const std::string mark = Concat("\"", prefix);
  if (range.limit == 0) return asked;
  const absl::Status status =
      store.ScanAnswers(range.tenant, [&](std::string_view id, std::string_view record) {
        if (failed = cancel.Check(); !failed.ok()) return false;
        if (asked.newest.empty()) asked.newest = id;
        if (id == range.after) return false;
        if (++scanned > range.max_scanned) {
          asked.cut_off = true;
          return false;
        }
        if (!range.pipeline.empty() && record.find(mark) == std::string_view::npos) return true;
        absl::StatusOr<Answer> answer = AnswerFromJson(record);
        if (!answer.ok()) {
          failed = answer.status();
          return false;
        }
        // An answer that nobody got: the question counts where it was answered.
        const bool shadow = answer->experiment && !answer->experiment->shadow_of.empty();
        if (answer->evaluation || shadow || answer->question.empty() ||
            answer->collection != range.collection)
          return true;
        if (!range.pipeline.empty() && !answer->pipeline.starts_with(prefix)) return true;
        asked.questions.push_back({answer->id, std::move(answer->question), answer->time_us});
        return asked.questions.size() < range.limit;
      });
  if (!failed.ok()) return failed;
  if (!status.ok()) return status;
  return asked;
}

absl::StatusOr<SampledRows> SampleRows(Collection& collection, size_t dense_field, RowRange range,
                                       Version at, size_t limit, const CancelToken& cancel) {
  SampledRange from{.collection = collection, .dense_field = dense_field, .range = range};
  const absl::Status scanned =
      collection.store().ScanRetired(collection.id(), range, [&](RowId row, Version version) {
        if (version <= at) from.gone.insert(row.value);
      });
  if (!scanned.ok()) return scanned;
  const uint32_t dim = collection.schema().dense[dense_field].dim;
  SampledRows sampled;
  for (uint64_t each : kLookedAt) {
    const uint64_t looked_at = std::min<uint64_t>(from.live(), each * limit);
    sampled = SampledRows();
    sampled.vectors.dim = dim;
    if (absl::Status status = TakeRows(from, looked_at, cancel, &sampled); !status.ok()) return status;
    if (sampled.rows.size() >= limit || looked_at == from.live()) break;
  }
  sampled.cut_off = sampled.rows.size() < limit && from.live() >= kManyRows * limit;
  if (sampled.rows.size() <= limit) return sampled;
  // Evenly among those found, since the first ones alone would be the oldest.
  SampledRows even;
  even.vectors.dim = dim;
  for (size_t i = 0; i < limit; ++i) {
    const size_t place = i * sampled.rows.size() / limit;
    even.rows.push_back(sampled.rows[place]);
    even.points.push_back(std::move(sampled.points[place]));
    even.documents.push_back(std::move(sampled.documents[place]));
    const float* begin = &sampled.vectors.values[place * dim];
    even.vectors.values.insert(even.vectors.values.end(), begin, begin + dim);
  }
  return even;
}

absl::StatusOr<std::vector<uint64_t>> ErasedRows(Collection& collection,
                                                 const std::vector<uint64_t>& rows) {
  std::vector<uint64_t> erased;
  for (uint64_t row : rows) {
    const absl::Status read = collection.store().ScanRows(
        collection.id(), {RowId(row), RowId(row + 1)}, /*with_vectors=*/false,
        [&](RowRecord&& record) {
          if (record.payload == kErasedPayload) erased.push_back(row);
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
  }
  return erased;
}

absl::StatusOr<std::vector<DriftWords>> WordsOfQuestions(const Collection& collection, const std::vector<AskedQuestion>& questions,
                                                         const CancelToken& cancel) {
  const std::vector<TextField>& fields = collection.schema().text;
  const auto analyzer = Analyzer::Create(fields.empty() ? TextField().language : fields[0].language);
  if (!analyzer.ok()) return analyzer.status();
  std::vector<DriftWords> words;
  for (const AskedQuestion& question : questions) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    words.push_back(DriftWordsOf(**analyzer, question.text));
  }
  return words;
}

absl::StatusOr<std::vector<DriftWords>> WordsOfAnswers(Collection& collection, const std::string& tenant,
                                                       const std::vector<std::string>& answers, const CancelToken& cancel) {
  std::vector<AskedQuestion> questions;
  for (const std::string& id : answers) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const absl::StatusOr<std::string> record = collection.store().GetAnswer(tenant, id);
    if (absl::IsNotFound(record.status())) continue;
    if (!record.ok()) return record.status();
    absl::StatusOr<Answer> answer = AnswerFromJson(*record);
    if (!answer.ok()) return answer.status();
    questions.push_back({.answer = id, .text = std::move(answer->question)});
  }
  return WordsOfQuestions(collection, questions, cancel);
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

absl::StatusOr<std::vector<PointRecall>> SampleRecall(const Collection& collection,
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
  std::vector<PointRecall> recall;
  for (size_t i = 0; i < exact->size(); ++i) {
    const std::vector<PointHit>& wanted = (*exact)[i].hits;
    if (wanted.empty()) continue;
    // A hit as near as the last one wanted is as good.
    const auto found = std::count_if(
        (*approximate)[i].hits.begin(), (*approximate)[i].hits.end(),
        [&](const PointHit& hit) { return hit.score >= wanted.back().score; });
    recall.push_back({i, static_cast<double>(found) / static_cast<double>(wanted.size())});
  }
  return recall;
}

}  // namespace vouch
