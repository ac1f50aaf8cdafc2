#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/payload/json_text.h"
#include "index/payload/payload_columns.h"
#include "index/payload/payload_path.h"
#include "index/payload/quoted.h"
#include "index/payload/text_words.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using nlohmann::json;

std::string Show(const json& value) {
  // Arrays and objects may be long: their kind says enough.
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return Quoted(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

absl::Status Mismatch(const PayloadField& field, const json& value, const char* wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("payload field '", field.path, "': ", Show(value), " is not ", wanted));
}

absl::StatusOr<PayloadValue> ReadInteger(const PayloadField& field, const json& value) {
  if (!value.is_number_integer()) return Mismatch(field, value, "an integer");
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (value.is_number_unsigned() && value.get<uint64_t>() > kMax) {
    return Mismatch(field, value, "an integer of 64 bits (at most 9223372036854775807)");
  }
  return PayloadValue(value.get<int64_t>());
}

absl::StatusOr<PayloadValue> ReadDatetime(const PayloadField& field, const json& value) {
  if (!value.is_string()) return Mismatch(field, value, "a datetime (RFC 3339 text)");
  const absl::StatusOr<int64_t> micros = ParseDatetime(value.get_ref<const std::string&>());
  if (!micros.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("payload field '", field.path, "': ", micros.status().message()));
  }
  return PayloadValue(*micros);
}

// A coordinate of `object`; null where there is none.
const json* Coordinate(const json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = object.find(name);
    if (found != object.end()) return &*found;
  }
  return nullptr;
}

absl::StatusOr<PayloadValue> ReadPoint(const PayloadField& field, const json& value) {
  constexpr const char* kWanted =
      "a point: {\"lat\": 52.52, \"lon\": 13.405} or {\"type\": \"Point\", \"coordinates\": [13.405, 52.52]}";
  if (!value.is_object()) return Mismatch(field, value, kWanted);
  const json* lat = Coordinate(value, {"lat", "latitude"});
  const json* lon = Coordinate(value, {"lon", "lng", "longitude"});
  const auto type = value.find("type");
  if (lat == nullptr && lon == nullptr && type != value.end() && *type == "Point") {
    const auto place = value.find("coordinates");
    // A third one is a height.
    if (place != value.end() && place->is_array() && (place->size() == 2 || place->size() == 3)) {
      lon = &(*place)[0];
      lat = &(*place)[1];
    }
  }
  if (lat == nullptr || lon == nullptr || !lat->is_number() || !lon->is_number()) {
    return Mismatch(field, value, kWanted);
  }
  const double latitude = lat->get<double>();
  const double longitude = lon->get<double>();
  if (!(latitude >= -90 && latitude <= 90)) {
    return absl::InvalidArgumentError(
        absl::StrCat("payload field '", field.path, "': the latitude ", latitude, " is not in -90 … 90"));
  }
  if (!(longitude >= -180 && longitude <= 180)) {
    return absl::InvalidArgumentError(
        absl::StrCat("payload field '", field.path, "': the longitude ", longitude, " is not in -180 … 180"));
  }
  return PayloadValue(CanonicalPoint(latitude, longitude));
}

absl::StatusOr<PayloadValue> ReadValue(const PayloadField& field, const json& value) {
  switch (field.type) {
    case PayloadType::kKeyword:
      if (!value.is_string()) return Mismatch(field, value, "a keyword (text)");
      return PayloadValue(value.get_ref<const std::string&>());
    case PayloadType::kInteger:
      return ReadInteger(field, value);
    case PayloadType::kFloat:
      if (!value.is_number()) return Mismatch(field, value, "a float");
      return PayloadValue(value.get<double>());
    case PayloadType::kBool:
      if (!value.is_boolean()) return Mismatch(field, value, "a bool");
      return PayloadValue(value.get<bool>());
    case PayloadType::kDatetime:
      return ReadDatetime(field, value);
    case PayloadType::kGeo:
      return ReadPoint(field, value);
    case PayloadType::kText:
      if (!value.is_string()) return Mismatch(field, value, "a text");
      return PayloadValue(value.get_ref<const std::string&>());
  }
  return absl::InternalError(absl::StrCat("payload field '", field.path, "' is of no known type"));
}

absl::StatusOr<std::vector<PayloadValue>> ReadField(const PayloadField& field,
                                                    const json& payload) {
  std::vector<PayloadValue> values;
  for (const json* found : ValuesAt(payload, field.path)) {
    absl::StatusOr<PayloadValue> value = ReadValue(field, *found);
    if (!value.ok()) return value.status();
    if (field.type == PayloadType::kText) {
      for (std::string& word : WordsOf(field, std::get<std::string>(*value))) values.push_back(std::move(word));
      values.push_back(std::string(kEndOfText));
    } else {
      values.push_back(*std::move(value));
    }
  }
  return values;
}

}  // namespace

absl::StatusOr<TypedPayload> ParseTypedPayload(const CollectionSchema& schema,
                                               std::string_view payload_json) {
  TypedPayload payload;
  payload.fields.resize(schema.payload.size());
  if (payload_json.empty()) return payload;
  if (payload_json.size() > Limits::kMaxPayloadBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the payload is of ", payload_json.size(),
                                                   " bytes; the limit is ",
                                                   Limits::kMaxPayloadBytes));
  }
  const absl::StatusOr<json> parsed = ParseJson("the payload", payload_json);
  if (!parsed.ok()) return parsed.status();
  if (!parsed->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the payload is to be a JSON object; it is ", Show(*parsed)));
  }
  for (size_t i = 0; i < schema.payload.size(); ++i) {
    absl::StatusOr<std::vector<PayloadValue>> values = ReadField(schema.payload[i], *parsed);
    if (!values.ok()) return values.status();
    payload.fields[i] = *std::move(values);
  }
  return payload;
}

}  // namespace vouch
