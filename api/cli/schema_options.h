#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/schema.h"

namespace vouch {

// What `vouch collection create` says of a schema.
struct SchemaOptions {
  std::string file;                  // JSON, as `vouch collection show --schema` prints it
  std::vector<std::string> dense;    // NAME:DIM[:METRIC][:INDEX][:TYPE][:recall=TARGET]
  std::vector<std::string> text;     // NAME:PATH[,PATH…][:LANGUAGE]
  std::vector<std::string> sparse;   // NAME
  std::vector<std::string> multi_vector;  // NAME:DIM[:METRIC][:TYPE]
  std::vector<std::string> payload;  // PATH:TYPE
};

// Usage errors name the option, its value and its form. The server checks the schema itself.
absl::StatusOr<CollectionSchema> SchemaFromOptions(const SchemaOptions& options);

}  // namespace vouch
