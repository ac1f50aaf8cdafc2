#include "rag/deliver/tag_change.h"

#include <algorithm>

#include "query/tag_name.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

std::string SubjectOf(const Collection& collection) {
  return Concat("collection/", collection.info().name);
}

// A version of 0: the tag goes.
absl::Status Change(Database& database, Collection& collection, const std::string& name,
                    Version version, const TagAuthor& author) {
  const bool made = version != Version(0);
  const std::string& tenant = author.principal.tenant;
  const std::string actor = Concat(tenant, "/", author.principal.subject);
  const std::string subject = SubjectOf(collection);
  RecordJson state = {{"tag", name}};
  if (made) state["version"] = version.value;
  RecordJson asked = state;
  asked["action"] = made ? "create" : "delete";
  asked["actor"] = actor;
  absl::Status allowed = AskHooks(
      author.hooks,
      BeforeEvent(tenant, "before.tag", subject, DumpRecord(asked), database.clock().NowMicros()),
      author.cancel);
  if (!allowed.ok()) return allowed;
  AuditDraft draft{.time_us = database.clock().NowMicros(),
                   .actor = actor,
                   .action = made ? "tag.create" : "tag.delete",
                   .subject = subject};
  (made ? draft.after : draft.before) = DumpRecord(state);
  JournalChange change;
  change.tag = TagChange{collection.info().id, name, version};
  change.entries.push_back(std::move(draft));
  return Journal::Of(database.store()).Commit(tenant, change).status();
}

}  // namespace

absl::StatusOr<Tag> CreateTagOnRecord(Database& database, Collection& collection,
                                      const std::string& name, const ReadAt& at,
                                      const TagAuthor& author) {
  if (absl::Status status = CheckTagName(name); !status.ok()) return status;
  const absl::StatusOr<Version> version = collection.Resolve(at);
  if (!version.ok()) return version.status();
  const auto find = [&]() -> absl::StatusOr<Tag> {
    return database.store().catalog().GetTag(collection.info().id, name);
  };
  const absl::StatusOr<Tag> there = find();
  if (there.ok() && there->version == *version) return there;  // nothing changes
  absl::Status status = Change(database, collection, name, *version, author);
  if (!status.ok()) return status;
  return find();
}

absl::Status DeleteTagOnRecord(Database& database, Collection& collection, const std::string& name,
                               const TagAuthor& author) {
  const absl::StatusOr<Tag> there = database.store().catalog().GetTag(collection.info().id, name);
  if (!there.ok()) return there.status();
  return Change(database, collection, name, Version(0), author);
}

}  // namespace vouch
