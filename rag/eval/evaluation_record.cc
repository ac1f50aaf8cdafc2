#include "rag/eval/evaluation_record.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/eval/paired_test.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kMinIdPrefix = 4;
constexpr uint64_t kFormat = 1;

std::string RunKey(std::string_view id) { return Concat("run/", id); }
std::string ResultPrefix(std::string_view id) { return Concat("result/", id, "/"); }

// JSON has no NaN: null.
RecordJson NumberToJson(double value) {
  return std::isfinite(value) ? RecordJson(value) : RecordJson(nullptr);
}
void TakeNumber(RecordReader& reader, const char* key, double* value) {
  *value = kNotANumber;
  if (reader.Has(key)) reader.Take(key, value);
}

RecordJson MetricsToJson(const std::vector<MetricSummary>& metrics) {
  RecordJson json = RecordJson::array();
  for (const MetricSummary& metric : metrics) {
    json.push_back({{"name", metric.name},
                    {"count", metric.count},
                    {"missing", metric.missing},
                    {"mean", NumberToJson(metric.mean)},
                    {"low", NumberToJson(metric.interval.low)},
                    {"high", NumberToJson(metric.interval.high)}});
  }
  return json;
}

absl::StatusOr<MetricSummary> ReadMetric(const RecordJson& json, std::string where) {
  MetricSummary metric;
  RecordReader reader(json, std::move(where));
  reader.Take("name", &metric.name);
  reader.Take("count", &metric.count);
  reader.Take("missing", &metric.missing);
  TakeNumber(reader, "mean", &metric.mean);
  TakeNumber(reader, "low", &metric.interval.low);
  TakeNumber(reader, "high", &metric.interval.high);
  if (!reader.status().ok()) return reader.status();
  return metric;
}

absl::StatusOr<SliceSummary> ReadSlice(const RecordJson& json, std::string where) {
  SliceSummary slice;
  RecordReader reader(json, std::move(where));
  reader.Take("tag", &slice.tag);
  reader.Take("questions", &slice.questions);
  reader.TakeList("metrics", &slice.metrics, ReadMetric);
  if (!reader.status().ok()) return reader.status();
  return slice;
}

RecordJson AbstentionToJson(const AbstentionScores& scores) {
  return {{"coverage", NumberToJson(scores.coverage)},
          {"risk", NumberToJson(scores.risk)},
          {"abstain_precision", NumberToJson(scores.abstain_precision)},
          {"abstain_recall", NumberToJson(scores.abstain_recall)},
          {"aurc", NumberToJson(scores.aurc)}};
}

absl::StatusOr<AbstentionScores> ReadAbstention(const RecordJson& json, std::string where) {
  AbstentionScores scores;
  RecordReader reader(json, std::move(where));
  TakeNumber(reader, "coverage", &scores.coverage);
  TakeNumber(reader, "risk", &scores.risk);
  TakeNumber(reader, "abstain_precision", &scores.abstain_precision);
  TakeNumber(reader, "abstain_recall", &scores.abstain_recall);
  TakeNumber(reader, "aurc", &scores.aurc);
  if (!reader.status().ok()) return reader.status();
  return scores;
}

}  // namespace

std::string EncodeEvaluation(const EvaluationRecord& record) {
  RecordJson json = {{"format", kFormat},
                     {"id", record.id},
                     {"finished", record.finished},
                     {"created_us", record.created_us},
                     {"finished_us", record.finished_us},
                     {"dataset", record.dataset},
                     {"dataset_version", record.dataset_version},
                     {"dataset_hash", record.dataset_hash},
                     {"collection", record.collection},
                     {"version", record.version},
                     {"mode", record.mode},
                     {"answers", record.answers},
                     {"depth", record.depth},
                     {"context_chunks", record.context_chunks},
                     {"embedder", record.embedder},
                     {"fusion", record.fusion},
                     {"generator", record.generator},
                     {"engine", record.engine},
                     {"questions", record.questions},
                     {"done", record.done},
                     {"errors", record.errors},
                     {"lost_passages", record.lost_passages},
                     {"metrics", MetricsToJson(record.metrics)},
                     {"slices", RecordJson::array()},
                     {"abstention", nullptr}};
  for (const SliceSummary& slice : record.slices) {
    json["slices"].push_back({{"tag", slice.tag},
                              {"questions", slice.questions},
                              {"metrics", MetricsToJson(slice.metrics)}});
  }
  if (!record.judges.empty()) json["judges"] = record.judges;
  if (!record.pipeline.empty()) {
    json["pipeline"] = record.pipeline;
    json["pipeline_hash"] = record.pipeline_hash;
  }
  if (record.has_answers) json["abstention"] = AbstentionToJson(record.abstention);
  return DumpRecord(json);
}

