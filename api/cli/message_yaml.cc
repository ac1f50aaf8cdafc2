#include "api/cli/message_yaml.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "index/payload/quoted.h"

namespace vouch {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::string_view kQueryNode = "vouch.v1.QueryNode";

YamlPlace PlaceOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

std::string_view KindOf(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return "nothing";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
  }
  return "nothing";
}

// The names of an enum's values without what all of them share: METRIC_L2 is "l2".
std::string ShortName(const EnumDescriptor& type, const EnumValueDescriptor& value) {
  std::string shared = type.value(0)->name();
  for (int i = 1; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    size_t same = 0;
    while (same < shared.size() && same < name.size() && shared[same] == name[same]) ++same;
    shared.resize(same);
  }
  shared.resize(shared.rfind('_') == std::string::npos ? 0 : shared.rfind('_') + 1);
  return absl::AsciiStrToLower(value.name().substr(shared.size()));
}

class MessageReader {
 public:
  explicit MessageReader(MessageFile* file) : file_(file) {}

  // `above` is the path of the query node that the message belongs to; "" where it belongs to none.
  absl::Status Read(const YAML::Node& node, Message* message, const std::string& above, int depth) {
    if (depth > MessageFile::kMaxDepth) {
      return Wrong(node, absl::StrCat("nested over ", MessageFile::kMaxDepth, " deep"));
    }
    if (++values_ > MessageFile::kMaxValues) {
      return Wrong(node, absl::StrCat("over ", MessageFile::kMaxValues, " values"));
    }
    const std::string& type = message->GetDescriptor()->full_name();
    if (type == "vouch.v1.PointId" && node.IsScalar()) return ReadPointId(node, message);
    if (type == "vouch.v1.Filter" && node.IsScalar()) {
      return SetScalar(node, *message->GetDescriptor()->FindFieldByName("expression"), message);
    }
    if (type == "vouch.v1.Example" && node.IsScalar()) {
      return ReadField(node, *message->GetDescriptor()->FindFieldByName("id"), message, above,
                       depth);
    }
    if (type == "vouch.v1.Example" && node.IsSequence()) {
      return ReadField(node, *message->GetDescriptor()->FindFieldByName("vector"), message, above,
                       depth);
    }
    if (type == "vouch.v1.Vector" && node.IsSequence()) {
      return ReadField(node, *message->GetDescriptor()->field(0), message, above, depth);
    }
    if (node.IsNull()) return absl::OkStatus();
    if (!node.IsMap()) {
      return Wrong(
          node, absl::StrCat("expected a mapping with the keys ", KeysOf(*message->GetDescriptor()),
                             ", found ", std::string(KindOf(node))));
    }
    return ReadMap(node, message, above, depth);
  }

 private:
  absl::Status Wrong(const YAML::Node& node, std::string_view problem) const {
    const YamlPlace place = PlaceOf(node.Mark());
    return absl::InvalidArgumentError(
        absl::StrCat(file_->name, ":", place.line, ":", place.column, ": ", std::string(problem)));
  }

  static std::string KeysOf(const Descriptor& type) {
    std::string keys;
    for (int i = 0; i < type.field_count(); ++i)
      absl::StrAppend(&keys, i == 0 ? "" : ", ", type.field(i)->name());
    return keys;
  }

  absl::Status ReadMap(const YAML::Node& node, Message* message, const std::string& above,
                       int depth) {
    const Descriptor& type = *message->GetDescriptor();
    const bool is_query = type.full_name() == kQueryNode;
    std::string own = above;
    std::set<std::string> seen;
    std::string kind;  // the oneof member set
    for (const auto& entry : node) {
      const YAML::Node& key = entry.first;
      const FieldDescriptor* field = key.IsScalar() ? type.FindFieldByName(key.Scalar()) : nullptr;
      if (field == nullptr) {
        return Wrong(key, absl::StrCat("unknown key ", key.IsScalar() ? Quoted(key.Scalar()) : "",
                                       "; keys here: ", KeysOf(type)));
      }
      if (!seen.insert(field->name()).second)
        return Wrong(key, absl::StrCat("a second '", field->name(), "'"));
      const bool one_of = field->real_containing_oneof() != nullptr;
      if (one_of && !kind.empty()) {
        return Wrong(key, absl::StrCat("'", field->name(), "' beside '", kind,
                                       "'; only one of them may stand here"));
      }
      if (one_of) kind = field->name();
      if (is_query && one_of) own = absl::StrCat(above, field->name());
      if (is_query && one_of) file_->nodes[own] = PlaceOf(key.Mark());
      if (above.empty() && !is_query && field->name() == "filter")
        file_->nodes["filter"] = PlaceOf(key.Mark());
      if (absl::Status status = ReadField(entry.second, *field, message, own, depth); !status.ok())
        return status;
    }
    if (is_query && kind.empty()) {
      return Wrong(node, absl::StrCat("a node of the query needs one of ", NodeKinds(type)));
    }
    return absl::OkStatus();
  }

