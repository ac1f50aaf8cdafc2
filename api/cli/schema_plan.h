#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "vouch/v1/collections.pb.h"

namespace vouch {

struct SchemaPlan {
  v1::AlterCollectionRequest alter;
  bool changes = false;
  std::string lines;  // what is added (+), changed (~), dropped (-) and left (=), indented
};

// What makes the schema that is there what a file wants, as `collection alter` does it: fields of the file that are missing are
// added, those with other settings changed; a text or payload field with other paths, language or type is dropped and added, which
// builds it anew. Only what the file sets counts. Fields that it does not name are dropped with `drop_others`, else left and told.
// FAILED_PRECONDITION names the setting of a vector field that cannot be changed in place, and how it is done instead.
absl::StatusOr<SchemaPlan> PlanSchema(const v1::Schema& wanted, const v1::Schema& there, bool drop_others);

}  // namespace vouch
