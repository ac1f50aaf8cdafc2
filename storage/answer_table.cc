#include "storage/answer_table.h"

#include <rocksdb/write_batch.h>

#include <utility>

#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks.h"

namespace vouch {

// Follows the tip where there is a chain; else starts one after the newest answer.
absl::StatusOr<ChainTip> AnswerTable::TipOf(TenantNumber tenant) {
  if (const auto known = tips_.find(tenant); known != tips_.end()) return known->second;
  auto value = rocks_.Get(Family::kAnswers, AnswerTipKey(tenant));
  if (!value.ok()) return value.status();
  if (value->has_value()) return DecodeChainTip(**value);
  // The newest is the first in the order.
  uint64_t newest = 0;
  const std::string begin = AnswerOrderKeyPrefix(tenant);
  const absl::Status scanned = rocks_.Scan(Family::kAnswers, begin, PrefixEnd(begin),
                                           [&](std::string_view key, std::string_view) {
                                             Decoder decoder(key.substr(begin.size()));
                                             newest = ~decoder.Be64();
                                             return false;
                                           });
  if (!scanned.ok()) return scanned;
  return ChainTip{.first = newest + 1, .last = newest, .head = ChainStart(tenant, newest + 1)};
}

absl::StatusOr<AnswerLink> AnswerTable::Put(TenantNumber tenant, std::string_view id,
                                            std::string_view record, std::string_view salt) {
  if (id.empty() || id.size() > kMaxIdBytes) {
    return absl::InvalidArgumentError(Concat("an answer id has ", id.size(),
                                                   " bytes; it must have 1 to ", kMaxIdBytes));
  }
  if (record.size() > kMaxRecordBytes) {
    return absl::InvalidArgumentError(Concat("the answer \"", Escape(id), "\" has ",
                                                   record.size(), " bytes; the limit is ",
                                                   kMaxRecordBytes));
  }
  if (salt.size() > AnswerSalts::kMaxRecordSaltBytes) {
    return absl::InvalidArgumentError(Concat("the salt of an answer has ", salt.size(), " bytes; the limit is ",
                                             AnswerSalts::kMaxRecordSaltBytes));
  }
  Pending pending{.tenant = tenant, .id = id, .record = record, .stored = {}, .status = {}};
  pending.stored.id = id;
  pending.stored.salts = AnswerSalts(salt);
  pending.stored.link.content = DigestAnswer(record, pending.stored.salts).digest;

  std::unique_lock lock(mu_);
  waiting_.push_back(&pending);
  while (!pending.done) {
    if (leading_) {
      changed_.wait(lock);
      continue;
    }
    const std::vector<Pending*> group = TakeGroup();
    leading_ = true;
    lock.unlock();
    WriteGroup(group);
    lock.lock();
    leading_ = false;
    for (Pending* written : group) written->done = true;
    changed_.notify_all();
  }
  if (!pending.status.ok()) return pending.status;
  return pending.stored.link;
}

// Those that came first, up to kMaxGroupBytes; at least one.
std::vector<AnswerTable::Pending*> AnswerTable::TakeGroup() {
  size_t count = 0;
  for (size_t bytes = 0; count < waiting_.size() && bytes < kMaxGroupBytes; ++count) {
    bytes += waiting_[count]->record.size();
  }
  const auto end = waiting_.begin() + static_cast<ptrdiff_t>(count);
  std::vector<Pending*> group(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  return group;
}

// By the leader, without the lock.
void AnswerTable::WriteGroup(const std::vector<Pending*>& group) {
  absl::flat_hash_map<TenantNumber, ChainTip> tips;
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* answers = rocks_.handle(Family::kAnswers);
  const auto put = [&](const std::string& key, std::string_view value) {
    batch.Put(answers, key, rocksdb::Slice(value.data(), value.size()));
  };
  for (Pending* pending : group) {
    auto tip = tips.find(pending->tenant);
    if (tip == tips.end()) {
      absl::StatusOr<ChainTip> read = TipOf(pending->tenant);
      if (!read.ok()) {
        pending->status = read.status();
        continue;
      }
      tip = tips.emplace(pending->tenant, *read).first;
    }
    AnswerLink& link = pending->stored.link;
    link.number = tip->second.last + 1;
    link.previous = tip->second.head;
    link.hash = HashLink(pending->tenant, pending->id, link);
    tip->second.last = link.number;
    tip->second.head = link.hash;
    put(AnswerKey(pending->tenant, pending->id), EncodeStoredAnswer(link.number, pending->record));
    put(AnswerOrderKey(pending->tenant, link.number), pending->id);
    put(AnswerLinkKey(pending->tenant, link.number), EncodeAnswerLink(pending->stored));
  }
  for (const auto& [tenant, tip] : tips) put(AnswerTipKey(tenant), EncodeChainTip(tip));
  const absl::Status written = tips.empty() ? absl::OkStatus() : rocks_.Write(batch);
  for (Pending* pending : group) {
    if (pending->status.ok()) pending->status = written;
  }
  if (!written.ok()) return;
  for (const auto& [tenant, tip] : tips) tips_.insert_or_assign(tenant, tip);
}

absl::StatusOr<std::string> AnswerTable::GetValue(TenantNumber tenant, std::string_view id) const {
  auto value = rocks_.Get(Family::kAnswers, AnswerKey(tenant, id));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    return absl::NotFoundError(
        Concat("no answer has the id \"", Escape(id, kMaxIdBytes), "\""));
  }
  return **std::move(value);
}

absl::StatusOr<std::string> AnswerTable::Get(TenantNumber tenant, std::string_view id) const {
  const absl::StatusOr<std::string> value = GetValue(tenant, id);
  if (!value.ok()) return value.status();
  absl::StatusOr<StoredAnswer> answer = DecodeStoredAnswer(id, *value);
  if (!answer.ok()) return answer.status();
  return std::string(answer->record);
}

absl::StatusOr<std::optional<AnswerLink>> AnswerTable::GetLink(TenantNumber tenant, std::string_view id) const {
  const absl::StatusOr<std::string> value = GetValue(tenant, id);
  if (!value.ok()) return value.status();
  const absl::StatusOr<StoredAnswer> answer = DecodeStoredAnswer(id, *value);
  if (!answer.ok()) return answer.status();
  const auto link = rocks_.Get(Family::kAnswers, AnswerLinkKey(tenant, answer->number));
  if (!link.ok()) return link.status();
  if (!link->has_value()) return std::optional<AnswerLink>();
  const absl::StatusOr<StoredLink> stored = DecodeAnswerLink(answer->number, **link);
  if (!stored.ok()) return stored.status();
  return std::optional<AnswerLink>(stored->link);
}

absl::StatusOr<Digest> AnswerTable::GetLinkHash(TenantNumber tenant, uint64_t number) const {
  const auto value = rocks_.Get(Family::kAnswers, AnswerLinkKey(tenant, number));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::NotFoundError(Concat("the answers' chain has no link ", number));
  const absl::StatusOr<StoredLink> stored = DecodeAnswerLink(number, **value);
  if (!stored.ok()) return stored.status();
  return stored->link.hash;
}

absl::Status AnswerTable::ScanLinks(TenantNumber tenant, uint64_t first,
                                    const std::function<bool(AnswerProof&&)>& visit) const {
  absl::Status status;
  const std::string prefix = AnswerLinkKeyPrefix(tenant);
  const absl::Status scanned = rocks_.Scan(
      Family::kAnswers, AnswerLinkKey(tenant, first), PrefixEnd(prefix), [&](std::string_view key, std::string_view value) {
        Decoder decoder(key.substr(prefix.size()));
        absl::StatusOr<StoredLink> stored = DecodeAnswerLink(decoder.Be64(), value);
        if (!stored.ok()) {
          status = stored.status();
          return false;
        }
        return visit({.tenant = tenant.value,
                      .link = stored->link,
                      .id = std::move(stored->id),
                      .salts = stored->salts.Encode()});
      });
  return status.ok() ? scanned : status;
}

absl::Status AnswerTable::Scan(
    TenantNumber tenant, const std::function<bool(std::string_view id, std::string_view record)>& visit) const {
  absl::Status status;
  const std::string begin = AnswerOrderKeyPrefix(tenant);
  const auto look = [&](std::string_view key, std::string_view id) {
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
    absl::StatusOr<StoredAnswer> answer = DecodeStoredAnswer(id, **value);
    if (!answer.ok()) {
      status = answer.status();
      return false;
    }
    return answer->number != number || visit(id, answer->record);
  };
  const absl::Status scanned = rocks_.Scan(Family::kAnswers, begin, PrefixEnd(begin), look);
  return status.ok() ? scanned : status;
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

absl::StatusOr<uint32_t> AnswerTable::EraseTexts(TenantNumber tenant, std::string_view id,
                                                 const std::set<std::string>& paths) {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [&] { return !leading_; });
  leading_ = true;
  lock.unlock();
  absl::StatusOr<uint32_t> erased = [&]() -> absl::StatusOr<uint32_t> {
    const absl::StatusOr<std::string> value = GetValue(tenant, id);
    if (!value.ok()) return value.status();
    const absl::StatusOr<StoredAnswer> answer = DecodeStoredAnswer(id, *value);
    if (!answer.ok()) return answer.status();
    const auto link = rocks_.Get(Family::kAnswers, AnswerLinkKey(tenant, answer->number));
    if (!link.ok()) return link.status();
    StoredLink stored;
    if (link->has_value()) {
      absl::StatusOr<StoredLink> decoded = DecodeAnswerLink(answer->number, **link);
      if (!decoded.ok()) return decoded.status();
      stored = *std::move(decoded);
    }
    ErasedAnswer result = vouch::EraseTexts(answer->record, stored.salts, paths);
    if (result.erased == 0) return 0u;
    rocksdb::WriteBatch batch;
    rocksdb::ColumnFamilyHandle* answers = rocks_.handle(Family::kAnswers);
    batch.Put(answers, AnswerKey(tenant, id), EncodeStoredAnswer(answer->number, result.record));
    stored.salts = std::move(result.salts);
    if (link->has_value())
      batch.Put(answers, AnswerLinkKey(tenant, answer->number), EncodeAnswerLink(stored));
    if (absl::Status status = rocks_.Write(batch); !status.ok()) return status;
    return result.erased;
  }();
  lock.lock();
  leading_ = false;
  changed_.notify_all();
  return erased;
}

}  // namespace vouch