absl::StatusOr<EvaluationRecord> DecodeEvaluation(std::string_view text) {
  const RecordJson json = ParseRecordJson(text);
  EvaluationRecord record;
  RecordReader reader(json, "evaluation ");
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("id", &record.id);
  reader.Take("finished", &record.finished);
  reader.Take("created_us", &record.created_us);
  reader.Take("finished_us", &record.finished_us);
  reader.Take("dataset", &record.dataset);
  reader.Take("dataset_version", &record.dataset_version);
  reader.Take("dataset_hash", &record.dataset_hash);
  reader.Take("collection", &record.collection);
  reader.Take("version", &record.version);
  reader.Take("mode", &record.mode);
  reader.Take("answers", &record.answers);
  reader.Take("depth", &record.depth);
  reader.Take("context_chunks", &record.context_chunks);
  reader.Take("embedder", &record.embedder);
  reader.Take("fusion", &record.fusion);
  reader.Take("generator", &record.generator);
  reader.Take("engine", &record.engine);
  reader.Take("questions", &record.questions);
  reader.Take("done", &record.done);
  reader.Take("errors", &record.errors);
  reader.Take("lost_passages", &record.lost_passages);
  reader.TakeList("metrics", &record.metrics, ReadMetric);
  reader.TakeList("slices", &record.slices, ReadSlice);
  if (json.is_object() && reader.Has("judges")) reader.TakeList("judges", &record.judges, ReadRecordText);
  if (json.is_object() && reader.Has("pipeline")) {
    reader.Take("pipeline", &record.pipeline);
    reader.Take("pipeline_hash", &record.pipeline_hash);
  }
  record.has_answers = json.is_object() && reader.Has("abstention");
  if (record.has_answers) reader.TakeObject("abstention", &record.abstention, ReadAbstention);
  if (!reader.status().ok()) return reader.status();
  if (format != kFormat) {
    return absl::DataLossError(
        Concat("the evaluation record has format ", format, "; this program reads ", kFormat));
  }
  return record;
}

std::string EncodeQuestionResult(const QuestionResult& result) {
  RecordJson json = {{"index", result.index},
                     {"id", result.id},
                     {"metrics", RecordJson::object()},
                     {"top", result.top},
                     {"answer_id", result.answer_id},
                     {"answer", result.answer},
                     {"answered", result.answered},
                     {"confidence", NumberToJson(result.confidence)},
                     {"lost_passages", result.lost_passages},
                     {"error", result.error}};
  for (const auto& [name, value] : result.metrics) json["metrics"][name] = NumberToJson(value);
  return DumpRecord(json);
}

absl::StatusOr<QuestionResult> DecodeQuestionResult(std::string_view text) {
  const RecordJson json = ParseRecordJson(text);
  QuestionResult result;
  RecordReader reader(json, "result ");
  reader.Take("index", &result.index);
  reader.Take("id", &result.id);
  reader.TakeObject("metrics", &result.metrics,
                    [](const RecordJson& metrics, const std::string& where)
                        -> absl::StatusOr<std::map<std::string, double>> {
                      std::map<std::string, double> values;
                      for (const auto& [name, value] : metrics.items()) {
                        if (!value.is_null() && !value.is_number()) {
                          return absl::DataLossError(
                              Concat("the record is damaged: ", where, name));
                        }
                        values[name] = value.is_null() ? kNotANumber : value.get<double>();
                      }
                      return values;
                    });
  reader.TakeList("top", &result.top, ReadRecordText);
  reader.Take("answer_id", &result.answer_id);
  reader.Take("answer", &result.answer);
  reader.Take("answered", &result.answered);
  TakeNumber(reader, "confidence", &result.confidence);
  reader.Take("lost_passages", &result.lost_passages);
  reader.Take("error", &result.error);
  if (!reader.status().ok()) return reader.status();
  return result;
}

