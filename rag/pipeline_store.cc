#include "rag/pipeline_store.h"

#include <algorithm>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "rag/record_reader.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr char kNamesKey[] = "pipelines";
constexpr std::string_view kThing = "the list of pipelines";
constexpr size_t kShownNames = 10;

std::string EntryKey(std::string_view name) { return Concat("pipeline/", name); }
std::string VersionKey(std::string_view name, uint64_t number) {
  return Concat("pipeline/", name, "/", number);
}

std::string Dump(const RecordJson& json) {
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

bool IsNumber(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

bool IsAlias(std::string_view text) {
  const auto fits = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 255 && !IsNumber(text) &&
         std::all_of(text.begin(), text.end(), fits);
}

// Changes read what they replace. One process has a store open, so one lock for all of them will do.
std::mutex& WriteLock() {
  static auto& lock = *new std::mutex();
  return lock;
}

}  // namespace

struct PipelineStore::Entry {
  uint64_t latest = 0;
  Aliases aliases = {};
};

absl::StatusOr<std::vector<std::string>> PipelineStore::Names(std::string_view tenant) const {
  const auto text = catalog_.GetTenantSetting(tenant, kNamesKey);
  if (!text.ok()) return text.status();
  std::vector<std::string> names;
  if (!text->has_value()) return names;
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kThing);
  reader.TakeList("names", &names, ReadRecordText);
  if (!reader.status().ok()) return reader.status();
  return names;
}

absl::Status PipelineStore::WriteNames(std::string_view tenant,
                                       const std::vector<std::string>& names) {
  return catalog_.PutTenantSetting(tenant, kNamesKey, Dump({{"format", 1}, {"names", names}}));
}

absl::StatusOr<bool> PipelineStore::Has(std::string_view tenant, std::string_view name) const {
  const absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  return std::binary_search(names->begin(), names->end(), name);
}

absl::Status PipelineStore::NoSuchName(std::string_view tenant, std::string_view name) const {
  const absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  std::string there;
  for (size_t i = 0; i < names->size() && i < kShownNames; ++i)
    there += Concat(i == 0 ? "" : ", ", (*names)[i]);
  if (names->size() > kShownNames) there += Concat(" and ", names->size() - kShownNames, " more");
  return absl::NotFoundError(Concat("there is no pipeline '", Escape(name), "'; ",
                                    there.empty() ? "none was applied yet"
                                                  : Concat("there are ", there)));
}

absl::StatusOr<PipelineStore::Entry> PipelineStore::ReadEntry(std::string_view tenant,
                                                              std::string_view name) const {
  const auto text = catalog_.GetTenantSetting(tenant, EntryKey(name));
  if (!text.ok()) return text.status();
  Entry entry;
  if (!text->has_value()) return entry;
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kThing);
  reader.Take("latest", &entry.latest);
  if (!reader.status().ok()) return reader.status();
  const auto aliases = json.find("aliases");
  if (aliases == json.end() || !aliases->is_object())
    return absl::DataLossError("the list of pipelines is damaged: aliases is no object");
  for (const auto& [alias, number] : aliases->items()) {
    if (!number.is_number_unsigned())
      return absl::DataLossError("the list of pipelines is damaged: an alias names no number");
    entry.aliases.emplace_back(alias, number.get<uint64_t>());
  }
  return entry;
}

absl::Status PipelineStore::WriteEntry(std::string_view tenant, std::string_view name,
                                       const Entry& entry) {
  RecordJson aliases = RecordJson::object();
  for (const auto& [alias, number] : entry.aliases) aliases[alias] = number;
  return catalog_.PutTenantSetting(
      tenant, EntryKey(name),
      Dump({{"format", 1}, {"latest", entry.latest}, {"aliases", std::move(aliases)}}));
}

absl::StatusOr<std::shared_ptr<const PipelineVersion>> PipelineStore::ReadVersion(
    std::string_view tenant, std::string_view name, uint64_t number) const {
  const auto text = catalog_.GetTenantSetting(tenant, VersionKey(name, number));
  if (!text.ok()) return text.status();
  if (!text->has_value()) {
    return absl::NotFoundError(Concat("pipeline ", name, " has no version ", number));
  }
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the pipeline's version");
  auto version = std::make_shared<PipelineVersion>();
  std::string canonical;
  reader.Take("created_us", &version->created_us);
  reader.Take("hash", &version->hash);
  reader.Take("spec", &canonical);
  if (!reader.status().ok()) return reader.status();
  if (ContentHash(canonical) != version->hash) {
    return absl::DataLossError(
        Concat("version ", number, " of pipeline ", name, " is damaged: its hash does not fit"));
  }
  absl::StatusOr<PipelineSpec> spec = PipelineFromJson(canonical);
  if (!spec.ok()) return spec.status();
  version->spec = *std::move(spec);
  version->number = number;
  return version;
}

