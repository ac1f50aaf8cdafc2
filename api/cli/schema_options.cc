#include "api/cli/schema_options.h"

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/cli/invocation.h"
#include "rag/file_walker.h"
#include "storage/duration_text.h"

namespace vouch {
namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  return absl::StrSplit(text, separator);
}

// Sets `out` to the one of `all` that is called `name`; false where none is.
template <typename Enum>
bool Choose(std::initializer_list<Enum> all, std::string_view (*name_of)(Enum),
            const std::string& name, std::optional<Enum>& out) {
  for (const Enum candidate : all) {
    if (name_of(candidate) != name) continue;
    out = candidate;
    return true;
  }
  return false;
}

absl::StatusOr<DenseField> ParseDense(const std::string& text) {
  const std::vector<std::string> parts = Split(text, ':');
  DenseField field;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[1], &field.dim)) {
    return UsageError(absl::StrCat(
        "--dense is '", text,
        "'; it takes NAME:DIM[:METRIC][:INDEX][:TYPE][:recall=TARGET], as "
        "embedding:384:cosine"));
  }
  field.name = parts[0];
  std::optional<Metric> metric;
  std::optional<DenseIndexKind> index;
  std::optional<VectorType> type;
  std::optional<double> recall;
  constexpr std::string_view kRecall = "recall=";
  for (size_t i = 2; i < parts.size(); ++i) {
    const bool known =
        Choose({Metric::kCosine, Metric::kInnerProduct, Metric::kL2, Metric::kHamming}, MetricName,
               parts[i], metric) ||
        Choose({DenseIndexKind::kHnsw, DenseIndexKind::kFlat, DenseIndexKind::kIvfFlat,
                DenseIndexKind::kIvfPq, DenseIndexKind::kAuto},
               DenseIndexKindName, parts[i], index) ||
        Choose({VectorType::kF32, VectorType::kF16, VectorType::kI8, VectorType::kBit},
               VectorTypeName, parts[i], type);
    if (!known && parts[i].rfind(kRecall, 0) == 0) {
      if (!absl::SimpleAtod(parts[i].substr(kRecall.size()), &recall.emplace())) {
        return UsageError(absl::StrCat("--dense is '", text, "': '", parts[i],
                                       "' is no recall target; as recall=0.95"));
      }
      continue;
    }
    if (!known) {
      return UsageError(absl::StrCat(
          "--dense is '", text, "': '", parts[i],
          "' is neither a metric (cosine, ip, l2, hamming), nor an index (hnsw, flat, "
          "ivf_flat, ivf_pq, auto), nor a type (f32, f16, i8, bit), nor recall=TARGET"));
    }
  }
  const int said =
      2 + metric.has_value() + index.has_value() + type.has_value() + recall.has_value();
  if (said != static_cast<int>(parts.size())) {
    return UsageError(absl::StrCat("--dense is '", text,
                                   "': metric, index, type or recall target is said twice"));
  }
  // Bits are compared in one way, so that either is said by the other.
  field.type = type.value_or(metric == Metric::kHamming ? VectorType::kBit : VectorType::kF32);
  field.metric =
      metric.value_or(field.type == VectorType::kBit ? Metric::kHamming : Metric::kCosine);
  field.index = index.value_or(field.index);
  field.recall_target = recall.value_or(0);
  return field;
}

absl::StatusOr<MultiVectorField> ParseMultiVector(const std::string& text) {
  const std::vector<std::string> parts = Split(text, ':');
  MultiVectorField field;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[1], &field.dim)) {
    return UsageError(absl::StrCat("--multi-vector is '", text,
                                   "'; it takes NAME:DIM[:METRIC][:TYPE], as tokens:128:cosine:f16"));
  }
  field.name = parts[0];
  std::optional<Metric> metric;
  std::optional<VectorType> type;
  for (size_t i = 2; i < parts.size(); ++i) {
    if (Choose({Metric::kCosine, Metric::kInnerProduct}, MetricName, parts[i], metric) ||
        Choose({VectorType::kF32, VectorType::kF16, VectorType::kI8}, VectorTypeName, parts[i],
               type)) {
      continue;
    }
    return UsageError(absl::StrCat("--multi-vector is '", text, "': '", parts[i],
                                   "' is neither a metric (cosine, ip), nor a type (f32, f16, i8)"));
  }
  if (2 + metric.has_value() + type.has_value() != static_cast<int>(parts.size())) {
    return UsageError(absl::StrCat("--multi-vector is '", text, "': metric or type is said twice"));
  }
  field.metric = metric.value_or(field.metric);
  field.type = type.value_or(field.type);
  return field;
}

