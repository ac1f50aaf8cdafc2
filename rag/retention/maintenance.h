#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "index/cancel.h"
#include "query/database.h"

namespace vouch {

using WarnFunction = std::function<void(const std::string& message)>;

// What time alone brings about, once over all collections of all tenants: points that have expired are retired (actor `ttl`),
// versions that no policy keeps are let go (actor `retention`), and what an earlier run began is finished. A collection that
// wants none of it is not opened. What fails is told to `warn`, and the other collections go on.
void MaintainCollections(Database& database, const CancelToken& cancel, const WarnFunction& warn);

// Does that every so often, on a thread of its own. The destructor ends a run within a step.
class MaintenanceJob {
 public:
  // `database` must outlive the job.
  MaintenanceJob(Database& database, std::chrono::seconds every, WarnFunction warn);
  ~MaintenanceJob();
  MaintenanceJob(const MaintenanceJob&) = delete;
  MaintenanceJob& operator=(const MaintenanceJob&) = delete;

 private:
  void Run();

  Database& database_;
  const std::chrono::seconds every_;
  const WarnFunction warn_;
  std::mutex mu_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace vouch
