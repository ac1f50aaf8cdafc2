#include "storage/answer_table.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks.h"

namespace vouch {

namespace {

struct StoredAnswer {
  uint64_t number = 0;
  std::string_view record;
};

std::string EncodeAnswer(uint64_t number, std::string_view record) {
  std::string value;
  value.reserve(record.size() + 16);
  PutBe64(value, number);
  value.append(record);
  Seal(value, 0);
  return value;
}

absl::StatusOr<StoredAnswer> DecodeAnswer(std::string_view id, std::string_view value) {
  std::string_view content;
  if (!Unseal(value, 0, content) || content.size() < 8) {
    return absl::DataLossError(Concat("the answer \"", Escape(id), "\" is damaged"));
  }
  return StoredAnswer{ReadBe64(content.data()), content.substr(8)};
}

}  // namespace

absl::StatusOr<uint64_t> AnswerTable::TakeNumber(TenantNumber tenant) {
  {
    std::lock_guard lock(mu_);
    const auto at = next_.find(tenant);
    if (at != next_.end()) return at->second++;
  }
  // The newest is the first in the order.
  uint64_t next = 1;
  const std::string begin = AnswerOrderKeyPrefix(tenant);
  const absl::Status scanned =
      rocks_.Scan(Family::kAnswers, begin, PrefixEnd(begin),
                  [&](std::string_view key, std::string_view) {
                    Decoder decoder(key.substr(begin.size()));
                    next = ~decoder.Be64() + 1;
                    return false;
                  });
  if (!scanned.ok()) return scanned;
  std::lock_guard lock(mu_);
  uint64_t& shared = next_.try_emplace(tenant, next).first->second;
  return shared++;
}

absl::Status AnswerTable::Put(TenantNumber tenant, std::string_view id, std::string_view record) {
  if (id.empty() || id.size() > kMaxIdBytes) {
    return absl::InvalidArgumentError(Concat("an answer id has ", id.size(),
                                                   " bytes; it must have 1 to ", kMaxIdBytes));
  }
  if (record.size() > kMaxRecordBytes) {
    return absl::InvalidArgumentError(Concat("the answer \"", Escape(id), "\" has ",
                                                   record.size(), " bytes; the limit is ",
                                                   kMaxRecordBytes));
  }
  absl::StatusOr<uint64_t> number = TakeNumber(tenant);
  if (!number.ok()) return number.status();
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* answers = rocks_.handle(Family::kAnswers);
  batch.Put(answers, AnswerKey(tenant, id), EncodeAnswer(*number, record));
  batch.Put(answers, AnswerOrderKey(tenant, *number), rocksdb::Slice(id.data(), id.size()));
  return rocks_.Write(batch);
}

absl::StatusOr<std::string> AnswerTable::Get(TenantNumber tenant, std::string_view id) const {
  auto value = rocks_.Get(Family::kAnswers, AnswerKey(tenant, id));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    return absl::NotFoundError(
        Concat("no answer has the id \"", Escape(id, kMaxIdBytes), "\""));
  }
  absl::StatusOr<StoredAnswer> answer = DecodeAnswer(id, **value);
  if (!answer.ok()) return answer.status();
  return std::string(answer->record);
}

absl::StatusOr<std::vector<std::string>> AnswerTable::List(TenantNumber tenant,
                                                           size_t limit) const {
  std::vector<std::string> records;
  if (limit == 0) return records;
  const absl::Status scanned = Scan(tenant, [&](std::string_view, std::string_view record) {
    records.emplace_back(record);
    return records.size() < limit;
  });
  if (!scanned.ok()) return scanned;
  return records;
}

absl::Status AnswerTable::Scan(
    TenantNumber tenant,
    const std::function<bool(std::string_view id, std::string_view record)>& visit) const {
  absl::Status status;
  const std::string begin = AnswerOrderKeyPrefix(tenant);
  const auto take = [&](std::string_view key, std::string_view id) {
    Decoder decoder(key.substr(begin.size()));
    const uint64_t number = ~decoder.Be64();
    auto value = rocks_.Get(Family::kAnswers, AnswerKey(tenant, id));
    if (!value.ok()) {
      status = value.status();
      return false;
    }
    if (!value->has_value()) {
      status = absl::DataLossError(Concat("the answer \"", Escape(id), "\" is missing"));
      return false;
    }
    absl::StatusOr<StoredAnswer> answer = DecodeAnswer(id, **value);
    if (!answer.ok()) {
      status = answer.status();
      return false;
    }
    return answer->number != number || visit(id, answer->record);
  };
  const absl::Status scanned = rocks_.Scan(Family::kAnswers, begin, PrefixEnd(begin), take);
  return status.ok() ? scanned : status;
}

}  // namespace vouch
