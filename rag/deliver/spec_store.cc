#include "rag/deliver/spec_store.h"

#include <algorithm>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

constexpr std::string_view kSpecThing = "the specification";

std::string EntryName(std::string_view kind, std::string_view name) {
  return Concat("spec/", kind, "/", name);
}
std::string VersionName(std::string_view kind, std::string_view name, uint64_t number) {
  return Concat("spec-version/", kind, "/", name, "/", absl::StrFormat("%08u", number));
}

// One process has a store open; changes read what they replace.
std::mutex& WriteLock() {
  static auto& lock = *new std::mutex();
  return lock;
}

}  // namespace

absl::Status SpecStore::CheckName(std::string_view name) {
  const auto fits = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameBytes &&
      std::all_of(name.begin(), name.end(), fits) && name.front() != '.' && name.front() != '-') {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      Concat("name is '", Escape(name), "'; it takes 1 to ", kMaxNameBytes,
             " characters of [A-Za-z0-9._-], not starting with '.' or '-'"));
}

absl::StatusOr<SpecStore::Entry> SpecStore::ReadEntry(std::string_view tenant,
                                                      std::string_view name) const {
  const auto text = Journal::Of(store_).GetJournalRecord(tenant, EntryName(kind_, name));
  if (!text.ok()) return text.status();
  Entry entry;
  if (!text->has_value()) return entry;
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kSpecThing);
  reader.Take("latest", &entry.latest);
  reader.Take("listed", &entry.listed);
  if (!reader.status().ok()) return reader.status();
  return entry;
}

