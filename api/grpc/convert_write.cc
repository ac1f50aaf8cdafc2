#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"

namespace vouch {
namespace {

absl::StatusOr<WriteCondition> ConditionOf(const v1::WriteCondition& message) {
  WriteCondition condition;
  if (message.has_id()) {
    absl::StatusOr<PointId> id = PointIdOf(message.id());
    if (!id.ok()) return id.status();
    condition.id = *std::move(id);
  }
  switch (message.must_case()) {
    case v1::WriteCondition::kAbsent:
    case v1::WriteCondition::kPresent:
      if (message.must_case() == v1::WriteCondition::kAbsent) {
        condition.must = WriteCondition::Absent{};
      } else {
        condition.must = WriteCondition::Present{};
      }
      if (message.absent() || message.present()) return condition;
      return absl::InvalidArgumentError("`absent` and `present` take only true");
    case v1::WriteCondition::kVersion:
      condition.must = Version(message.version());
      return condition;
    case v1::WriteCondition::kMatches: {
      absl::StatusOr<Filter> filter = FilterOf(message.matches());
      if (!filter.ok()) return filter.status();
      condition.must = *std::move(filter);
      return condition;
    }
    case v1::WriteCondition::MUST_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "it says nothing; give `absent`, `present`, `version` or `matches`");
}

absl::StatusOr<PointChange> ChangeOf(const v1::PointChange& message, const std::string& what) {
  PointChange change;
  change.payload_patch = message.payload_patch_json();
  change.remove_keys.assign(message.remove_keys().begin(), message.remove_keys().end());
  for (const auto& [name, vector] : message.vectors()) {
    change.vectors.emplace_back(name,
                                std::vector<float>(vector.values().begin(), vector.values().end()));
  }
  for (const auto& [name, vector] : message.sparse_vectors()) {
    change.sparse_vectors.emplace_back(name, SparseVectorOf(vector));
  }
  // Maps of messages have no order of their own; errors should name the same field each time.
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::sort(change.vectors.begin(), change.vectors.end(), by_name);
  std::sort(change.sparse_vectors.begin(), change.sparse_vectors.end(), by_name);
  auto multi_vectors = MultiVectorsOf(message.multi_vectors(), what);
  if (!multi_vectors.ok()) return multi_vectors.status();
  change.multi_vectors = *std::move(multi_vectors);
  change.remove_vectors.assign(message.remove_vectors().begin(), message.remove_vectors().end());
  if (message.has_access()) {
    change.access.emplace(message.access().entries().begin(), message.access().entries().end());
  }
  return change;
}

}  // namespace

absl::StatusOr<std::vector<WriteCondition>> ConditionsOf(
    const google::protobuf::RepeatedPtrField<v1::WriteCondition>& messages) {
  std::vector<WriteCondition> conditions;
  for (int i = 0; i < messages.size(); ++i) {
    absl::StatusOr<WriteCondition> condition = ConditionOf(messages[i]);
    if (!condition.ok()) {
      return absl::Status(condition.status().code(),
                          absl::StrCat("conditions[", i, "]: ", condition.status().message()));
    }
    conditions.push_back(*std::move(condition));
  }
  return conditions;
}

absl::StatusOr<PointSelection> SelectionOf(const v1::PointSelection& message) {
  PointSelection selection;
  if (!message.has_filter()) {
    return absl::InvalidArgumentError(
        "selection: there is no filter; give the expression \"true\" to mean all points");
  }
  absl::StatusOr<Filter> filter = FilterOf(message.filter());
  if (!filter.ok()) return filter.status();
  selection.filter = *std::move(filter);
  if (message.has_expected_count()) selection.expected_count = message.expected_count();
  if (message.limit() > 0) selection.limit = message.limit();
  return selection;
}

absl::StatusOr<UpdateRequest> UpdateOf(const v1::UpdateRequest& message) {
  UpdateRequest request;
  for (int i = 0; i < message.updates_size(); ++i) {
    const v1::PointUpdate& update = message.updates(i);
    absl::StatusOr<PointId> id = PointIdOf(update.id());
    if (!id.ok()) {
      return absl::Status(id.status().code(),
                          absl::StrCat("updates[", i, "]: ", id.status().message()));
    }
    absl::StatusOr<PointChange> change =
        ChangeOf(update.change(), absl::StrCat("updates[", i, "] (", id->ToString(), ")"));
    if (!change.ok()) return change.status();
    request.updates.push_back({*std::move(id), *std::move(change)});
  }
  if (message.has_selection()) {
    absl::StatusOr<PointSelection> selection = SelectionOf(message.selection());
    if (!selection.ok()) return selection.status();
    request.selection = *std::move(selection);
  }
  absl::StatusOr<PointChange> change = ChangeOf(message.change(), "change");
  if (!change.ok()) return change.status();
  request.change = *std::move(change);
  request.skip_missing = message.skip_missing();
  request.dry_run = message.dry_run();
  request.request_id = message.request_id();
  if (message.has_expected_version()) request.expected_version = Version(message.expected_version());
  absl::StatusOr<std::vector<WriteCondition>> conditions = ConditionsOf(message.conditions());
  if (!conditions.ok()) return conditions.status();
  request.conditions = *std::move(conditions);
  return request;
}

void FillWriteReply(const WriteResult& result, v1::WriteReply* message) {
  message->set_version(result.version.value);
  message->set_upserted(result.upserted);
  message->set_retired(result.retired);
  message->set_replayed(result.replayed);
  message->set_matched(result.matched);
}

}  // namespace vouch
