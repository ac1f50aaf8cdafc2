#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/ingest_run.h"
#include "api/cli/message_json.h"
#include "api/cli/stop_signal.h"
#include "api/cli/text_output.h"
#include "nlohmann/json.hpp"
#include "rag/folder_watcher.h"

namespace vouch {
namespace {

constexpr std::chrono::milliseconds kFirstPause(200);
constexpr std::chrono::milliseconds kLongestPause(30'000);

// Plain lines, each whole at once: a log, not a screen.
void Say(const std::string& text) {
  Print(text);
  std::fflush(stdout);
}

// What another try may find otherwise: a server that starts anew, a file that is being written.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) || absl::IsNotFound(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

std::string SkippedOf(const v1::IngestReport& report) {
  std::string all;
  for (const v1::SkippedDocument& skipped : report.skipped()) {
    absl::StrAppend(&all, skipped.document(), "\n", skipped.reason(), "\n");
  }
  return all;
}

}  // namespace

absl::Status WatchAndIngest(Invocation& invocation, Connection& connection, const IngestCommandOptions& options) {
  auto watcher = FolderWatcher::Open(options.paths, FolderWatcher::Timing());
  if (!watcher.ok()) return watcher.status();
  StopSignal signal;
  signal.Arm();
  const auto stop = [&signal] { return signal.Came(); };
  std::string skipped;  // told already
  bool first = true;
  std::chrono::milliseconds pause = kFirstPause;
  while (!stop()) {
    // Before the walk, so that what changes meanwhile is told by the next wait.
    if (absl::Status status = (*watcher)->Refresh(); !status.ok() && !absl::IsNotFound(status)) return status;
    const absl::StatusOr<v1::IngestReport> report = RunIngestOnce(invocation, connection, options, stop);
    if (stop()) break;
    if (!report.ok()) {
      if (first || !MayPass(report.status())) return report.status();
      std::fprintf(stderr, "error (%s): %s; trying again\n", absl::StatusCodeToString(report.status().code()).c_str(),
                   std::string(report.status().message()).c_str());
      for (auto waited = std::chrono::milliseconds(0); waited < pause && !stop(); waited += kFirstPause) {
        std::this_thread::sleep_for(kFirstPause);
      }
      pause = std::min(2 * pause, kLongestPause);
      continue;
    }
    pause = kFirstPause;
    const std::string skips = SkippedOf(*report);
    if (first || report->commits() > 0 || skips != skipped) {
      Say(invocation.json ? absl::StrCat(MessageToJson(*report).dump(), "\n")
                          : FormatIngestReport(options.collection, *report));
    }
    if (first && !invocation.json) {
      Say(absl::StrCat("watching ", absl::StrJoin(options.paths, ", "), " (",
                       FormatCounted((*watcher)->folders(), "folder"), "); Ctrl-C ends it\n"));
    }
    skipped = skips;
    first = false;
    const absl::StatusOr<bool> changed = (*watcher)->Wait(stop);
    if (!changed.ok()) return changed.status();
    if (!*changed) break;
  }
  if (!invocation.json) Say("stopped\n");
  return absl::OkStatus();
}

}  // namespace vouch
