#include "api/cli/schema_options.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/cli/invocation.h"
#include "rag/file_walker.h"

namespace vouch {
namespace {

std::vector<std::string> Split(const std::string& text, char separator) {
  return absl::StrSplit(text, separator);
}

absl::StatusOr<DenseField> ParseDense(const std::string& text) {
  const std::vector<std::string> parts = Split(text, ':');
  DenseField field;
  if (parts.size() < 2 || parts.size() > 4 || !absl::SimpleAtoi(parts[1], &field.dim)) {
    return UsageError(absl::StrCat(
        "--dense is '", text, "'; it takes NAME:DIM[:METRIC[:INDEX]], as embedding:384:cosine"));
  }
  field.name = parts[0];
  if (parts.size() > 2) {
    if (parts[2] == "cosine")
      field.metric = Metric::kCosine;
    else if (parts[2] == "ip")
      field.metric = Metric::kInnerProduct;
    else if (parts[2] == "l2")
      field.metric = Metric::kL2;
    else
      return UsageError(
          absl::StrCat("--dense is '", text, "': the metric is one of cosine, ip, l2"));
  }
  if (parts.size() > 3) {
    if (parts[3] == "hnsw")
      field.index = DenseIndexKind::kHnsw;
    else if (parts[3] == "flat")
      field.index = DenseIndexKind::kFlat;
    else
      return UsageError(absl::StrCat("--dense is '", text, "': the index is one of hnsw, flat"));
  }
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

}  // namespace

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
  for (const std::string& name : options.sparse) schema.sparse.push_back({name});
  status.Update(ParseAll(options.payload, ParsePayload, &schema.payload));
  if (!status.ok()) return status;
  return schema;
}

}  // namespace vouch
