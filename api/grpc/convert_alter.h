#pragma once

#include "absl/status/statusor.h"
#include "query/maintenance.h"
#include "rag/retention/retention.h"
#include "vouch/v1/collections.pb.h"

namespace vouch {

// INVALID_ARGUMENT names the span of time and what it takes.
absl::StatusOr<RetentionPolicy> RetentionOf(const v1::Retention& message);
absl::StatusOr<TtlPolicy> TtlOf(const v1::Ttl& message);
void FillRetention(const RetentionPolicy& policy, v1::Retention* message);
void FillTtl(const TtlPolicy& ttl, v1::Ttl* message);
void FillRetentionStatus(const RetentionReport& report, v1::RetentionStatus* message);
absl::StatusOr<SchemaChange> SchemaChangeOf(const v1::AlterCollectionRequest& request);

}  // namespace vouch
