#include "rag/migrate/migration_record.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>

#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr char kKey[] = "migrations";
constexpr std::string_view kThing = "the list of migrations";
constexpr std::string_view kStates[] = {"building", "ready",        "refused",    "switching",
                                        "done",     "rolling-back", "rolled-back"};

RecordJson ToJson(const MigrationRecord& record) {
  const SpaceComparison& found = record.comparison;
  return {{"source", record.source},
          {"target", record.target},
          {"field", record.field},
          {"old_embedder", record.old_embedder},
          {"embedder", record.embedder},
          {"state", MigrationStateName(record.state)},
          {"aliases", record.aliases},
          {"comparison",
           {{"questions", found.questions},
            {"origin", found.origin},
            {"k", found.k},
            {"overlap", found.overlap},
            {"rank_agreement", found.rank_agreement},
            {"judged", found.judged},
            {"ndcg_old", found.ndcg_old},
            {"ndcg_new", found.ndcg_new}}},
          {"reason", record.reason},
          {"source_version", record.source_version},
          {"created_us", record.created_us},
          {"changed_us", record.changed_us}};
}

absl::StatusOr<SpaceComparison> ReadComparison(const RecordJson& json, std::string where) {
  SpaceComparison found;
  RecordReader reader(json, std::move(where), kThing);
  reader.Take("questions", &found.questions);
  reader.Take("origin", &found.origin);
  reader.Take("k", &found.k);
  reader.Take("overlap", &found.overlap);
  reader.Take("rank_agreement", &found.rank_agreement);
  reader.Take("judged", &found.judged);
  reader.Take("ndcg_old", &found.ndcg_old);
  reader.Take("ndcg_new", &found.ndcg_new);
  if (!reader.status().ok()) return reader.status();
  return found;
}

absl::StatusOr<MigrationRecord> ReadRecord(const RecordJson& json, std::string where) {
  MigrationRecord record;
  std::string state;
  RecordReader reader(json, where, kThing);
  reader.Take("source", &record.source);
  reader.Take("target", &record.target);
  reader.Take("field", &record.field);
  reader.Take("old_embedder", &record.old_embedder);
  reader.Take("embedder", &record.embedder);
  reader.Take("state", &state);
  reader.TakeList("aliases", &record.aliases, ReadRecordText);
  reader.TakeObject("comparison", &record.comparison, ReadComparison);
  reader.Take("reason", &record.reason);
  reader.Take("source_version", &record.source_version);
  reader.Take("created_us", &record.created_us);
  reader.Take("changed_us", &record.changed_us);
  if (!reader.status().ok()) return reader.status();
  const auto known = std::find(std::begin(kStates), std::end(kStates), state);
  if (known == std::end(kStates)) {
    return absl::DataLossError(
        Concat(kThing, " is damaged: ", where, "state is \"", Escape(state), "\""));
  }
  record.state = static_cast<MigrationState>(known - std::begin(kStates));
  return record;
}

// Changes read what they replace. One process has a store open, so one lock for all of them will do.
std::mutex& WriteLock() {
  static auto& lock = *new std::mutex();
  return lock;
}

}  // namespace

std::string_view MigrationStateName(MigrationState state) {
  return kStates[static_cast<size_t>(state)];
}

std::string EncodeMigrations(const std::vector<MigrationRecord>& records) {
  RecordJson list = RecordJson::array();
  for (const MigrationRecord& record : records) list.push_back(ToJson(record));
  const RecordJson json = {{"format", 1}, {"migrations", std::move(list)}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<std::vector<MigrationRecord>> DecodeMigrations(std::string_view json) {
  const RecordJson parsed = RecordJson::parse(json, nullptr, /*allow_exceptions=*/false);
  std::vector<MigrationRecord> records;
  uint64_t format = 0;
  RecordReader reader(parsed, "", kThing);
  if (!reader.status().ok()) return reader.status();
  reader.Take("format", &format);
  reader.TakeList("migrations", &records, ReadRecord);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::DataLossError(Concat(kThing, " has format ", format, "; this program reads 1"));
  }
  return records;
}

absl::StatusOr<std::vector<MigrationRecord>> MigrationStore::List(std::string_view tenant) const {
  const auto text = catalog_.GetTenantSetting(tenant, kKey);
  if (!text.ok()) return text.status();
  if (!text->has_value()) return std::vector<MigrationRecord>();
  return DecodeMigrations(**text);
}

absl::Status MigrationStore::Put(std::string_view tenant, const MigrationRecord& record) {
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<std::vector<MigrationRecord>> records = List(tenant);
  if (!records.ok()) return records.status();
  const auto place = std::lower_bound(
      records->begin(), records->end(), record.source,
      [](const MigrationRecord& entry, const std::string& name) { return entry.source < name; });
  if (place != records->end() && place->source == record.source) {
    *place = record;
  } else if (records->size() >= kMaxMigrations) {
    return absl::ResourceExhaustedError(
        Concat("there are ", records->size(), " migrations, which is the limit; cancel or drop old ones"));
  } else {
    records->insert(place, record);
  }
  return catalog_.PutTenantSetting(tenant, kKey, EncodeMigrations(*records));
}

absl::Status MigrationStore::Remove(std::string_view tenant, std::string_view source) {
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<std::vector<MigrationRecord>> records = List(tenant);
  if (!records.ok()) return records.status();
  std::erase_if(*records, [&](const MigrationRecord& record) { return record.source == source; });
  return catalog_.PutTenantSetting(tenant, kKey, EncodeMigrations(*records));
}

}  // namespace vouch
