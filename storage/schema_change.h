#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/schema.h"

namespace vouch {

// What changes of a dense field. Its vectors stay as they are; how they are searched may change.
struct DenseFieldChange {
  std::string name = {};
  std::optional<DenseIndexKind> index = {};
  std::optional<double> recall_target = {};  // 0: none
  std::optional<int> m = {};
  std::optional<int> ef_construction = {};
  std::optional<int> ef_search = {};
};

struct TextFieldChange {
  std::string name = {};
  std::optional<double> k1 = {};
  std::optional<double> b = {};
};

// One alteration of a schema. Fields are dropped, then changed, then added, so that a field may be dropped and another of the
// same name be added at once: it then has no vectors yet.
struct SchemaChange {
  std::vector<std::string> drop = {};          // fields by name
  std::vector<std::string> drop_payload = {};  // payload fields by path
  std::vector<DenseFieldChange> change_dense = {};
  std::vector<TextFieldChange> change_text = {};
  std::vector<DenseField> add_dense = {};
  std::vector<TextField> add_text = {};
  std::vector<SparseField> add_sparse = {};
  std::vector<MultiVectorField> add_multi_vector = {};
  std::vector<PayloadField> add_payload = {};
  std::optional<RetentionPolicy> retention = {};  // the whole new policy
  std::optional<TtlPolicy> ttl = {};              // likewise

  bool empty() const;
};

// The schema after the change; the same where nothing changes. NOT_FOUND names the field and those that there are.
// ALREADY_EXISTS says how a field is changed otherwise. INVALID_ARGUMENT: the result is no valid schema, or the collection
// has had as many fields as it can have. FAILED_PRECONDITION: nothing that can be searched would be left.
absl::StatusOr<CollectionSchema> ApplySchemaChange(const CollectionSchema& schema, const SchemaChange& change);

}  // namespace vouch
