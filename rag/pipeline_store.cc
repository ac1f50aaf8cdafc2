#include "rag/pipeline_store.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "rag/record_reader.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr char kNamesKey[] = "pipelines";
constexpr std::string_view kPipelinesThing = "the list of pipelines";
constexpr size_t kShownNames = 10;

std::string EntryKey(std::string_view name) { return Concat("pipeline/", name); }
std::string VersionKey(std::string_view name, uint64_t number) {
  return Concat("pipeline/", name, "/", number);
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
std::mutex& PipelinesLock() {
  static auto& lock = *new std::mutex();
  return lock;
}

}  // namespace

struct PipelineStore::Entry {
  uint64_t latest = 0;
  Aliases aliases = {};
  std::map<std::string, AliasState, std::less<>> moves = {};  // by alias; `number` is not kept

  static absl::StatusOr<AliasState> ReadMoves(const RecordJson& json, const std::string& where);
  SettingValue ToSetting(std::string_view name) const;
};

absl::StatusOr<PipelineStore::AliasState> PipelineStore::Entry::ReadMoves(
    const RecordJson& json, const std::string& where) {
  AliasState state;
  RecordReader reader(json, where, kPipelinesThing);
  reader.Take("revision", &state.revision);
  reader.TakeList("earlier", &state.earlier,
                  [](const RecordJson& item, const std::string&) -> absl::StatusOr<uint64_t> {
                    if (item.is_number_unsigned()) return item.get<uint64_t>();
                    return absl::DataLossError("the list of pipelines is damaged: no version");
                  });
  reader.TakeList("steps", &state.steps,
                  [](const RecordJson& item, std::string at) -> absl::StatusOr<AliasStep> {
                    AliasStep step;
                    RecordReader fields(item, std::move(at), kPipelinesThing);
                    fields.Take("number", &step.number);
                    fields.Take("since_us", &step.since_us);
                    if (!fields.status().ok()) return fields.status();
                    return step;
                  });
  if (!reader.status().ok()) return reader.status();
  return state;
}

SettingValue PipelineStore::Entry::ToSetting(std::string_view name) const {
  RecordJson numbers = RecordJson::object();
  for (const auto& [alias, number] : aliases) numbers[alias] = number;
  RecordJson histories = RecordJson::object();
  for (const auto& [alias, state] : moves) {
    RecordJson steps = RecordJson::array();
    for (const AliasStep& step : state.steps)
      steps.push_back({{"number", step.number}, {"since_us", step.since_us}});
    histories[alias] = {
        {"revision", state.revision}, {"earlier", state.earlier}, {"steps", std::move(steps)}};
  }
  return {EntryKey(name), DumpRecord({{"format", 1},
                                      {"latest", latest},
                                      {"aliases", std::move(numbers)},
                                      {"moves", std::move(histories)}})};
}

namespace {

SettingValue NamesSetting(const std::vector<std::string>& names) {
  return {kNamesKey, DumpRecord({{"format", 1}, {"names", names}})};
}

AuditDraft DraftOf(std::string_view actor, int64_t time_us, std::string action,
                   std::string_view name) {
  return {.time_us = time_us,
          .actor = std::string(actor),
          .action = std::move(action),
          .subject = Concat("pipeline/", name)};
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PipelineStore::Names(std::string_view tenant) const {
  const auto text = store_.catalog().GetTenantSetting(tenant, kNamesKey);
  if (!text.ok()) return text.status();
  std::vector<std::string> names;
  if (!text->has_value()) return names;
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kPipelinesThing);
  reader.TakeList("names", &names, ReadRecordText);
  if (!reader.status().ok()) return reader.status();
  return names;
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
  const auto text = store_.catalog().GetTenantSetting(tenant, EntryKey(name));
  if (!text.ok()) return text.status();
  Entry entry;
  if (!text->has_value()) return entry;
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kPipelinesThing);
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
  // Earlier programs kept no moves.
  const auto moves = json.find("moves");
  if (moves == json.end() || !moves->is_object()) return entry;
  for (const auto& [alias, move] : moves->items()) {
    absl::StatusOr<AliasState> state = Entry::ReadMoves(move, Concat("moves.", alias, "."));
    if (!state.ok()) return state.status();
    entry.moves.emplace(alias, *std::move(state));
  }
  return entry;
}

