// The JSON form of a schema: canonical (keys sorted, defaults written out) one way, strict the other.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "storage/concat.h"
#include "storage/duration_text.h"
#include "storage/schema.h"

namespace vouch {

namespace {

using Json = nlohmann::json;

template <typename Names>
std::string JoinNames(const Names& names) {
  std::string joined;
  for (const std::string_view name : names) {
    if (!joined.empty()) joined += ", ";
    joined += name;
  }
  return joined;
}

// Reads the members of one object by name, remembers the first mistake, and refuses members that nobody asked for.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string where, std::initializer_list<std::string_view> known)
      : json_(json), where_(std::move(where)) {
    if (!json.is_object()) {
      Fail("", Concat("is ", json.type_name(), ", not an object"));
      return;
    }
    for (const auto& [key, value] : json.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        status_ = absl::InvalidArgumentError(
            Concat("schema: ", where_, " has the unknown key \"", Escape(key),
                         "\"; known are ", JoinNames(known)));
        return;
      }
    }
  }

  void String(const char* key, std::string& out) {
    if (const Json* value = Find(key, &Json::is_string, "a string")) {
      out = value->get_ref<const std::string&>();
    }
  }
  void Boolean(const char* key, bool& out) {
    if (const Json* value = Find(key, &Json::is_boolean, "true or false")) out = value->get<bool>();
  }
  void Number(const char* key, double& out) {
    if (const Json* value = Find(key, &Json::is_number, "a number")) out = value->get<double>();
  }
  template <typename Int>
  void Integer(const char* key, Int& out) {
    const Json* value = Find(key, &Json::is_number_integer, "an integer");
    if (value == nullptr) return;
    bool fits = value->is_number_unsigned()
                    ? value->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<Int>::max())
                    : std::is_signed_v<Int>;
    if constexpr (std::is_signed_v<Int>) {
      fits = fits && (value->is_number_unsigned() || value->get<int64_t>() >= std::numeric_limits<Int>::min());
    }
    if (!fits) {
      Fail(key, Concat("is ", value->dump(), ", which is out of range"));
      return;
    }
    out = value->get<Int>();
  }
  // `name_of` gives the name of each of `all`.
  template <typename Enum>
  void Choice(const char* key, std::initializer_list<Enum> all, std::string_view (*name_of)(Enum),
              Enum& out) {
    const Json* value = Find(key, &Json::is_string, "a string");
    if (value == nullptr) return;
    const std::string& text = value->get_ref<const std::string&>();
    std::vector<std::string_view> names;
    for (const Enum candidate : all) {
      if (name_of(candidate) == text) {
        out = candidate;
        return;
      }
      names.push_back(name_of(candidate));
    }
    Fail(key, Concat("is \"", Escape(text), "\"; known are ",
                           JoinNames(names)));
  }
  const Json* Array(const char* key) { return Find(key, &Json::is_array, "an array"); }
  const Json* Object(const char* key) { return Find(key, &Json::is_object, "an object"); }

  void Fail(std::string_view key, std::string_view what) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        Concat("schema: ", where_, key.empty() ? "" : ".", key, " ", what));
  }
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }

 private:
  // Null where the member is absent or of another type.
  const Json* Find(const char* key, bool (Json::*is)() const noexcept, std::string_view type) {
    if (!status_.ok()) return nullptr;
    const auto at = json_.find(key);
    if (at == json_.end()) return nullptr;
    if (((*at).*is)()) return &*at;
    Fail(key, Concat("is ", at->type_name(), ", not ", type));
    return nullptr;
  }

  const Json& json_;
  const std::string where_;
  absl::Status status_;
};

absl::Status ReadDense(const Json& json, const std::string& where, DenseField& field) {
  ObjectReader reader(json, where, {"dim", "dropped", "embedder", "hnsw", "index", "metric", "name", "recall_target",
                                    "type"});
  reader.Boolean("dropped", field.dropped);
  reader.String("name", field.name);
  reader.Integer("dim", field.dim);
  reader.Choice("metric",
                {Metric::kCosine, Metric::kInnerProduct, Metric::kL2, Metric::kHamming}, MetricName,
                field.metric);
  reader.Choice("type",
                {VectorType::kF32, VectorType::kF16, VectorType::kI8, VectorType::kBit},
                VectorTypeName, field.type);
  // Bits are compared in one way, so that either is said by the other.
  if (json.is_object() && field.type == VectorType::kBit && !json.contains("metric")) {
    field.metric = Metric::kHamming;
  }
  if (json.is_object() && field.metric == Metric::kHamming && !json.contains("type")) {
    field.type = VectorType::kBit;
  }
  reader.Choice("index",
                {DenseIndexKind::kFlat, DenseIndexKind::kHnsw, DenseIndexKind::kIvfFlat,
                 DenseIndexKind::kIvfPq, DenseIndexKind::kAuto},
                DenseIndexKindName, field.index);
  reader.Number("recall_target", field.recall_target);
  reader.String("embedder", field.embedder);
  if (const Json* hnsw = reader.Object("hnsw")) {
    ObjectReader options(*hnsw, where + ".hnsw", {"ef_construction", "ef_search", "m"});
    options.Integer("m", field.hnsw.m);
    options.Integer("ef_construction", field.hnsw.ef_construction);
    options.Integer("ef_search", field.hnsw.ef_search);
    reader.Fail(options.status());
  }
  return reader.status();
}