absl::StatusOr<SpecVersion> SpecStore::ReadVersion(std::string_view tenant, std::string_view name,
                                                   uint64_t number) const {
  const auto text = Journal::Of(store_).GetJournalRecord(tenant, VersionName(kind_, name, number));
  if (!text.ok()) return text.status();
  if (!text->has_value())
    return absl::NotFoundError(Concat(kind_, " ", Escape(name), " has no version ", number));
  const RecordJson json = RecordJson::parse(**text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", kSpecThing);
  SpecVersion version{.name = std::string(name), .number = number};
  reader.Take("created_us", &version.created_us);
  reader.Take("hash", &version.hash);
  reader.Take("spec", &version.canonical);
  if (!reader.status().ok()) return reader.status();
  if (ContentHash(version.canonical) != version.hash) {
    return absl::DataLossError(Concat("version ", number, " of ", kind_, " ", Escape(name),
                                      " is damaged: its hash does not fit"));
  }
  return version;
}

absl::StatusOr<std::vector<std::string>> SpecStore::NamesEver(std::string_view tenant) const {
  std::vector<std::string> names;
  const std::string prefix = EntryName(kind_, "");
  const absl::Status scanned = Journal::Of(store_).ScanJournalRecords(
      tenant, prefix, [&](std::string_view record, std::string_view) {
        names.emplace_back(record.substr(prefix.size()));
        return true;
      });
  if (!scanned.ok()) return scanned;
  return names;
}

absl::StatusOr<std::vector<std::string>> SpecStore::Names(std::string_view tenant) const {
  const absl::StatusOr<std::vector<std::string>> names = NamesEver(tenant);
  if (!names.ok()) return names.status();
  std::vector<std::string> listed;
  for (const std::string& name : *names) {
    const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
    if (!entry.ok()) return entry.status();
    if (entry->listed) listed.push_back(name);
  }
  return listed;
}

absl::Status SpecStore::NoSuchName(std::string_view tenant, std::string_view name) const {
  absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  constexpr size_t kShown = 10;
  const bool more = names->size() > kShown;
  if (more) names->resize(kShown);
  return absl::NotFoundError(Concat(
      "there is no ", kind_, " '", Escape(name), "'; ",
      names->empty() ? Concat("none was applied yet: `vouch apply -f FILE` makes one")
                     : Concat("there are ", absl::StrJoin(*names, ", "), more ? ", …" : "")));
}

absl::StatusOr<SpecStore::Applied> SpecStore::Apply(std::string_view tenant,
                                                    const std::string& name,
                                                    const std::string& canonical, bool dry_run,
                                                    std::string_view actor) {
  if (absl::Status status = CheckName(name); !status.ok()) return status;
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  Applied applied{.version = {.name = name,
                              .number = entry->latest + 1,
                              .hash = ContentHash(canonical),
                              .created_us = clock_.NowMicros(),
                              .canonical = canonical},
                  .changed = true};
  AuditDraft draft{.time_us = applied.version.created_us,
                   .actor = std::string(actor),
                   .action = Concat(kind_, ".apply"),
                   .subject = Concat(kind_, "/", name)};
  if (entry->latest > 0) {
    absl::StatusOr<SpecVersion> latest = ReadVersion(tenant, name, entry->latest);
    if (!latest.ok()) return latest.status();
    if (entry->listed) draft.before = applied.previous = latest->canonical;
    if (latest->hash == applied.version.hash) {
      applied.version = *std::move(latest);
      applied.changed = !entry->listed;
    }
  }
  if (dry_run || !applied.changed) return applied;
  absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  if (!entry->listed && names->size() >= kMaxNames)
    return absl::ResourceExhaustedError(
        Concat("there are ", kMaxNames, " of ", kind_, ", which is the limit"));
  if (applied.version.number > kMaxVersions)
    return absl::ResourceExhaustedError(
        Concat(kind_, " ", name, " has ", kMaxVersions, " versions, which is the limit"));
  JournalChange change;
  if (applied.version.number > entry->latest) {
    change.records.push_back({VersionName(kind_, name, applied.version.number),
                              DumpRecord({{"format", 1},
                                          {"created_us", applied.version.created_us},
                                          {"hash", applied.version.hash},
                                          {"spec", canonical}})});
  }
  change.records.push_back(
      {EntryName(kind_, name),
       DumpRecord({{"format", 1}, {"latest", applied.version.number}, {"listed", true}})});
  draft.after = canonical;
  change.entries.push_back(std::move(draft));
  const auto kept = Journal::Of(store_).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  return applied;
}

absl::StatusOr<SpecVersion> SpecStore::Get(std::string_view tenant,
                                           std::string_view reference) const {
  const size_t at = reference.find('@');
  const std::string_view name = reference.substr(0, at);
  const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  if (entry->latest == 0) return NoSuchName(tenant, name);
  if (at == std::string_view::npos) {
    if (!entry->listed) return NoSuchName(tenant, name);
    return ReadVersion(tenant, name, entry->latest);
  }
  const std::string_view which = reference.substr(at + 1);
  uint64_t number = 0;
  if (!absl::SimpleAtoi(ToAbsl(which), &number) || number == 0 || number > entry->latest) {
    return absl::NotFoundError(Concat(kind_, " ", Escape(name), " has no version '", Escape(which),
                                      "'; its versions are 1 to ", entry->latest));
  }
  return ReadVersion(tenant, name, number);
}

absl::StatusOr<std::vector<SpecVersion>> SpecStore::List(std::string_view tenant) const {
  const absl::StatusOr<std::vector<std::string>> names = Names(tenant);
  if (!names.ok()) return names.status();
  std::vector<SpecVersion> versions;
  for (const std::string& name : *names) {
    absl::StatusOr<SpecVersion> version = Get(tenant, name);
    if (absl::IsNotFound(version.status())) continue;  // removed meanwhile
    if (!version.ok()) return version.status();
    versions.push_back(*std::move(version));
  }
  return versions;
}

absl::StatusOr<std::vector<SpecVersion>> SpecStore::ListReadable(std::string_view tenant,
                                                                 const Unread& unread) const {
  const absl::StatusOr<std::vector<std::string>> names = NamesEver(tenant);
  if (!names.ok()) return names.status();
  std::vector<SpecVersion> versions;
  for (const std::string& name : *names) {
    const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
    if (entry.ok() && !entry->listed) continue;
    absl::StatusOr<SpecVersion> version =
        entry.ok() ? ReadVersion(tenant, name, entry->latest) : absl::StatusOr<SpecVersion>(entry.status());
    if (version.ok()) {
      versions.push_back(*std::move(version));
    } else {
      unread(name, version.status());
    }
  }
  return versions;
}

absl::Status SpecStore::Remove(std::string_view tenant, const std::string& name,
                               std::string_view actor) {
  const std::lock_guard<std::mutex> lock(WriteLock());
  const absl::StatusOr<Entry> entry = ReadEntry(tenant, name);
  if (!entry.ok()) return entry.status();
  if (!entry->listed) return NoSuchName(tenant, name);
  const absl::StatusOr<SpecVersion> latest = ReadVersion(tenant, name, entry->latest);
  if (!latest.ok() && !absl::IsDataLoss(latest.status())) return latest.status();
  JournalChange change;
  change.records.push_back({EntryName(kind_, name),
                            DumpRecord({{"format", 1}, {"latest", entry->latest}, {"listed", false}})});
  change.entries.push_back({.time_us = clock_.NowMicros(),
                            .actor = std::string(actor),
                            .action = Concat(kind_, ".remove"),
                            .subject = Concat(kind_, "/", name),
                            .before = latest.ok() ? latest->canonical : std::string()});
  return Journal::Of(store_).Commit(tenant, change).status();
}

}  // namespace vouch
