#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/schema.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

// What `vouch collection create` says of a schema.
struct SchemaOptions {
  std::string file = {};                  // JSON, as `vouch collection show --schema` prints it
  std::vector<std::string> dense = {};    // NAME:DIM[:METRIC][:INDEX][:TYPE][:recall=TARGET]
  std::vector<std::string> text = {};     // NAME:PATH[,PATH…][:LANGUAGE]
  std::vector<std::string> sparse = {};   // NAME
  std::vector<std::string> multi_vector = {};  // NAME:DIM[:METRIC][:TYPE]
  std::vector<std::string> payload = {};  // PATH:TYPE
  std::string keep_history = {};     // spans of time: "30d"
  std::optional<uint64_t> keep_versions = {};
  std::string keep_records = {};
  std::string ttl = {};
  std::string ttl_field = {};

  bool sets_retention() const { return !keep_history.empty() || keep_versions.has_value() || !keep_records.empty(); }
  bool sets_ttl() const { return !ttl.empty() || !ttl_field.empty(); }
};

// --keep-history, --keep-versions, --keep-records, --ttl, --ttl-field.
void AddPolicyOptions(CLI::App& command, SchemaOptions* options);
// What the options say of retention and ttl, over what the schema has; "off" is none.
absl::Status SetPolicies(const SchemaOptions& options, CollectionSchema* schema);

// Usage errors name the option, its value and its form. The server checks the schema itself.
absl::StatusOr<CollectionSchema> SchemaFromOptions(const SchemaOptions& options);

}  // namespace vouch