absl::Status ReadText(const Json& json, const std::string& where, TextField& field) {
  ObjectReader reader(json, where, {"b", "k1", "language", "name", "paths"});
  reader.String("name", field.name);
  reader.String("language", field.language);
  reader.Number("k1", field.k1);
  reader.Number("b", field.b);
  if (const Json* paths = reader.Array("paths")) {
    for (const Json& path : *paths) {
      if (!path.is_string()) {
        reader.Fail("paths", Concat("holds ", path.type_name(), ", not only strings"));
        break;
      }
      field.paths.push_back(path.get<std::string>());
    }
  }
  return reader.status();
}

absl::Status ReadSparse(const Json& json, const std::string& where, SparseField& field) {
  ObjectReader reader(json, where, {"dropped", "name"});
  reader.Boolean("dropped", field.dropped);
  reader.String("name", field.name);
  return reader.status();
}

absl::Status ReadMultiVector(const Json& json, const std::string& where, MultiVectorField& field) {
  ObjectReader reader(json, where, {"dim", "dropped", "metric", "name", "type"});
  reader.Boolean("dropped", field.dropped);
  reader.String("name", field.name);
  reader.Integer("dim", field.dim);
  reader.Choice("metric", {Metric::kCosine, Metric::kInnerProduct}, MetricName, field.metric);
  reader.Choice("type", {VectorType::kF32, VectorType::kF16, VectorType::kI8}, VectorTypeName,
                field.type);
  return reader.status();
}

absl::Status ReadPayload(const Json& json, const std::string& where, PayloadField& field) {
  ObjectReader reader(json, where, {"language", "path", "type"});
  reader.String("path", field.path);
  reader.String("language", field.language);
  reader.Choice("type",
                {PayloadType::kKeyword, PayloadType::kInteger, PayloadType::kFloat,
                 PayloadType::kBool, PayloadType::kDatetime, PayloadType::kGeo, PayloadType::kText},
                PayloadTypeName, field.type);
  return reader.status();
}

void ReadDuration(ObjectReader& reader, const char* key, int64_t& us) {
  std::string text;
  reader.String(key, text);
  if (text.empty() || !reader.status().ok()) return;
  const absl::StatusOr<int64_t> parsed = ParseDurationText(text);
  if (!parsed.ok()) return reader.Fail(key, Concat("is ", ToStd(parsed.status().message())));
  us = *parsed;
}

absl::Status ReadRetention(const Json& json, RetentionPolicy& retention) {
  ObjectReader reader(json, "retention", {"history", "records", "versions"});
  ReadDuration(reader, "history", retention.history_us);
  ReadDuration(reader, "records", retention.records_us);
  reader.Integer("versions", retention.versions);
  return reader.status();
}

absl::Status ReadTtl(const Json& json, TtlPolicy& ttl) {
  ObjectReader reader(json, "ttl", {"after", "field"});
  reader.String("field", ttl.field);
  ReadDuration(reader, "after", ttl.after_us);
  return reader.status();
}

