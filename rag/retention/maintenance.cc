#include "rag/retention/maintenance.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rag/retention/retention.h"

namespace vouch {
namespace {

absl::Status MaintainOne(Database& database, const CollectionInfo& info, const CancelToken& cancel) {
  const absl::StatusOr<RetentionState> state = database.store().GetRetention(info.id);
  if (!state.ok()) return state.status();
  const bool expires = !info.schema.ttl.empty();
  // Tags of versions that are kept may have gone.
  const bool lets_go = !info.schema.retention.keeps_all() || state->pending || !state->kept.empty();
  if (!expires && !lets_go) return absl::OkStatus();
  const Principal principal{.tenant = info.tenant, .subject = "retention", .groups = {}};
  const absl::StatusOr<std::shared_ptr<Collection>> collection = database.GetCollection(principal, info.name);
  if (!collection.ok()) return collection.status();
  if (expires) {
    const absl::StatusOr<uint64_t> expired = (*collection)->Expire(database.clock().NowMicros(), cancel);
    if (!expired.ok()) return expired.status();
  }
  if (!lets_go) return absl::OkStatus();
  return RunRetention(database, **collection, principal, cancel).status();
}

}  // namespace

void MaintainCollections(Database& database, const CancelToken& cancel, const WarnFunction& warn) {
  const absl::StatusOr<std::vector<CollectionInfo>> infos = database.store().catalog().ListAllCollections();
  if (!infos.ok()) return warn(std::string(infos.status().message()));
  for (const CollectionInfo& info : *infos) {
    if (!cancel.Check().ok()) return;
    const absl::Status status = MaintainOne(database, info, cancel);
    // One that was dropped meanwhile needs nothing.
    if (status.ok() || absl::IsNotFound(status) || absl::IsCancelled(status)) continue;
    warn(absl::StrCat("retention of collection '", info.name, "': ", status.message()));
  }
}

MaintenanceJob::MaintenanceJob(Database& database, std::chrono::seconds every, WarnFunction warn)
    : database_(database), every_(every), warn_(std::move(warn)), thread_([this] { Run(); }) {}

MaintenanceJob::~MaintenanceJob() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void MaintenanceJob::Run() {
  const CancelToken cancel(absl::InfiniteFuture(), [this] {
    const std::lock_guard lock(mu_);
    return stopping_;
  });
  std::unique_lock lock(mu_);
  while (!stopping_) {
    lock.unlock();
    MaintainCollections(database_, cancel, warn_);
    lock.lock();
    changed_.wait_for(lock, every_, [this] { return stopping_; });
  }
}

}  // namespace vouch
