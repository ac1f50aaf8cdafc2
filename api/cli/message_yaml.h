#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace vouch {

// A place in a text; both count from 1.
struct YamlPlace {
  int line = 0;
  int column = 0;
};

// What a file of a request is called in errors, and where its query nodes stand.
struct MessageFile {
  static constexpr size_t kMaxBytes = size_t{4} << 20;
  static constexpr size_t kMaxValues = 1'000'000;
  static constexpr int kMaxDepth = 64;

  std::string name;
  // By the path that the engine's errors begin with: "fuse[1].dense"; the request's own filter as
  // "filter".
  std::map<std::string, YamlPlace> nodes;
};

// Fills `message` from YAML, or from JSON, which is YAML. Keys are the names of the proto file; the
// values are those that MessageToJson writes: a point id is a number or a text, a vector a list,
// and a filter may be a text. Enums go by their names in lower case, without the part that all of
// them share ("best_score"). Aliases are followed. INVALID_ARGUMENT: "tree.yaml:3:7: …" with what
// stands there and what may; more than MessageFile's limits.
absl::Status ReadMessage(const std::string& text, google::protobuf::Message* message,
                         MessageFile* file);

// An error about a node of the file, with its place before it.
absl::Status WithPlace(const absl::Status& status, const MessageFile& file);

}  // namespace vouch
