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

void LocalCommitLog::SetListener(CommitListener* listener) {
  std::lock_guard lock(mu_);
  listener_ = listener;
}

void LocalCommitLog::Run(Waiter& waiter) {
  std::vector<Waiter*> group;
  CommitListener* listener = nullptr;
  {
    std::unique_lock lock(mu_);
    queue_.push_back(&waiter);
    while (!waiter.done && (writing_ || queue_.front() != &waiter)) waiter.turn.wait(lock);
    if (waiter.done) return;
    writing_ = true;
    group = TakeGroup();
    listener = listener_;
  }
  if (waiter.exclusive != nullptr) {
    waiter.exclusive_status = (*waiter.exclusive)();
  } else {
    WriteGroup(group, listener);
  }
  std::lock_guard lock(mu_);
  writing_ = false;
  // The next writer first: its group is what the others wait for.
  if (!queue_.empty()) queue_.front()->turn.notify_one();
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

void LocalCommitLog::WriteGroup(std::span<Waiter* const> group, CommitListener* listener) {
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
    return;
  }
  if (batch.Count() == 0) return;
  if (auto s = rocks_.Write(batch); !s.ok()) {
    for (PendingCommit* commit : commits) {
      if (commit->needs_group) commit->result = s;
    }
    return;
  }
  builder.PublishTips();
  if (listener == nullptr) return;
  for (const PendingCommit* commit : commits) {
    if (commit->is_new) listener->OnCommit(commit->request, commit->result->header);
  }
}

}  // namespace vouch