absl::StatusOr<std::shared_ptr<const PipelineVersion>> PipelineStore::ReadVersion(
    std::string_view tenant, std::string_view name, uint64_t number) const {
  const auto text = store_.catalog().GetTenantSetting(tenant, VersionKey(name, number));
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
                                                            bool dry_run,
                                                            std::string_view actor) {
  if (absl::Status status = CheckPipeline(spec); !status.ok()) {
    return absl::Status(status.code(),
                        Concat("pipeline '", Escape(spec.name), "': ", ToStd(status.message())));
  }
  const std::lock_guard<std::mutex> lock(PipelinesLock());
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
  JournalChange change;
  AuditDraft draft = DraftOf(actor, clock_.NowMicros(), "pipeline.apply", spec.name);
  if (applied.version.number > entry->latest) {
    change.settings.push_back({VersionKey(spec.name, applied.version.number),
                               DumpRecord({{"format", 1},
                                           {"created_us", applied.version.created_us},
                                           {"hash", applied.version.hash},
                                           {"spec", canonical}})});
    if (entry->latest > 0) draft.before = DumpRecord({{"number", entry->latest}});
    entry->latest = applied.version.number;
    change.settings.push_back(entry->ToSetting(spec.name));
  }
  if (!listed) {
    names->insert(std::lower_bound(names->begin(), names->end(), spec.name), spec.name);
    change.settings.push_back(NamesSetting(*names));
  }
  draft.after = DumpRecord({{"number", applied.version.number}, {"hash", applied.version.hash}});
  change.entries.push_back(std::move(draft));
  const auto kept = Journal::Of(store_).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
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

absl::StatusOr<PipelineStore::AliasState> PipelineStore::GetAlias(std::string_view tenant,
                                                                  std::string_view name,
                                                                  std::string_view alias) const {
  if (!IsAlias(alias)) {
    return absl::InvalidArgumentError(
        Concat("the alias is '", Escape(alias),
               "'; it takes 1 to 255 characters of [A-Za-z0-9._-], not all digits"));
  }
  const absl::StatusOr<bool> listed = Has(tenant, name);
  if (!listed.ok()) return listed.status();
  if (!*listed) return NoSuchName(tenant, name);
  const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  AliasState state;
  if (const auto moves = entry->moves.find(alias); moves != entry->moves.end())
    state = moves->second;
  for (const auto& [there, number] : entry->aliases) {
    if (there == alias) state.number = number;
  }
  return state;
}

absl::StatusOr<std::vector<AuditEntry>> PipelineStore::MoveAlias(std::string_view tenant,
                                                                 std::string_view name,
                                                                 std::string_view alias,
                                                                 const AliasTarget& target,
                                                                 JournalChange also) {
  const std::lock_guard<std::mutex> lock(PipelinesLock());
  absl::StatusOr<AliasState> state = GetAlias(tenant, name, alias);
  if (!state.ok()) return state.status();
  absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  if (state->revision != target.expected_revision) {
    return absl::AbortedError(
        Concat(name, "@", alias, " was moved meanwhile: it is version ", state->number,
               " at revision ", state->revision, ", and this was decided at revision ",
               target.expected_revision, "; look again and try again"));
  }
  if (target.number == 0 || target.number > entry->latest) {
    return absl::NotFoundError(Concat("pipeline ", name, " has no version ", target.number,
                                      "; its versions are 1 to ", entry->latest));
  }
  if (target.back) {
    if (state->earlier.empty() || state->earlier.back() != target.number) {
      return absl::FailedPreconditionError(
          Concat(name, "@", alias, " has no earlier version to go back to"));
    }
    state->earlier.pop_back();
  } else if (state->number != 0) {
    state->earlier.push_back(state->number);
    if (state->earlier.size() > kKeptSteps) state->earlier.erase(state->earlier.begin());
  }
  ++state->revision;
  state->steps.push_back({target.number, clock_.NowMicros()});
  if (state->steps.size() > kKeptSteps) state->steps.erase(state->steps.begin());
  const auto place = std::lower_bound(
      entry->aliases.begin(), entry->aliases.end(), alias,
      [](const auto& entry_alias, std::string_view wanted) { return entry_alias.first < wanted; });
  if (place != entry->aliases.end() && place->first == alias) {
    place->second = target.number;
  } else if (entry->aliases.size() >= kMaxAliases) {
    return absl::ResourceExhaustedError(
        Concat("pipeline ", name, " has ", kMaxAliases, " aliases, which is the limit"));
  } else {
    entry->aliases.emplace(place, std::string(alias), target.number);
  }
  entry->moves[std::string(alias)] = *std::move(state);
  also.settings.push_back(entry->ToSetting(name));
  return Journal::Of(store_).Commit(tenant, also);
}

absl::Status PipelineStore::Remove(std::string_view tenant, std::string_view name,
                                   std::string_view actor) {
  const std::lock_guard<std::mutex> lock(PipelinesLock());
  absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  const auto place = std::lower_bound(names->begin(), names->end(), name);
  if (place == names->end() || *place != name) return NoSuchName(tenant, name);
  names->erase(place);
  absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  AuditDraft draft = DraftOf(actor, clock_.NowMicros(), "pipeline.remove", name);
  RecordJson before = RecordJson::object();
  for (const auto& [alias, number] : entry->aliases) {
    before[alias] = number;
    AliasState& moves = entry->moves[alias];
    moves = {.revision = moves.revision + 1};
  }
  draft.before = DumpRecord({{"number", entry->latest}, {"aliases", std::move(before)}});
  entry->aliases.clear();
  JournalChange change{.settings = {NamesSetting(*names), entry->ToSetting(name)}};
  change.entries.push_back(std::move(draft));
  return Journal::Of(store_).Commit(tenant, change).status();
}

}  // namespace vouch
