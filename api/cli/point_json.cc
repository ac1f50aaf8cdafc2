#include "api/cli/point_json.h"

#include <charconv>
#include <cstdint>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "query/json_text.h"

namespace vouch {
namespace {

using PointJson = nlohmann::json;

constexpr size_t kShownBytes = 60;

absl::Status Bad(std::string_view what, std::string_view problem, std::string_view value) {
  std::string shown(value.substr(0, kShownBytes));
  if (value.size() > kShownBytes) shown += "…";
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(what), " ", std::string(problem), ", not ", shown));
}

PointJson Parse(std::string_view json) {
  return PointJson::parse(json, nullptr, /*allow_exceptions=*/false);
}

absl::Status ReadId(const std::string& value, v1::PointId* id) {
  const PointJson json = Parse(value);
  if (json.is_number_unsigned()) {
    id->set_number(json.get<uint64_t>());
    return absl::OkStatus();
  }
  if (!json.is_string() || json.get_ref<const std::string&>().empty()) {
    return Bad("\"id\"", "is a whole number from 0 on or a text", value);
  }
  id->set_text(json.get<std::string>());
  return absl::OkStatus();
}

absl::Status ReadVectors(const std::string& value, v1::Point* point) {
  if (value.empty() || value.front() != '{') {
    return Bad("\"vectors\"", "is an object of vectors by field", value);
  }
  for (const auto& [field, text] : SplitObject(value)) {
    absl::StatusOr<v1::Vector> vector = VectorFromJson(text, absl::StrCat("\"vectors\".\"", field, "\""));
    if (!vector.ok()) return vector.status();
    (*point->mutable_vectors())[field] = *std::move(vector);
  }
  return absl::OkStatus();
}

absl::Status ReadSparse(const std::string& value, v1::Point* point) {
  if (value.empty() || value.front() != '{') {
    return Bad("\"sparse_vectors\"", "is an object of sparse vectors by field", value);
  }
  for (const auto& [field, text] : SplitObject(value)) {
    absl::StatusOr<v1::SparseVector> vector =
        SparseFromJson(text, absl::StrCat("\"sparse_vectors\".\"", field, "\""));
    if (!vector.ok()) return vector.status();
    (*point->mutable_sparse_vectors())[field] = *std::move(vector);
  }
  return absl::OkStatus();
}

absl::Status ReadMultiVectors(const std::string& value, v1::Point* point) {
  if (value.empty() || value.front() != '{') {
    return Bad("\"multi_vectors\"", "is an object of lists of token vectors by field", value);
  }
  for (const auto& [field, text] : SplitObject(value)) {
    absl::StatusOr<v1::MultiVector> vector =
        MultiVectorFromJson(text, absl::StrCat("\"multi_vectors\".\"", field, "\""));
    if (!vector.ok()) return vector.status();
    (*point->mutable_multi_vectors())[field] = *std::move(vector);
  }
  return absl::OkStatus();
}

absl::Status ReadAccess(const std::string& value, v1::Point* point) {
  const PointJson json = Parse(value);
  if (!json.is_array()) return Bad("\"access\"", "is a list of texts", value);
  for (const PointJson& entry : json) {
    if (!entry.is_string()) return Bad("\"access\"", "is a list of texts", value);
    point->add_access(entry.get<std::string>());
  }
  return absl::OkStatus();
}

absl::Status ReadMember(const std::string& key, std::string value, v1::Point* point) {
  if (key == "id") return ReadId(value, point->mutable_id());
  if (key == "vectors") return ReadVectors(value, point);
  if (key == "sparse_vectors") return ReadSparse(value, point);
  if (key == "multi_vectors") return ReadMultiVectors(value, point);
  if (key == "access") return ReadAccess(value, point);
  if (key == "written_version") return absl::OkStatus();
  if (key != "payload" && key != "provenance") {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no key \"", key.substr(0, kShownBytes),
                     "\"; a point has id, vectors, sparse_vectors, multi_vectors, payload, "
                     "provenance, access"));
  }
  if (value.front() != '{') return Bad(absl::StrCat("\"", key, "\""), "is an object", value);
  (key == "payload" ? point->mutable_payload_json() : point->mutable_provenance_json())->swap(value);
  return absl::OkStatus();
}

void AppendText(std::string_view text, std::string* out) {
  out->append(PointJson(text).dump(-1, ' ', false, PointJson::error_handler_t::replace));
}

template <class Values>
void AppendFloats(const Values& values, std::string* out) {
  out->push_back('[');
  char digits[32];
  for (int i = 0; i < values.size(); ++i) {
    if (i > 0) out->push_back(',');
    // The shortest digits that give the same float again.
    const auto end = std::to_chars(digits, digits + sizeof(digits), values[i]);
    out->append(digits, end.ptr);
  }
  out->push_back(']');
}

void AppendMultiVectors(const v1::Point& point, std::string* out) {
  if (point.multi_vectors().empty()) return;
  std::map<std::string, const v1::MultiVector*> sorted;
  for (const auto& [field, vector] : point.multi_vectors()) sorted.emplace(field, &vector);
  for (const auto& [field, vector] : sorted) {
    out->append(field == sorted.begin()->first ? ",\"multi_vectors\":{" : ",");
    AppendText(field, out);
    out->append(":[");
    for (int i = 0; i < vector->tokens_size(); ++i) {
      if (i > 0) out->push_back(',');
      AppendFloats(vector->tokens(i).values(), out);
    }
    out->push_back(']');
  }
  out->push_back('}');
}

}  // namespace

