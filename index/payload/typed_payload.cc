#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/payload/json_text.h"
#include "index/payload/payload_columns.h"
#include "index/payload/payload_path.h"
#include "index/payload/quoted.h"
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
  }
  return absl::InternalError(absl::StrCat("payload field '", field.path, "' is of no known type"));
}

absl::StatusOr<std::vector<PayloadValue>> ReadField(const PayloadField& field,
                                                    const json& payload) {
  std::vector<PayloadValue> values;
  for (const json* found : ValuesAt(payload, field.path)) {
    absl::StatusOr<PayloadValue> value = ReadValue(field, *found);
    if (!value.ok()) return value.status();
    values.push_back(*std::move(value));
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
