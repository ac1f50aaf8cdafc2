#pragma once

#include "absl/status/statusor.h"
#include "rag/deliver/spec_store.h"
#include "rag/drift/drift_look.h"
#include "rag/drift/drift_reference.h"
#include "rag/drift/drift_spec.h"
#include "vouch/v1/drift.pb.h"

namespace vouch {

// Messages to monitors, defaults filled in, and back.
absl::StatusOr<DriftSpec> DriftSpecOf(const v1::DriftSpec& message);
absl::Status FillDriftMonitor(const SpecVersion& version, v1::DriftMonitor* message);
void FillDriftLook(const KindLook& look, v1::DriftLook* message);  // without texts
void FillDriftAlarm(const DriftAlarm& alarm, v1::DriftAlarm* message);
void FillDriftReference(const DriftReference& reference, v1::DriftReference* message);
void FillDriftState(const DriftState& state, v1::DriftMonitor* message);

}  // namespace vouch