NamedRecord EvaluationStore::ToNamed(const EvaluationRecord& record) {
  return {RunKey(record.id), EncodeEvaluation(record)};
}

absl::Status EvaluationStore::Put(const EvaluationRecord& record) {
  const NamedRecord kept = ToNamed(record);
  return records_.PutEvaluationRecords(tenant_, {&kept, 1}, /*only_new=*/false);
}

absl::Status EvaluationStore::PutResults(const std::string& id,
                                         const std::vector<QuestionResult>& results) {
  return records_.PutEvaluationRecords(tenant_, ToNamed(id, results), /*only_new=*/false);
}

std::vector<NamedRecord> EvaluationStore::ToNamed(const std::string& id,
                                                  const std::vector<QuestionResult>& results) {
  std::vector<NamedRecord> kept;
  for (const QuestionResult& result : results) {
    kept.push_back({Concat(ResultPrefix(id), absl::StrFormat("%08u", result.index)),
                    EncodeQuestionResult(result)});
  }
  return kept;
}

absl::StatusOr<EvaluationRecord> EvaluationStore::Get(std::string_view id) const {
  if (id.size() < kMinIdPrefix) {
    return absl::InvalidArgumentError(Concat("the evaluation id \"", Escape(id), "\" has ",
                                             id.size(), " characters; give at least ",
                                             kMinIdPrefix));
  }
  std::vector<std::string> found;
  const absl::Status scanned = records_.ScanEvaluationRecords(
      tenant_, RunKey(id), [&](std::string_view, std::string_view bytes) {
        found.emplace_back(bytes);
        return found.size() < 2;
      });
  if (!scanned.ok()) return scanned;
  if (found.empty()) {
    return absl::NotFoundError(Concat("there is no evaluation ", Escape(id),
                                      "; `vouch eval list` shows those there are"));
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        Concat("several evaluations start with ", Escape(id), "; give more of the id"));
  }
  return DecodeEvaluation(found.front());
}

absl::StatusOr<std::vector<QuestionResult>> EvaluationStore::Results(const std::string& id) const {
  std::vector<QuestionResult> results;
  absl::Status damaged;
  const absl::Status scanned = records_.ScanEvaluationRecords(
      tenant_, ResultPrefix(id), [&](std::string_view, std::string_view bytes) {
        absl::StatusOr<QuestionResult> result = DecodeQuestionResult(bytes);
        if (!result.ok()) {
          damaged = result.status();
          return false;
        }
        results.push_back(*std::move(result));
        return true;
      });
  if (!damaged.ok()) return damaged;
  if (!scanned.ok()) return scanned;
  return results;
}

absl::StatusOr<std::vector<EvaluationRecord>> EvaluationStore::List(size_t limit) const {
  std::vector<std::string> kept;
  const absl::Status scanned = records_.ScanEvaluationRecords(
      tenant_, RunKey(""), [&](std::string_view, std::string_view bytes) {
        kept.emplace_back(bytes);
        return true;
      });
  if (!scanned.ok()) return scanned;
  std::vector<EvaluationRecord> records;
  for (auto bytes = kept.rbegin(); bytes != kept.rend() && records.size() < limit; ++bytes) {
    absl::StatusOr<EvaluationRecord> record = DecodeEvaluation(*bytes);
    if (!record.ok()) return record.status();
    records.push_back(*std::move(record));
  }
  return records;
}

}  // namespace vouch