v1::PointId PointIdFromWord(const std::string& word) {
  v1::PointId id;
  uint64_t number = 0;
  const bool digits = word.find_first_not_of("0123456789") == std::string::npos;
  if (digits && absl::SimpleAtoi(word, &number)) {
    id.set_number(number);
  } else {
    id.set_text(word);
  }
  return id;
}

absl::StatusOr<v1::Vector> VectorFromJson(std::string_view json, const std::string& what) {
  const PointJson list = Parse(json);
  if (!list.is_array()) return Bad(what, "is a list of numbers", json);
  v1::Vector vector;
  vector.mutable_values()->Reserve(static_cast<int>(list.size()));
  for (const PointJson& value : list) {
    if (!value.is_number()) return Bad(what, "is a list of numbers", value.dump());
    vector.add_values(value.get<float>());
  }
  return vector;
}

absl::StatusOr<v1::SparseVector> SparseFromJson(std::string_view json, const std::string& what) {
  const PointJson object = Parse(json);
  const char* const kForm = "is {\"indices\": [whole numbers], \"values\": [numbers]}";
  if (!object.is_object() || object.size() != 2 || !object.contains("indices") ||
      !object.contains("values") || !object["indices"].is_array() || !object["values"].is_array()) {
    return Bad(what, kForm, json);
  }
  v1::SparseVector vector;
  for (const PointJson& index : object["indices"]) {
    if (!index.is_number_unsigned() || index.get<uint64_t>() > UINT32_MAX) {
      return Bad(absl::StrCat(what, ".\"indices\""), "holds whole numbers up to 4294967295",
                 index.dump());
    }
    vector.add_indices(index.get<uint32_t>());
  }
  for (const PointJson& value : object["values"]) {
    if (!value.is_number()) return Bad(absl::StrCat(what, ".\"values\""), "holds numbers", value.dump());
    vector.add_values(value.get<float>());
  }
  return vector;
}

absl::StatusOr<v1::MultiVector> MultiVectorFromJson(std::string_view json,
                                                     const std::string& what) {
  const PointJson list = Parse(json);
  const char* const kForm = "is a list of lists of numbers, one a token";
  if (!list.is_array()) return Bad(what, kForm, json);
  v1::MultiVector vector;
  for (const PointJson& token : list) {
    if (!token.is_array()) return Bad(what, kForm, token.dump());
    if (token.size() != list[0].size()) {
      return Bad(absl::StrCat(what, "[", vector.tokens_size(), "]"),
                 absl::StrCat("has as many numbers as the first token, ", list[0].size()),
                 absl::StrCat(token.size()));
    }
    v1::Vector* values = vector.add_tokens();
    values->mutable_values()->Reserve(static_cast<int>(token.size()));
    for (const PointJson& value : token) {
      if (!value.is_number()) return Bad(what, kForm, value.dump());
      values->add_values(value.get<float>());
    }
  }
  return vector;
}

absl::StatusOr<v1::Point> PointFromJson(std::string_view line) {
  // For its place of the mistake; what is valid is then taken apart without a loss.
  try {
    const PointJson json = PointJson::parse(line);
    if (!json.is_object()) {
      return absl::InvalidArgumentError("a point is a JSON object, as {\"id\": 7, \"payload\": {}}");
    }
  } catch (const PointJson::exception& error) {
    std::string message = error.what();
    if (const size_t end = message.find("] "); end != std::string::npos) message.erase(0, end + 2);
    return absl::InvalidArgumentError(absl::StrCat("it is not JSON: ", message));
  }
  v1::Point point;
  for (auto& [key, value] : SplitObject(line)) {
    if (absl::Status s = ReadMember(key, std::move(value), &point); !s.ok()) return s;
  }
  if (!point.has_id()) return absl::InvalidArgumentError("the point has no \"id\"");
  return point;
}

std::string PointToJson(const v1::Point& point) {
  std::string out = "{\"id\":";
  if (point.id().id_case() == v1::PointId::kNumber) {
    absl::StrAppend(&out, point.id().number());
  } else {
    AppendText(point.id().text(), &out);
  }
  // Maps of messages have no order of their own.
  std::map<std::string, const v1::Vector*> vectors;
  for (const auto& [field, vector] : point.vectors()) vectors.emplace(field, &vector);
  std::map<std::string, const v1::SparseVector*> sparse;
  for (const auto& [field, vector] : point.sparse_vectors()) sparse.emplace(field, &vector);
  for (const auto& [field, vector] : vectors) {
    out.append(field == vectors.begin()->first ? ",\"vectors\":{" : ",");
    AppendText(field, &out);
    out.push_back(':');
    AppendFloats(vector->values(), &out);
  }
  if (!vectors.empty()) out.push_back('}');
  for (const auto& [field, vector] : sparse) {
    out.append(field == sparse.begin()->first ? ",\"sparse_vectors\":{" : ",");
    AppendText(field, &out);
    out.append(":{\"indices\":[");
    for (int i = 0; i < vector->indices_size(); ++i) {
      absl::StrAppend(&out, i > 0 ? "," : "", vector->indices(i));
    }
    out.append("],\"values\":");
    AppendFloats(vector->values(), &out);
    out.push_back('}');
  }
  if (!sparse.empty()) out.push_back('}');
  AppendMultiVectors(point, &out);
  if (!point.payload_json().empty()) {
    out.append(",\"payload\":").append(OneLine(point.payload_json()));
  }
  if (!point.provenance_json().empty()) {
    out.append(",\"provenance\":").append(OneLine(point.provenance_json()));
  }
  for (int i = 0; i < point.access_size(); ++i) {
    out.append(i == 0 ? ",\"access\":[" : ",");
    AppendText(point.access(i), &out);
  }
  if (point.access_size() > 0) out.push_back(']');
  out.push_back('}');
  return out;
}

}  // namespace vouch
