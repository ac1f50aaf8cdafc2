#include "storage/evaluation_table.h"

#include <rocksdb/write_batch.h>

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks.h"

namespace vouch {
namespace {

constexpr uint8_t kRecordKind = 0x01;

absl::Status Check(const NamedRecord& record) {
  if (record.name.empty() || record.name.size() > EvaluationTable::kMaxNameBytes) {
    return absl::InvalidArgumentError(Concat("the name of an evaluation record has ",
                                             record.name.size(), " bytes; it must have 1 to ",
                                             EvaluationTable::kMaxNameBytes));
  }
  if (record.bytes.size() > EvaluationTable::kMaxRecordBytes) {
    return absl::InvalidArgumentError(
        Concat("the evaluation record \"", Escape(record.name), "\" has ", record.bytes.size(),
               " bytes; the limit is ", EvaluationTable::kMaxRecordBytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeEvaluationRecord(const NamedRecord& record) {
  std::string value;
  value.reserve(record.name.size() + record.bytes.size() + 24);
  PutByte(value, kRecordKind);
  PutBlock(value, record.name);
  PutBlock(value, record.bytes);
  Seal(value, 0);
  return value;
}

absl::StatusOr<NamedRecord> DecodeEvaluationRecord(std::string_view name, std::string_view value) {
  std::string_view content;
  if (Unseal(value, 0, content)) {
    Decoder decoder(content);
    const bool kind = decoder.Byte() == kRecordKind;
    const std::string_view inside = decoder.Block();
    const std::string_view bytes = decoder.Block();
    if (kind && decoder.Done() && inside == name) {
      return NamedRecord{std::string(name), std::string(bytes)};
    }
  }
  return absl::DataLossError(Concat("the evaluation record \"", Escape(name), "\" is damaged"));
}

absl::Status EvaluationTable::Put(TenantNumber tenant, std::span<const NamedRecord> records,
                                  bool only_new) {
  rocksdb::WriteBatch batch;
  for (const NamedRecord& record : records) {
    if (absl::Status status = Check(record); !status.ok()) return status;
    batch.Put(rocks_.handle(Family::kEvaluations), EvaluationKey(tenant, record.name),
              EncodeEvaluationRecord(record));
  }
  if (!only_new) return rocks_.Write(batch);
  const std::lock_guard lock(mu_);
  for (const NamedRecord& record : records) {
    auto kept = rocks_.Get(Family::kEvaluations, EvaluationKey(tenant, record.name));
    if (!kept.ok()) return kept.status();
    if (kept->has_value()) {
      return absl::AlreadyExistsError(
          Concat("the evaluation record \"", Escape(record.name), "\" is there already"));
    }
  }
  return rocks_.Write(batch);
}

absl::StatusOr<std::optional<std::string>> EvaluationTable::Get(TenantNumber tenant,
                                                                std::string_view name) const {
  auto value = rocks_.Get(Family::kEvaluations, EvaluationKey(tenant, name));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::optional<std::string>();
  absl::StatusOr<NamedRecord> record = DecodeEvaluationRecord(name, **value);
  if (!record.ok()) return record.status();
  return std::optional<std::string>(std::move(record->bytes));
}

absl::Status EvaluationTable::Scan(
    TenantNumber tenant, std::string_view prefix,
    const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const {
  const std::string begin = EvaluationKey(tenant, prefix);
  const size_t skipped = EvaluationKey(tenant, "").size();
  absl::Status status;
  const absl::Status scanned = rocks_.Scan(
      Family::kEvaluations, begin, PrefixEnd(begin),
      [&](std::string_view key, std::string_view value) {
        absl::StatusOr<NamedRecord> record = DecodeEvaluationRecord(key.substr(skipped), value);
        if (!record.ok()) {
          status = record.status();
          return false;
        }
        return visit(record->name, record->bytes);
      });
  return status.ok() ? scanned : status;
}

}  // namespace vouch