absl::StatusOr<PipelineStore::Applied> PipelineStore::Apply(std::string_view tenant,
                                                            const PipelineSpec& spec,
                                                            bool dry_run) {
  if (absl::Status status = CheckPipeline(spec); !status.ok()) {
    return absl::Status(status.code(),
                        Concat("pipeline '", Escape(spec.name), "': ", ToStd(status.message())));
  }
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  absl::StatusOr<Entry> entry = ReadEntry(tenant, spec.name);
  if (!entry.ok()) return entry.status();
  const std::string canonical = PipelineToJson(spec);
  const bool listed = std::binary_search(names->begin(), names->end(), spec.name);
  Applied applied{.version = {.spec = spec,
                              .number = entry->latest + 1,
                              .hash = ContentHash(canonical),
                              .created_us = clock_.NowMicros()},
                  .changed = true};
  if (entry->latest > 0) {
    const auto latest = ReadVersion(tenant, spec.name, entry->latest);
    if (!latest.ok()) return latest.status();
    if (listed) applied.previous = PipelineToJson((*latest)->spec);
    if ((*latest)->hash == applied.version.hash) {
      applied.version = **latest;
      applied.changed = !listed;
    }
  }
  if (dry_run || !applied.changed) return applied;
  if (!listed && names->size() >= kMaxPipelines) {
    return absl::ResourceExhaustedError(
        Concat("there are ", names->size(), " pipelines, which is the limit"));
  }
  if (applied.version.number > kMaxVersions) {
    return absl::ResourceExhaustedError(
        Concat("pipeline ", spec.name, " has ", kMaxVersions, " versions, which is the limit"));
  }
  // The version first: a name or a number that is read afterwards finds it.
  if (applied.version.number > entry->latest) {
    absl::Status status = catalog_.PutTenantSetting(
        tenant, VersionKey(spec.name, applied.version.number),
        Dump({{"format", 1},
              {"created_us", applied.version.created_us},
              {"hash", applied.version.hash},
              {"spec", canonical}}));
    if (!status.ok()) return status;
    entry->latest = applied.version.number;
    if (status = WriteEntry(tenant, spec.name, *entry); !status.ok()) return status;
  }
  if (listed) return applied;
  names->insert(std::lower_bound(names->begin(), names->end(), spec.name), spec.name);
  if (absl::Status status = WriteNames(tenant, *names); !status.ok()) return status;
  return applied;
}

absl::StatusOr<std::shared_ptr<const PipelineVersion>> PipelineStore::Get(
    std::string_view tenant, std::string_view reference) const {
  const size_t at = reference.find('@');
  const std::string_view name = reference.substr(0, at);
  const std::string_view which = at == std::string_view::npos ? "" : reference.substr(at + 1);
  const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  if (IsNumber(which)) {
    uint64_t number = 0;
    const bool fits = absl::SimpleAtoi(ToAbsl(which), &number) && number >= 1 &&
                      number <= entry->latest;
    if (entry->latest == 0) return NoSuchName(tenant, name);
    if (fits) return ReadVersion(tenant, name, number);
    return absl::NotFoundError(Concat("pipeline ", name, " has no version ", Escape(which),
                                      "; its versions are 1 to ", entry->latest));
  }
  const absl::StatusOr<bool> listed = Has(tenant, name);
  if (!listed.ok()) return listed.status();
  if (!*listed || entry->latest == 0) return NoSuchName(tenant, name);
  if (at == std::string_view::npos) return ReadVersion(tenant, name, entry->latest);
  std::string there;
  for (const auto& [alias, number] : entry->aliases) {
    if (alias == which) return ReadVersion(tenant, name, number);
    there += Concat(there.empty() ? "" : ", ", alias);
  }
  return absl::NotFoundError(Concat("pipeline ", name, " has no alias '", Escape(which), "'; ",
                                    there.empty() ? "it has none" : Concat("it has ", there)));
}

absl::StatusOr<PipelineStore::Aliases> PipelineStore::AliasesOf(std::string_view tenant,
                                                                std::string_view name) const {
  const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  return entry->aliases;
}

absl::Status PipelineStore::SetAlias(std::string_view tenant, std::string_view name,
                                     std::string_view alias, uint64_t number) {
  if (!IsAlias(alias)) {
    return absl::InvalidArgumentError(
        Concat("the alias is '", Escape(alias),
               "'; it takes 1 to 255 characters of [A-Za-z0-9._-], not all digits"));
  }
  const std::lock_guard<std::mutex> lock(WriteLock());
  const absl::StatusOr<bool> listed = Has(tenant, name);
  if (!listed.ok()) return listed.status();
  if (!*listed) return NoSuchName(tenant, name);
  absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  if (number == 0) number = entry->latest;
  if (number > entry->latest) {
    return absl::NotFoundError(Concat("pipeline ", name, " has no version ", number,
                                      "; its versions are 1 to ", entry->latest));
  }
  const auto place = std::lower_bound(
      entry->aliases.begin(), entry->aliases.end(), alias,
      [](const auto& entry_alias, std::string_view wanted) { return entry_alias.first < wanted; });
  if (place != entry->aliases.end() && place->first == alias) {
    place->second = number;
  } else if (entry->aliases.size() >= kMaxAliases) {
    return absl::ResourceExhaustedError(
        Concat("pipeline ", name, " has ", kMaxAliases, " aliases, which is the limit"));
  } else {
    entry->aliases.emplace(place, std::string(alias), number);
  }
  return WriteEntry(tenant, name, *entry);
}

absl::Status PipelineStore::Remove(std::string_view tenant, std::string_view name) {
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  const auto place = std::lower_bound(names->begin(), names->end(), name);
  if (place == names->end() || *place != name) return NoSuchName(tenant, name);
  names->erase(place);
  // The name first: aliases of a name that is not listed are not looked at, and go with the next line.
  if (absl::Status status = WriteNames(tenant, *names); !status.ok()) return status;
  absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  entry->aliases.clear();
  return WriteEntry(tenant, name, *entry);
}

}  // namespace vouch
