// CollectionImpl's versions: named by number, tag or time, and those of them that retention keeps.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "query/collection_impl.h"
#include "query/hold_version.h"
#include "query/tag_name.h"
#include "storage/duration_text.h"

namespace vouch {
namespace {

constexpr size_t kMaxListedTags = 10;

// "keep 10 versions and 30d of history"
std::string PolicyWords(const RetentionPolicy& policy) {
  if (policy.keeps_all()) return "keeps all from there on";
  std::string words = "keeps ";
  if (policy.versions > 0) absl::StrAppend(&words, "the last ", policy.versions, policy.versions == 1 ? " version" : " versions");
  if (policy.versions > 0 && policy.history_us > 0) words += " and ";
  if (policy.history_us > 0) absl::StrAppend(&words, FormatDurationText(policy.history_us), " of history");
  return words;
}

absl::Status LetGoError(const std::string& name, Version version, const RetentionState& retention,
                        const RetentionPolicy& policy) {
  std::string kept;
  for (size_t i = 0; i < std::min(retention.kept.size(), kMaxListedTags); ++i) {
    absl::StrAppend(&kept, i == 0 ? "; older ones that pins keep: " : ", ", retention.kept[i].value);
  }
  if (retention.kept.size() > kMaxListedTags) {
    absl::StrAppend(&kept, " and ", retention.kept.size() - kMaxListedTags, " more");
  }
  return absl::OutOfRangeError(absl::StrCat("version ", version.value, " of collection '", name,
                                            "' was let go: the oldest version kept is ", retention.oldest().value,
                                            " (its retention ", PolicyWords(policy), ")", kept));
}

}  // namespace

absl::Status CollectionImpl::CheckReadable(const Latest& latest, Version version) const {
  if (version == latest.version) return absl::OkStatus();
  const absl::StatusOr<RetentionState> retention = deps_.store->GetRetention(id_);
  if (!retention.ok()) return retention.status();
  if (retention->IsReadable(version)) return absl::OkStatus();
  return LetGoError(name_, version, *retention, latest.schema->info.schema.retention);
}

absl::StatusOr<std::shared_ptr<const void>> CollectionImpl::Hold(const Latest& latest, Version version) const {
  if (version == latest.version) return latest.hold;
  std::shared_ptr<const void> hold = leases_->Take(version);
  if (absl::Status status = CheckReadable(latest, version); !status.ok()) return status;
  return hold;
}

absl::StatusOr<std::shared_ptr<const void>> CollectionImpl::HoldVersion(Version version) const {
  const std::lock_guard lock(holds_mu_);
  std::shared_ptr<const void> hold = holds_->Take(version);
  if (absl::Status status = Resolve(ReadAt{version}).status(); !status.ok()) return status;
  return hold;
}

absl::StatusOr<std::shared_ptr<const void>> HoldVersion(const Collection& collection, Version version) {
  return static_cast<const CollectionImpl&>(collection).HoldVersion(version);  // the only kind of collection there is
}

absl::StatusOr<Version> CollectionImpl::ResolveFrom(const Latest& latest, const ReadAt& at) const {
  absl::StatusOr<Version> version = FindVersion(latest, at);
  if (!version.ok()) return version;
  if (absl::Status status = CheckReadable(latest, *version); !status.ok()) return status;
  return version;
}

absl::StatusOr<Version> CollectionImpl::FindVersion(const Latest& latest, const ReadAt& at) const {
  if (std::holds_alternative<ReadAt::Latest>(at.at)) return latest.version;
  if (const auto* version = std::get_if<Version>(&at.at)) {
    if (*version <= latest.version) return *version;
    return absl::OutOfRangeError(absl::StrCat("version ", version->value, " of collection '",
                                              name_, "' is not committed yet; the latest is ",
                                              latest.version.value));
  }
  if (const auto* time = std::get_if<ReadAt::AtTime>(&at.at)) {
    absl::StatusOr<Version> version = deps_.store->FindVersionAt(id_, time->time_us);
    // A commit that is durable and not yet applied is not yet there for readers.
    return version.ok() ? std::min(*version, latest.version) : version;
  }
  const std::string& name = std::get<std::string>(at.at);
  const absl::StatusOr<Tag> tag = deps_.store->catalog().GetTag(id_, name);
  if (tag.ok()) return tag->version;
  if (!absl::IsNotFound(tag.status())) return tag.status();
  const absl::StatusOr<std::vector<Tag>> tags = deps_.store->catalog().ListTags(id_);
  if (!tags.ok()) return tags.status();
  std::string known;
  for (size_t i = 0; i < std::min(tags->size(), kMaxListedTags); ++i) {
    absl::StrAppend(&known, i == 0 ? "; there are: " : ", ", (*tags)[i].name);
  }
  if (tags->size() > kMaxListedTags) {
    absl::StrAppend(&known, " and ", tags->size() - kMaxListedTags, " more");
  }
  return absl::NotFoundError(absl::StrCat("collection '", name_, "' has no tag '", name, "'",
                                          tags->empty() ? "; it has none" : known));
}

absl::StatusOr<IndexReader> CollectionImpl::ReadAtVersion(const Latest& latest,
                                                          Version version) const {
  if (version > latest.version) {
    const absl::StatusOr<Version> known = ResolveFrom(latest, ReadAt{version});
    if (!known.ok()) return known.status();
  }
  absl::StatusOr<std::shared_ptr<const void>> hold = Hold(latest, version);
  if (!hold.ok()) return hold.status();
  const absl::StatusOr<uint64_t> rows = RowsAt(latest, version);
  if (!rows.ok()) return rows.status();
  return latest.index->Read(version, *rows, *std::move(hold));
}

absl::StatusOr<uint64_t> CollectionImpl::RowsAt(const Latest& latest, Version version) const {
  if (version == latest.version) return latest.rows;
  if (version == Version(0)) return uint64_t{0};
  const absl::StatusOr<CommitHeader> header = deps_.store->GetCommit(id_, version);
  if (!header.ok()) return header.status();
  return header->rows_end().value;
}

absl::StatusOr<Version> CollectionImpl::Resolve(const ReadAt& at) const {
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  absl::StatusOr<Version> version = ResolveFrom(*latest, at);
  return version.ok() ? version : Explained(version.status());
}

absl::StatusOr<std::vector<CommitHeader>> CollectionImpl::Versions(Version first, Version last,
                                                                   size_t limit) const {
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  first = std::max(first, Version(1));
  last = std::min(last, latest->version);
  if (first > last || limit == 0) return std::vector<CommitHeader>();
  absl::StatusOr<std::vector<CommitHeader>> commits = deps_.store->ListCommits(
      id_, first, last, std::min<size_t>(limit, QueryLimits::kMaxLimit));
  return commits.ok() ? std::move(commits) : Explained(commits.status());
}

absl::StatusOr<Tag> CollectionImpl::CreateTag(std::string_view name, const ReadAt& at) {
  if (absl::Status status = CheckTagName(name); !status.ok()) return status;
  const absl::StatusOr<Version> version = Resolve(at);
  if (!version.ok()) return version.status();
  absl::StatusOr<Tag> tag =
      deps_.store->catalog().CreateTag(id_, name, *version, deps_.clock->NowMicros());
  return tag.ok() ? std::move(tag) : Explained(tag.status());
}

absl::StatusOr<std::vector<Tag>> CollectionImpl::ListTags() const {
  if (const absl::StatusOr<Latest> open = Take(); !open.ok()) return open.status();
  return deps_.store->catalog().ListTags(id_);
}

absl::Status CollectionImpl::DeleteTag(std::string_view name) {
  if (const absl::StatusOr<Latest> open = Take(); !open.ok()) return open.status();
  return deps_.store->catalog().DeleteTag(id_, name);
}

}  // namespace vouch
