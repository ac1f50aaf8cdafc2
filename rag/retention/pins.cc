#include "rag/retention/pins.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "nlohmann/json.hpp"
#include "rag/eval/evaluation_record.h"
#include "rag/migrate/collection_copy.h"
#include "rag/migrate/migration_record.h"
#include "storage/evaluation_records.h"

namespace vouch {
namespace {

// What an answer's record says of where it was read, from the first of its keys; the rest, which may be large, is not parsed.
class AnswerHead : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string collection;
  std::optional<uint64_t> version;
  int64_t time_us = 0;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return Number(value < 0 ? 0 : static_cast<uint64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Number(value); }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t& value) override {
    if (depth_ == 1 && key_ == "collection") collection = value;
    return !complete();
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ < kMaxDepth; }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return ++depth_ < kMaxDepth; }
  bool end_array() override { return --depth_ >= 0; }
  bool key(string_t& value) override {
    if (depth_ == 1) key_ = value;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  bool complete() const { return !collection.empty() && version.has_value() && time_us != 0; }

 private:
  static constexpr int kMaxDepth = 64;

  bool Number(uint64_t value) {
    if (depth_ != 1) return true;
    if (key_ == "version") version = value;
    if (key_ == "time_us") time_us = static_cast<int64_t>(std::min<uint64_t>(value, INT64_MAX));
    return !complete();
  }

  int depth_ = 0;
  std::string key_;
};

// Adds up pins of the same kind at the same version.
class PinList {
 public:
  void Add(PinKind kind, Version version, std::string name) {
    const auto [at, is_new] = pins_.try_emplace({version, kind});
    if (is_new) {
      at->second = {.kind = kind, .name = std::move(name), .version = version};
    } else {
      ++at->second.count;
    }
  }
  void Put(VersionPin pin) { single_.push_back(std::move(pin)); }
  std::vector<VersionPin> Take() && {
    std::vector<VersionPin> all = std::move(single_);
    for (auto& [key, pin] : pins_) all.push_back(std::move(pin));
    std::stable_sort(all.begin(), all.end(), [](const VersionPin& a, const VersionPin& b) {
      return std::pair(a.version, a.kind) < std::pair(b.version, b.kind);
    });
    return all;
  }

 private:
  std::map<std::pair<Version, PinKind>, VersionPin> pins_;
  std::vector<VersionPin> single_;
};

class PinCollector {
 public:
  PinCollector(Database& database, const CollectionInfo& info, int64_t from_us)
      : store_(database.store()), info_(info), from_us_(from_us) {}

  absl::StatusOr<std::vector<VersionPin>> Run() {
    if (absl::Status status = AddTags(); !status.ok()) return status;
    if (absl::Status status = AddAnswers(); !status.ok()) return status;
    if (absl::Status status = AddEvaluations(); !status.ok()) return status;
    if (absl::Status status = AddMigrations(); !status.ok()) return status;
    return std::move(pins_).Take();
  }

 private:
  // Records name a collection, or an alias that leads to it.
  bool IsOurs(const std::string& name) const {
    if (name == info_.name) return true;
    const absl::StatusOr<CollectionInfo> info = store_.catalog().GetCollection(info_.tenant, name);
    return info.ok() && info->id == info_.id;
  }

  absl::Status AddTags() {
    const absl::StatusOr<std::vector<Tag>> tags = store_.catalog().ListTags(info_.id);
    if (!tags.ok()) return tags.status();
    for (const Tag& tag : *tags) {
      pins_.Put({.kind = PinKind::kTag, .name = tag.name, .version = tag.version});
    }
    return absl::OkStatus();
  }

  absl::Status AddAnswers() {
    return store_.ScanAnswers(info_.tenant, [&](std::string_view id, std::string_view record) {
      AnswerHead head;
      nlohmann::json::sax_parse(record.begin(), record.end(), &head);
      // A record that is not read says nothing of its version, and cannot be asked again.
      if (!head.complete() || head.time_us < from_us_ || !IsOurs(head.collection)) return true;
      pins_.Add(PinKind::kAnswer, Version(*head.version), std::string(id));
      return true;
    });
  }

  absl::Status AddEvaluations() {
    EvaluationStore evaluations(EvaluationRecords::Of(store_), info_.tenant);
    const auto records = evaluations.List(std::numeric_limits<size_t>::max());
    if (!records.ok()) return records.status();
    for (const EvaluationRecord& record : *records) {
      if (record.created_us < from_us_ || !IsOurs(record.collection)) continue;
      pins_.Add(PinKind::kEvaluation, Version(record.version), record.id);
    }
    return absl::OkStatus();
  }

  // A copy that follows needs what was retired since it looked last.
  absl::Status AddMigrations() {
    const absl::StatusOr<std::vector<MigrationRecord>> records = MigrationStore(store_.catalog()).List(info_.tenant);
    if (!records.ok()) return records.status();
    for (const MigrationRecord& record : *records) {
      if (record.source != info_.name) continue;
      if (record.state == MigrationState::kDone || record.state == MigrationState::kRollingBack ||
          record.state == MigrationState::kRolledBack) {
        continue;
      }
      Version synced(0);
      const absl::StatusOr<CollectionInfo> target = store_.catalog().GetCollection(info_.tenant, record.target);
      if (target.ok()) {
        const auto document = store_.GetDocument(target->id, kCopyDocument);
        if (!document.ok()) return document.status();
        if (document->has_value()) {
          const absl::StatusOr<CopyProgress> progress = DecodeCopyProgress(**document);
          if (progress.ok()) synced = progress->synced;
        }
      }
      pins_.Put({.kind = PinKind::kMigration,
                 .name = record.target,
                 .version = std::max(synced, Version(1)),
                 .and_later = true});
    }
    return absl::OkStatus();
  }

  Store& store_;
  const CollectionInfo& info_;
  const int64_t from_us_;
  PinList pins_;
};

}  // namespace

std::string_view PinKindName(PinKind kind) {
  switch (kind) {
    case PinKind::kTag:
      return "tag";
    case PinKind::kAnswer:
      return "answer";
    case PinKind::kEvaluation:
      return "evaluation";
    case PinKind::kMigration:
      return "migration";
  }
  return "unknown";
}

absl::StatusOr<std::vector<VersionPin>> CollectPins(Database& database, const CollectionInfo& info,
                                                    const RetentionPolicy& policy, int64_t now_us) {
  const int64_t from_us = policy.records_us == 0 ? std::numeric_limits<int64_t>::min() : now_us - policy.records_us;
  return PinCollector(database, info, from_us).Run();
}

}  // namespace vouch
