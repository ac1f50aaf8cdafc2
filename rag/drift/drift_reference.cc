#include "rag/drift/drift_reference.h"

#include <cmath>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr std::string_view kThing = "the drift reference";
constexpr uint32_t kMaxDim = 65'536;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(Concat(kThing, " is damaged: ", what));
}

std::string ToText(const std::vector<float>& values) {
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(values.data()),
                                              values.size() * sizeof(float)));
}

absl::Status TakeFloats(RecordReader& reader, const char* key, size_t count,
                        std::vector<float>* values) {
  std::string text;
  std::string bytes;
  reader.Take(key, &text);
  if (!reader.status().ok()) return reader.status();
  if (!absl::Base64Unescape(text, &bytes) || bytes.size() != count * sizeof(float))
    return Damaged(Concat(key, " is not ", count, " floats"));
  values->resize(count);
  if (count > 0) std::memcpy(values->data(), bytes.data(), bytes.size());
  for (float value : *values) {
    if (!std::isfinite(value)) return Damaged(Concat(key, " holds what is no number"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TextOf(const RecordJson& json, const std::string& where) {
  if (!json.is_string()) return Damaged(Concat(where, " is no text"));
  return json.get<std::string>();
}

}  // namespace

std::string DriftReferenceName(std::string_view monitor, uint64_t number) {
  return Concat("drift-reference/", monitor, "/", absl::StrFormat("%08u", number));
}

std::string EncodeDriftReference(const DriftReference& reference) {
  const RecordJson json = {{"format", 1},
                           {"monitor", reference.monitor},
                           {"number", reference.number},
                           {"created_us", reference.created_us},
                           {"collection", reference.collection},
                           {"version", reference.version},
                           {"rows_end", reference.rows_end},
                           {"field", reference.field},
                           {"embedder", reference.embedder},
                           {"dim", reference.dim},
                           {"answers_until_us", reference.answers_until_us},
                           {"answers", reference.answers},
                           {"questions", ToText(reference.questions.values)},
                           {"rows", reference.rows},
                           {"row_points", ToText(reference.row_points.values)},
                           {"sentinels", reference.sentinels},
                           {"sentinel_values", ToText(reference.sentinel_values)},
                           {"sentinel_noise", reference.sentinel_noise},
                           {"recall_questions", reference.recall_questions},
                           {"recall", reference.recall},
                           {"recall_low", reference.recall_low}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<DriftReference> DecodeDriftReference(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kThing);
  DriftReference reference;
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("monitor", &reference.monitor);
  reader.Take("number", &reference.number);
  reader.Take("created_us", &reference.created_us);
  reader.Take("collection", &reference.collection);
  reader.Take("version", &reference.version);
  reader.Take("rows_end", &reference.rows_end);
  reader.Take("field", &reference.field);
  reader.Take("embedder", &reference.embedder);
  reader.Take("dim", &reference.dim);
  reader.Take("answers_until_us", &reference.answers_until_us);
  reader.TakeList("answers", &reference.answers, TextOf);
  reader.TakeList("rows", &reference.rows,
                  [](const RecordJson& item, const std::string& where) -> absl::StatusOr<uint64_t> {
                    if (!item.is_number_unsigned()) return Damaged(Concat(where, " is no row"));
                    return item.get<uint64_t>();
                  });
  reader.TakeList("sentinels", &reference.sentinels, TextOf);
  reader.Take("sentinel_noise", &reference.sentinel_noise);
  reader.Take("recall_questions", &reference.recall_questions);
  reader.Take("recall", &reference.recall);
  reader.Take("recall_low", &reference.recall_low);
  if (!reader.status().ok()) return reader.status();
  if (format != 1)
    return absl::FailedPreconditionError(
        Concat(kThing, " has format ", format, "; this program reads 1"));
  if (reference.dim == 0 || reference.dim > kMaxDim)
    return Damaged(Concat("dim is ", reference.dim));
  reference.questions.dim = reference.row_points.dim = reference.dim;
  for (const absl::Status& status :
       {TakeFloats(reader, "questions", reference.answers.size() * reference.dim,
                   &reference.questions.values),
        TakeFloats(reader, "row_points", reference.rows.size() * reference.dim,
                   &reference.row_points.values),
        TakeFloats(reader, "sentinel_values", reference.sentinels.size() * reference.dim,
                   &reference.sentinel_values)}) {
    if (!status.ok()) return status;
  }
  return reference;
}

absl::StatusOr<DriftReference> ReadDriftReference(const EvaluationRecords& records,
                                                  std::string_view tenant, std::string_view monitor,
                                                  uint64_t number) {
  const auto bytes = records.GetEvaluationRecord(tenant, DriftReferenceName(monitor, number));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) {
    return absl::NotFoundError(
        Concat("monitor ", Escape(monitor), " has no reference ", number));
  }
  return DecodeDriftReference(**bytes);
}

}  // namespace vouch
