#include "api/grpc/convert_alter.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "storage/duration_text.h"

namespace vouch {
namespace {

constexpr size_t kMaxPinsShown = 1'000;

absl::Status SetSpan(const std::string& text, const char* name, int64_t* us) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<int64_t> parsed = ParseDurationText(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", parsed.status().message()));
  }
  *us = *parsed;
  return absl::OkStatus();
}

// An option of the graph; 0: as it is. Bounds are the schema's.
void SetOption(uint32_t value, std::optional<int>* option) {
  if (value == 0) return;
  *option = static_cast<int>(std::min<uint32_t>(value, std::numeric_limits<int>::max()));
}

absl::StatusOr<DenseFieldChange> DenseChangeOf(const v1::DenseFieldChange& message) {
  DenseFieldChange change;
  change.name = message.name();
  if (message.index() != v1::DENSE_INDEX_KIND_UNSPECIFIED) {
    // As in a field, so that one place knows the kinds.
    v1::Schema one;
    v1::DenseField& field = *one.add_dense();
    field.set_name(message.name());
    field.set_index(message.index());
    const absl::StatusOr<CollectionSchema> schema = SchemaOf(one);
    if (!schema.ok()) return schema.status();
    change.index = schema->dense[0].index;
  }
  if (message.has_recall_target()) change.recall_target = message.recall_target();
  SetOption(message.hnsw().m(), &change.m);
  SetOption(message.hnsw().ef_construction(), &change.ef_construction);
  SetOption(message.hnsw().ef_search(), &change.ef_search);
  return change;
}

}  // namespace

absl::StatusOr<RetentionPolicy> RetentionOf(const v1::Retention& message) {
  RetentionPolicy policy;
  policy.versions = message.versions();
  absl::Status status = SetSpan(message.history(), "retention.history", &policy.history_us);
  status.Update(SetSpan(message.records(), "retention.records", &policy.records_us));
  if (!status.ok()) return status;
  return policy;
}

absl::StatusOr<TtlPolicy> TtlOf(const v1::Ttl& message) {
  TtlPolicy ttl;
  ttl.field = message.field();
  if (absl::Status status = SetSpan(message.after(), "ttl.after", &ttl.after_us); !status.ok()) return status;
  return ttl;
}

void FillRetention(const RetentionPolicy& policy, v1::Retention* message) {
  if (policy.history_us != 0) message->set_history(FormatDurationText(policy.history_us));
  message->set_versions(policy.versions);
  if (policy.records_us != 0) message->set_records(FormatDurationText(policy.records_us));
}

void FillTtl(const TtlPolicy& ttl, v1::Ttl* message) {
  message->set_field(ttl.field);
  if (ttl.after_us != 0) message->set_after(FormatDurationText(ttl.after_us));
}

void FillRetentionStatus(const RetentionReport& report, v1::RetentionStatus* message) {
  FillRetention(report.policy, message->mutable_policy());
  message->set_oldest(report.state.oldest().value);
  for (const Version version : report.state.kept) message->add_kept(version.value);
  message->set_latest(report.latest.value);
  message->set_changed_us(report.state.raised_us);
  message->set_changed_by(report.state.actor);
  message->set_rows_purged(report.state.purged_rows);
  message->set_purging(report.state.pending);
  message->set_oldest_due(std::max<uint64_t>(1, report.due.value));
  message->set_versions_due(report.versions_to_go);
  message->set_rows_due(report.rows_to_go);
  for (const VersionPin& pin : report.pins) {
    if (static_cast<size_t>(message->pins_size()) == kMaxPinsShown) break;
    v1::VersionPin* shown = message->add_pins();
    shown->set_kind(std::string(PinKindName(pin.kind)));
    shown->set_name(pin.name);
    shown->set_version(pin.version.value);
    shown->set_count(pin.count);
    shown->set_and_later(pin.and_later);
  }
  message->set_pins_total(report.pins.size());
  message->set_rows_deleted(report.rows_deleted);
}

absl::StatusOr<SchemaChange> SchemaChangeOf(const v1::AlterCollectionRequest& request) {
  SchemaChange change;
  change.drop.assign(request.drop().begin(), request.drop().end());
  change.drop_payload.assign(request.drop_payload().begin(), request.drop_payload().end());
  for (const v1::DenseFieldChange& message : request.change_dense()) {
    absl::StatusOr<DenseFieldChange> dense = DenseChangeOf(message);
    if (!dense.ok()) return dense.status();
    change.change_dense.push_back(*std::move(dense));
  }
  for (const v1::TextFieldChange& message : request.change_text()) {
    TextFieldChange& text = change.change_text.emplace_back();
    text.name = message.name();
    if (message.has_k1()) text.k1 = message.k1();
    if (message.has_b()) text.b = message.b();
  }
  absl::StatusOr<CollectionSchema> add = SchemaOf(request.add());
  if (!add.ok()) return add.status();
  if (request.add().has_retention() || request.add().has_ttl()) {
    return absl::InvalidArgumentError("`add` takes fields; retention and ttl stand beside it");
  }
  change.add_dense = std::move(add->dense);
  change.add_text = std::move(add->text);
  change.add_sparse = std::move(add->sparse);
  change.add_multi_vector = std::move(add->multi_vector);
  change.add_payload = std::move(add->payload);
  if (request.has_retention()) {
    const absl::StatusOr<RetentionPolicy> policy = RetentionOf(request.retention());
    if (!policy.ok()) return policy.status();
    change.retention = *policy;
  }
  if (request.has_ttl()) {
    absl::StatusOr<TtlPolicy> ttl = TtlOf(request.ttl());
    if (!ttl.ok()) return ttl.status();
    change.ttl = *std::move(ttl);
  }
  if (change.empty()) return absl::InvalidArgumentError("nothing is to be altered");
  return change;
}

}  // namespace vouch