template <typename Field>
absl::Status ReadFields(const Json* array, std::string_view name,
                        absl::Status (*read)(const Json&, const std::string&, Field&),
                        std::vector<Field>& out) {
  if (array == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < array->size(); ++i) {
    if (auto s = read((*array)[i], Concat(name, "[", i, "]"), out.emplace_back()); !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string CollectionSchema::ToJson() const {
  Json dense_json = Json::array();
  for (const DenseField& field : dense) {
    Json one = {{"name", field.name},
                {"dim", field.dim},
                {"metric", MetricName(field.metric)},
                {"index", DenseIndexKindName(field.index)},
                {"hnsw",
                 {{"m", field.hnsw.m},
                  {"ef_construction", field.hnsw.ef_construction},
                  {"ef_search", field.hnsw.ef_search}}},
                {"embedder", field.embedder}};
    // Left out where it is what all fields had before there was a choice, so that the schemas of
    // older stores keep their bytes.
    if (field.type != VectorType::kF32) one["type"] = VectorTypeName(field.type);
    if (field.recall_target != 0) one["recall_target"] = field.recall_target;
    if (field.dropped) one["dropped"] = true;
    dense_json.push_back(std::move(one));
  }
  Json text_json = Json::array();
  for (const TextField& field : text) {
    text_json.push_back({{"name", field.name},
                         {"paths", field.paths},
                         {"language", field.language},
                         {"k1", field.k1},
                         {"b", field.b}});
  }
  Json sparse_json = Json::array();
  for (const SparseField& field : sparse) {
    Json& one = sparse_json.emplace_back(Json{{"name", field.name}});
    if (field.dropped) one["dropped"] = true;
  }
  Json payload_json = Json::array();
  for (const PayloadField& field : payload) {
    Json& declared = payload_json.emplace_back(Json{{"path", field.path}, {"type", PayloadTypeName(field.type)}});
    if (field.type == PayloadType::kText) declared["language"] = field.language;
  }
  Json json = {{"dense", std::move(dense_json)},
               {"text", std::move(text_json)},
               {"sparse", std::move(sparse_json)},
               {"payload", std::move(payload_json)}};
  // Only where there are some, so that the schemas of older stores keep their bytes.
  for (const MultiVectorField& field : multi_vector) {
    json["multi_vector"].push_back({{"name", field.name},
                                    {"dim", field.dim},
                                    {"metric", MetricName(field.metric)},
                                    {"type", VectorTypeName(field.type)}});
    if (field.dropped) json["multi_vector"].back()["dropped"] = true;
  }
  // Left out where there is none, as above.
  if (retention != RetentionPolicy()) {
    Json& one = json["retention"] = Json::object();
    if (retention.history_us != 0) one["history"] = FormatDurationText(retention.history_us);
    if (retention.versions != 0) one["versions"] = retention.versions;
    if (retention.records_us != 0) one["records"] = FormatDurationText(retention.records_us);
  }
  if (!ttl.empty()) {
    Json& one = json["ttl"] = Json::object();
    if (!ttl.field.empty()) one["field"] = ttl.field;
    if (ttl.after_us != 0) one["after"] = FormatDurationText(ttl.after_us);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<CollectionSchema> CollectionSchema::FromJson(std::string_view text_form) {
  // A schema at its limits stays far below; deeper nesting than a schema has is refused before it is parsed.
  constexpr size_t kMaxJsonBytes = size_t{4} << 20;
  constexpr int kMaxDepth = 8;
  if (text_form.size() > kMaxJsonBytes) {
    return absl::InvalidArgumentError(Concat("the schema has ", text_form.size(),
                                                   " bytes of JSON; the limit is ", kMaxJsonBytes));
  }
  bool too_deep = false;
  const Json json = Json::parse(
      text_form,
      [&too_deep](int depth, Json::parse_event_t, Json&) {
        too_deep |= depth > kMaxDepth;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep) return absl::InvalidArgumentError("the schema's JSON is nested too deeply");
  if (json.is_discarded()) return absl::InvalidArgumentError("the schema is not JSON");
  CollectionSchema schema;
  ObjectReader reader(json, "the schema", {"dense", "multi_vector", "payload", "retention", "sparse", "text", "ttl"});
  reader.Fail(ReadFields(reader.Array("dense"), "dense", ReadDense, schema.dense));
  reader.Fail(ReadFields(reader.Array("text"), "text", ReadText, schema.text));
  reader.Fail(ReadFields(reader.Array("sparse"), "sparse", ReadSparse, schema.sparse));
  reader.Fail(ReadFields(reader.Array("multi_vector"), "multi_vector", ReadMultiVector,
                         schema.multi_vector));
  reader.Fail(ReadFields(reader.Array("payload"), "payload", ReadPayload, schema.payload));
  if (const Json* retention = reader.Object("retention")) {
    reader.Fail(ReadRetention(*retention, schema.retention));
  }
  if (const Json* ttl = reader.Object("ttl")) reader.Fail(ReadTtl(*ttl, schema.ttl));
  if (!reader.status().ok()) return reader.status();
  if (auto s = schema.Validate(); !s.ok()) return s;
  return schema;
}

}  // namespace vouch
