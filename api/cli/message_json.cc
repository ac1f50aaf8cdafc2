#include "api/cli/message_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <charconv>
#include <cstdlib>

namespace vouch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

// The double with the float's shortest decimal digits: 0.1f is printed as 0.1.
double Shortest(float value) {
  char text[32];
  const std::to_chars_result result = std::to_chars(text, text + sizeof(text) - 1, value);
  *result.ptr = '\0';
  return std::strtod(text, nullptr);
}

bool EndsWith(const std::string& text, const std::string& ending) {
  return text.size() > ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

// One value of a field: the only one, or that at `index` of a repeated one.
Json ValueOf(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return repeated ? reflection.GetRepeatedInt32(message, &field, index)
                      : reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return repeated ? reflection.GetRepeatedInt64(message, &field, index)
                      : reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return repeated ? reflection.GetRepeatedUInt32(message, &field, index)
                      : reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return repeated ? reflection.GetRepeatedUInt64(message, &field, index)
                      : reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? reflection.GetRepeatedDouble(message, &field, index)
                      : reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Shortest(repeated ? reflection.GetRepeatedFloat(message, &field, index)
                               : reflection.GetFloat(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? reflection.GetRepeatedBool(message, &field, index)
                      : reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return (repeated ? reflection.GetRepeatedEnum(message, &field, index)
                       : reflection.GetEnum(message, &field))
          ->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection.GetRepeatedString(message, &field, index)
                      : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageToJson(repeated ? reflection.GetRepeatedMessage(message, &field, index)
                                    : reflection.GetMessage(message, &field));
  }
  return nullptr;
}

Json RepeatedOf(const Message& message, const FieldDescriptor& field) {
  const int count = message.GetReflection()->FieldSize(message, &field);
  if (!field.is_map()) {
    Json list = Json::array();
    for (int i = 0; i < count; ++i) list.push_back(ValueOf(message, field, i));
    return list;
  }
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  std::map<std::string, Json> sorted;  // maps have no order of their own
  for (int i = 0; i < count; ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    const Json key_json = ValueOf(entry, key, 0);
    sorted[key_json.is_string() ? key_json.get<std::string>() : key_json.dump()] =
        ValueOf(entry, value, 0);
  }
  Json object = Json::object();
  for (auto& [name, item] : sorted) object[name] = std::move(item);
  return object;
}

}  // namespace

Json MessageToJson(const Message& message) {
  const google::protobuf::Descriptor& descriptor = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  const std::string& name = descriptor.full_name();
  if (name == "vouch.v1.PointId") {
    const FieldDescriptor* set =
        reflection.GetOneofFieldDescriptor(message, descriptor.oneof_decl(0));
    return set == nullptr ? Json(nullptr) : ValueOf(message, *set, 0);
  }
  if (name == "vouch.v1.Vector" || name == "vouch.v1.MultiVector" || name == "vouch.v1.Measures")
    return RepeatedOf(message, *descriptor.field(0));

  Json object = Json::object();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_repeated()) {
      object[field.name()] = RepeatedOf(message, field);
      continue;
    }
    if (field.has_presence() && !reflection.HasField(message, &field)) continue;
    Json value = ValueOf(message, field, 0);
    if (EndsWith(field.name(), "_json")) {
      const std::string text = value.get<std::string>();
      if (text.empty()) continue;
      value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
      object[field.name().substr(0, field.name().size() - 5)] =
          value.is_discarded() ? Json(text) : std::move(value);
    } else {
      object[field.name()] = std::move(value);
    }
  }
  return object;
}

std::string FormatJson(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace vouch