  static std::string NodeKinds(const Descriptor& type) {
    std::string kinds;
    for (int i = 0; i < type.oneof_decl(0)->field_count(); ++i) {
      absl::StrAppend(&kinds, i == 0 ? "" : ", ", type.oneof_decl(0)->field(i)->name());
    }
    return kinds;
  }

  absl::Status ReadField(const YAML::Node& node, const FieldDescriptor& field, Message* message,
                         const std::string& above, int depth) {
    const Reflection& reflection = *message->GetReflection();
    const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!field.is_repeated()) {
      if (!is_message) return node.IsNull() ? absl::OkStatus() : SetScalar(node, field, message);
      return Read(node, reflection.MutableMessage(message, &field), PathBelow(field, above, 0),
                  depth + 1);
    }
    if (node.IsNull()) return absl::OkStatus();
    if (field.is_map()) return ReadTextMap(node, field, message);
    if (!node.IsSequence()) {
      return Wrong(node, absl::StrCat("'", field.name(), "' takes a list, found ",
                                      std::string(KindOf(node))));
    }
    int index = 0;
    for (const YAML::Node& element : node) {
      absl::Status status = is_message ? Read(element, reflection.AddMessage(message, &field),
                                              PathBelow(field, above, index++), depth + 1)
                                       : SetScalar(element, field, message);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // A map of texts by name.
  absl::Status ReadTextMap(const YAML::Node& node, const FieldDescriptor& field, Message* message) {
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    if (!node.IsMap() || value_field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      return Wrong(node, absl::StrCat("'", field.name(), "' takes ",
                                      node.IsMap() ? "no mapping" : "a mapping of names to texts",
                                      ", found ", std::string(KindOf(node))));
    }
    std::set<std::string> seen;
    for (const auto& item : node) {
      if (!item.first.IsScalar()) return Wrong(item.first, "a name takes a single value");
      if (!seen.insert(item.first.Scalar()).second)
        return Wrong(item.first, absl::StrCat("a second '", item.first.Scalar(), "'"));
      Message* added = message->GetReflection()->AddMessage(message, &field);
      added->GetReflection()->SetString(added, field.message_type()->map_key(),
                                        item.first.Scalar());
      if (absl::Status status = SetScalar(item.second, value_field, added); !status.ok())
        return status;
    }
    return absl::OkStatus();
  }

  // Children of a query node are named by their place: "fuse[1].".
  static std::string PathBelow(const FieldDescriptor& field, const std::string& above, int index) {
    if (field.message_type()->full_name() != kQueryNode || above.empty()) return above;
    return absl::StrCat(above, "[", index, "].");
  }

  absl::Status ReadPointId(const YAML::Node& node, Message* message) {
    const std::string& text = node.Scalar();
    uint64_t number = 0;
    // A quoted number is a text.
    const bool is_number = node.Tag() != "!" && absl::SimpleAtoi(text, &number);
    const Descriptor& type = *message->GetDescriptor();
    return SetScalar(node, *type.FindFieldByName(is_number ? "number" : "text"), message);
  }

  absl::Status SetScalar(const YAML::Node& node, const FieldDescriptor& field, Message* message) {
    if (!node.IsScalar()) {
      return Wrong(node, absl::StrCat("'", field.name(), "' takes a single value, found ",
                                      std::string(KindOf(node))));
    }
    if (++values_ > MessageFile::kMaxValues) {
      return Wrong(node, absl::StrCat("over ", MessageFile::kMaxValues, " values"));
    }
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return Set<int32_t>(node, field, message, absl::SimpleAtoi<int32_t>, "a whole number");
      case FieldDescriptor::CPPTYPE_INT64:
        return Set<int64_t>(node, field, message, absl::SimpleAtoi<int64_t>, "a whole number");
      case FieldDescriptor::CPPTYPE_UINT32:
        return Set<uint32_t>(node, field, message, absl::SimpleAtoi<uint32_t>,
                             "a whole number from 0 on");
      case FieldDescriptor::CPPTYPE_UINT64:
        return Set<uint64_t>(node, field, message, absl::SimpleAtoi<uint64_t>,
                             "a whole number from 0 on");
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return Set<double>(node, field, message, absl::SimpleAtod, "a number");
      case FieldDescriptor::CPPTYPE_FLOAT:
        return Set<float>(node, field, message, absl::SimpleAtof, "a number");
      case FieldDescriptor::CPPTYPE_BOOL:
        return Set<bool>(node, field, message, absl::SimpleAtob, "true or false");
      case FieldDescriptor::CPPTYPE_STRING:
        Put(field, message, node.Scalar());
        return absl::OkStatus();
      case FieldDescriptor::CPPTYPE_ENUM:
        return SetEnum(node, field, message);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    return Wrong(node, absl::StrCat("'", field.name(), "' takes no single value"));
  }

  template <typename T, typename Parse>
  absl::Status Set(const YAML::Node& node, const FieldDescriptor& field, Message* message,
                   Parse parse, std::string_view wanted) {
    T value{};
    if (!parse(node.Scalar(), &value)) {
      return Wrong(node, absl::StrCat("'", field.name(), "' takes ", std::string(wanted),
                                      ", found ", Quoted(node.Scalar())));
    }
    Put(field, message, value);
    return absl::OkStatus();
  }

  static void Put(const FieldDescriptor& field, Message* message, int32_t value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddInt32(message, &field, value)
                        : reflection.SetInt32(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, int64_t value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddInt64(message, &field, value)
                        : reflection.SetInt64(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, uint32_t value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddUInt32(message, &field, value)
                        : reflection.SetUInt32(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, uint64_t value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddUInt64(message, &field, value)
                        : reflection.SetUInt64(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, double value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddDouble(message, &field, value)
                        : reflection.SetDouble(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, float value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddFloat(message, &field, value)
                        : reflection.SetFloat(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, bool value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddBool(message, &field, value)
                        : reflection.SetBool(message, &field, value);
  }
  static void Put(const FieldDescriptor& field, Message* message, const std::string& value) {
    const Reflection& reflection = *message->GetReflection();
    field.is_repeated() ? reflection.AddString(message, &field, value)
                        : reflection.SetString(message, &field, value);
  }

  absl::Status SetEnum(const YAML::Node& node, const FieldDescriptor& field,
                       Message* message) const {
    const EnumDescriptor& type = *field.enum_type();
    std::string names;
    for (int i = 0; i < type.value_count(); ++i) {
      const EnumValueDescriptor& value = *type.value(i);
      const std::string name = ShortName(type, value);
      if (node.Scalar() == name || node.Scalar() == value.name()) {
        message->GetReflection()->SetEnum(message, &field, &value);
        return absl::OkStatus();
      }
      if (name != "unspecified") absl::StrAppend(&names, names.empty() ? "" : ", ", name);
    }
    return Wrong(node, absl::StrCat("'", field.name(), "' takes one of ", names, ", found ",
                                    Quoted(node.Scalar())));
  }

  MessageFile* file_;
  size_t values_ = 0;
};

}  // namespace

absl::Status ReadMessage(const std::string& text, Message* message, MessageFile* file) {
  if (text.size() > MessageFile::kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        file->name, " has ", text.size(), " bytes; the limit is ", MessageFile::kMaxBytes));
  }
  try {
    const YAML::Node node = YAML::Load(text);
    if (node.IsNull()) return absl::InvalidArgumentError(absl::StrCat(file->name, " is empty"));
    return MessageReader(file).Read(node, message, "", 1);
  } catch (const YAML::Exception& error) {
    const YamlPlace place = PlaceOf(error.mark);
    return absl::InvalidArgumentError(
        absl::StrCat(file->name, ":", place.line, ":", place.column, ": ", error.msg));
  }
}

absl::Status WithPlace(const absl::Status& status, const MessageFile& file) {
  const std::string message(status.message());
  for (const auto& [path, place] : file.nodes) {
    if (message.compare(0, path.size() + 1, path + ":") != 0) continue;
    return absl::Status(status.code(),
                        absl::StrCat(file.name, ":", place.line, ":", place.column, ": ", message));
  }
  return status;
}

}  // namespace vouch