absl::StatusOr<TextField> ParseText(const std::string& text) {
  const std::vector<std::string> parts = Split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[1].empty()) {
    return UsageError(
        absl::StrCat("--text is '", text,
                     "'; it takes NAME:PATH[,PATH...][:LANGUAGE], as body:title,text:english"));
  }
  TextField field;
  field.name = parts[0];
  field.paths = Split(parts[1], ',');
  if (parts.size() > 2) field.language = parts[2];
  return field;
}

absl::StatusOr<PayloadField> ParsePayload(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string type = colon == std::string::npos ? "" : text.substr(colon + 1);
  // "body:text:english"
  const size_t before = colon == std::string::npos || colon == 0 ? std::string::npos : text.rfind(':', colon - 1);
  if (before != std::string::npos && text.substr(before + 1, colon - before - 1) == "text") {
    PayloadField field;
    field.path = text.substr(0, before);
    field.type = PayloadType::kText;
    field.language = type;
    return field;
  }
  for (PayloadType known : {PayloadType::kKeyword, PayloadType::kInteger, PayloadType::kFloat,
                            PayloadType::kBool, PayloadType::kDatetime, PayloadType::kGeo, PayloadType::kText}) {
    if (type != PayloadTypeName(known)) continue;
    PayloadField field;
    field.path = text.substr(0, colon);
    field.type = known;
    return field;
  }
  return UsageError(absl::StrCat(
      "--payload is '", text,
      "'; it takes PATH:TYPE with the type keyword, integer, float, bool, datetime, geo or text (text:LANGUAGE stems)"));
}

template <class Field, class Parse>
absl::Status ParseAll(const std::vector<std::string>& texts, Parse parse,
                      std::vector<Field>* fields) {
  for (const std::string& text : texts) {
    absl::StatusOr<Field> field = parse(text);
    if (!field.ok()) return field.status();
    fields->push_back(*std::move(field));
  }
  return absl::OkStatus();
}

absl::Status SetSpan(const std::string& option, const std::string& text, int64_t* us) {
  if (text.empty()) return absl::OkStatus();
  if (text == "off") {
    *us = 0;
    return absl::OkStatus();
  }
  const absl::StatusOr<int64_t> parsed = ParseDurationText(text);
  if (!parsed.ok()) return UsageError(absl::StrCat(option, ": ", parsed.status().message(), "; off: none"));
  *us = *parsed;
  return absl::OkStatus();
}

}  // namespace

void AddPolicyOptions(CLI::App& command, SchemaOptions* options) {
  command
      .add_option("--keep-history", options->keep_history,
                  "keep versions readable that were the latest within this span: 30d, 12h; off: no such rule")
      ->type_name("SPAN");
  command.add_option("--keep-versions", options->keep_versions, "keep the last so many versions readable; 0: no such rule")
      ->type_name("NUMBER");
  command
      .add_option("--keep-records", options->keep_records,
                  "how long an answer or evaluation pins its version; off: as long as it is kept")
      ->type_name("SPAN");
  command.add_option("--ttl", options->ttl, "points expire so long after they were written, or after --ttl-field; off: not")
      ->type_name("SPAN");
  command.add_option("--ttl-field", options->ttl_field, "datetime field of the payload that points expire at")
      ->type_name("PATH");
}

absl::Status SetPolicies(const SchemaOptions& options, CollectionSchema* schema) {
  RetentionPolicy& retention = schema->retention;
  absl::Status status = SetSpan("--keep-history", options.keep_history, &retention.history_us);
  status.Update(SetSpan("--keep-records", options.keep_records, &retention.records_us));
  status.Update(SetSpan("--ttl", options.ttl, &schema->ttl.after_us));
  retention.versions = options.keep_versions.value_or(retention.versions);
  if (!options.ttl_field.empty()) schema->ttl.field = options.ttl_field;
  return status;
}

absl::StatusOr<CollectionSchema> SchemaFromOptions(const SchemaOptions& options) {
  CollectionSchema schema;
  if (!options.file.empty()) {
    absl::StatusOr<std::string> json = ReadSource(options.file);
    if (!json.ok()) return json.status();
    absl::StatusOr<CollectionSchema> parsed = CollectionSchema::FromJson(*json);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.file, ": ", parsed.status().message()));
    }
    schema = *std::move(parsed);
  }
  absl::Status status = ParseAll(options.dense, ParseDense, &schema.dense);
  status.Update(ParseAll(options.text, ParseText, &schema.text));
  for (const std::string& name : options.sparse) schema.sparse.push_back({.name = name});
  status.Update(ParseAll(options.multi_vector, ParseMultiVector, &schema.multi_vector));
  status.Update(ParseAll(options.payload, ParsePayload, &schema.payload));
  status.Update(SetPolicies(options, &schema));
  if (!status.ok()) return status;
  return schema;
}

}  // namespace vouch
