#include "storage/local_commit_log.h"

#include <rocksdb/write_batch.h>

#include <utility>

#include "storage/rocks.h"

namespace vouch {

absl::StatusOr<CommitResult> LocalCommitLog::Commit(CommitRequest request) {
  PendingCommit commit;
  commit.request = std::move(request);
  auto entry = directory_.Find(commit.request.collection);
  if (!entry.ok()) return entry.status();
  commit.entry = *std::move(entry);
  if (auto s = CommitGroup::CheckSchema(commit.request, *commit.entry); !s.ok()) return s;
  auto prepared = PrepareCommit(commit.request, *commit.entry);
  if (!prepared.ok()) return prepared.status();
  commit.prepared = *std::move(prepared);
  Waiter waiter;
  waiter.commit = &commit;
  Run(waiter);
  return std::move(commit.result);
}

absl::Status LocalCommitLog::RunExclusive(const std::function<absl::Status()>& work) {
  Waiter waiter;
  waiter.exclusive = &work;
  Run(waiter);
  return waiter.exclusive_status;
}

void LocalCommitLog::TellListener(const DurableCommit& commit) {
  CommitListener* listener = nullptr;
  {
    std::lock_guard lock(mu_);
    listener = listener_;
  }
  if (listener != nullptr) listener->OnCommits(std::span(&commit, 1));
}

void LocalCommitLog::SetListener(CommitListener* listener) {
  std::lock_guard lock(mu_);
  listener_ = listener;
}

CommitLogStats LocalCommitLog::Stats() const {
  std::lock_guard lock(mu_);
  return stats_;
}

void LocalCommitLog::Run(Waiter& waiter) {
  std::unique_lock lock(mu_);
  queue_.push_back(&waiter);
  while (!waiter.done && (writing_ || queue_.front() != &waiter)) waiter.turn.wait(lock);
  if (waiter.done) return;
  writing_ = true;
  const std::vector<Waiter*> group = TakeGroup();
  CommitListener* const listener = listener_;
  bool written = false;
  if (waiter.exclusive != nullptr) {
    applied_more_.wait(lock, [this] { return groups_applied_ == groups_written_; });
    lock.unlock();
    waiter.exclusive_status = (*waiter.exclusive)();
  } else {
    lock.unlock();
    written = WriteGroup(group);
  }
  lock.lock();
  writing_ = false;
  if (!queue_.empty()) queue_.front()->turn.notify_one();
  const uint64_t turn = groups_written_++;
  if (written) {
    ++stats_.syncs;
    for (const Waiter* member : group) stats_.commits += member->commit->is_new ? 1 : 0;
  }
  // A group without a new commit takes its turn as well: what it tells may be a commit that is not applied yet.
  applied_more_.wait(lock, [&] { return groups_applied_ == turn; });
  if (written && listener != nullptr) {
    lock.unlock();
    Apply(group, *listener);
    lock.lock();
  }
  ++groups_applied_;
  applied_more_.notify_all();
  for (Waiter* member : group) {
    member->done = true;
    if (member != &waiter) member->turn.notify_one();
  }
}

std::vector<LocalCommitLog::Waiter*> LocalCommitLog::TakeGroup() {
  std::vector<Waiter*> group;
  size_t bytes = 0;
  while (!queue_.empty() && group.size() < kMaxGroupCommits) {
    Waiter* next = queue_.front();
    if (!group.empty()) {
      if (next->exclusive != nullptr || group.front()->exclusive != nullptr) break;
      if (bytes + next->commit->prepared.bytes > kMaxGroupBytes) break;
    }
    if (next->commit != nullptr) bytes += next->commit->prepared.bytes;
    group.push_back(next);
    queue_.pop_front();
  }
  return group;
}

bool LocalCommitLog::WriteGroup(std::span<Waiter* const> group) {
  std::vector<PendingCommit*> commits;
  size_t bytes = 0;
  for (const Waiter* waiter : group) {
    commits.push_back(waiter->commit);
    bytes += waiter->commit->prepared.bytes;
  }
  rocksdb::WriteBatch batch(bytes + bytes / 4);
  CommitGroup builder(rocks_, directory_);
  absl::Status status = rocks_.CheckWritable();
  if (status.ok()) status = builder.Build(commits, batch);
  if (!status.ok()) {
    for (PendingCommit* commit : commits) commit->result = status;
    return false;
  }
  if (batch.Count() == 0) return false;
  if (auto s = rocks_.Write(batch); !s.ok()) {
    for (PendingCommit* commit : commits) {
      if (commit->needs_group) commit->result = s;
    }
    return false;
  }
  builder.PublishTips();
  return true;
}

void LocalCommitLog::Apply(std::span<Waiter* const> group, CommitListener& listener) {
  std::vector<DurableCommit> durable;
  for (const Waiter* waiter : group) {
    const PendingCommit& commit = *waiter->commit;
    if (commit.is_new) durable.push_back({&commit.request, &commit.result->header});
  }
  if (!durable.empty()) listener.OnCommits(durable);
}

}  // namespace vouch
