#include "rag/drift/drift_reference.h"

#include <cmath>
#include <cstring>
#include <mutex>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "rag/record_reader.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr std::string_view kReferenceThing = "the drift reference";
constexpr uint32_t kMaxDim = 65'536;
constexpr std::string_view kPrefix = "drift-reference/";
constexpr size_t kMarkDigits = 16;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(Concat(kReferenceThing, " is damaged: ", what));
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

absl::StatusOr<std::string> ReferenceTextOf(const RecordJson& json, const std::string& where) {
  if (!json.is_string()) return Damaged(Concat(where, " is no text"));
  return json.get<std::string>();
}

// How many went.
uint64_t EraseRows(const ForgottenRows& forgotten, DriftReference* reference) {
  const std::string mark = forgotten.document.empty() ? "" : DocumentMark(forgotten.document);
  std::vector<uint64_t> rows;
  std::vector<std::string> documents;
  DriftPoints points{.dim = reference->dim};
  for (size_t i = 0; i < reference->rows.size(); ++i) {
    const bool known = !reference->documents.empty();
    if (forgotten.rows.contains(reference->rows[i]) ||
        (known && !mark.empty() && reference->documents[i] == mark))
      continue;
    rows.push_back(reference->rows[i]);
    if (known) documents.push_back(reference->documents[i]);
    const auto begin = reference->row_points.values.begin() + static_cast<std::ptrdiff_t>(i * points.dim);
    points.values.insert(points.values.end(), begin, begin + points.dim);
  }
  const uint64_t gone = reference->rows.size() - rows.size();
  reference->rows = std::move(rows);
  reference->documents = std::move(documents);
  reference->row_points = std::move(points);
  return gone;
}

}  // namespace

std::string DriftReferenceName(std::string_view monitor, uint64_t number) {
  return Concat(kPrefix, monitor, "/", absl::StrFormat("%08u", number));
}

std::string EncodeDriftReference(const DriftReference& reference) {
  RecordJson json = {{"format", 1},
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
  // What early records have not stands last, and only where there is something: their hashes hold.
  if (!reference.pipeline.empty()) json["pipeline"] = reference.pipeline;
  if (!reference.documents.empty()) json["documents"] = reference.documents;
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<DriftReference> DecodeDriftReference(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kReferenceThing);
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
  reader.TakeList("answers", &reference.answers, ReferenceTextOf);
  reader.TakeList("rows", &reference.rows,
                  [](const RecordJson& item, const std::string& where) -> absl::StatusOr<uint64_t> {
                    if (!item.is_number_unsigned()) return Damaged(Concat(where, " is no row"));
                    return item.get<uint64_t>();
                  });
  if (reader.Has("pipeline")) reader.Take("pipeline", &reference.pipeline);
  if (reader.Has("documents")) reader.TakeList("documents", &reference.documents, ReferenceTextOf);
  reader.TakeList("sentinels", &reference.sentinels, ReferenceTextOf);
  reader.Take("sentinel_noise", &reference.sentinel_noise);
  reader.Take("recall_questions", &reference.recall_questions);
  reader.Take("recall", &reference.recall);
  reader.Take("recall_low", &reference.recall_low);
  if (!reader.status().ok()) return reader.status();
  if (format != 1)
    return absl::FailedPreconditionError(
        Concat(kReferenceThing, " has format ", format, "; this program reads 1"));
  if (reference.dim == 0 || reference.dim > kMaxDim)
    return Damaged(Concat("dim is ", reference.dim));
  if (!reference.documents.empty() && reference.documents.size() != reference.rows.size())
    return Damaged(Concat(reference.rows.size(), " rows are of ", reference.documents.size(), " documents"));
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

std::string DocumentMark(std::string_view id) { return ContentHash(id).substr(0, kMarkDigits); }

absl::StatusOr<uint64_t> ForgetInReferences(EvaluationRecords& records, std::string_view tenant,
                                            const ForgottenRows& forgotten, bool change) {
  // Names alone: a reference may have megabytes.
  std::vector<std::string> names;
  const absl::Status scanned = records.ScanEvaluationRecords(
      tenant, kPrefix, [&](std::string_view name, std::string_view) {
        names.emplace_back(name);
        return true;
      });
  if (!scanned.ok()) return scanned;
  uint64_t gone = 0;
  // Else of two that forget at a time one would write back what the other has taken out.
  static auto& writing = *new std::mutex();
  for (const std::string& name : names) {
    const std::lock_guard<std::mutex> lock(writing);
    const auto bytes = records.GetEvaluationRecord(tenant, name);
    if (!bytes.ok() || !bytes->has_value()) continue;  // a damaged one is `vouch verify`'s
    absl::StatusOr<DriftReference> reference = DecodeDriftReference(**bytes);
    if (!reference.ok() || reference->collection != forgotten.collection) continue;
    const uint64_t of_this = EraseRows(forgotten, &*reference);
    gone += of_this;
    if (of_this == 0 || !change) continue;
    const NamedRecord written[] = {{.name = name, .bytes = EncodeDriftReference(*reference)}};
    absl::Status put = records.PutEvaluationRecords(tenant, written, /*only_new=*/false);
    if (!put.ok()) return put;
  }
  return gone;
}

}  // namespace vouch
