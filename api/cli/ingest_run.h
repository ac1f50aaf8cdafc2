#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/cli/connection.h"
#include "api/cli/invocation.h"
#include "vouch/v1/documents.pb.h"

namespace vouch {

struct IngestCommandOptions {
  std::string collection;
  std::vector<std::string> paths;
  std::string embedder;  // empty: the collection's, or builtin/lsa for a new one
  bool keep_going = false;
  bool strict = false;
  bool retrain = false;
  uint32_t chunk_target = 0;
  std::string chunker;  // empty: the default
  bool watch = false;
};

// NOT_FOUND: a path is not there; a usage error: two of them would give their documents the same names.
absl::Status CheckIngestPaths(const std::vector<std::string>& paths);

// One run over all that lies under the paths: reads files, sends documents that changed, and shows how far it is. A
// collection that is not there is made where there are files. `stop`, asked between documents, breaks the run off:
// CANCELLED, with what was committed staying.
absl::StatusOr<v1::IngestReport> RunIngestOnce(Invocation& invocation, Connection& connection,
                                               const IngestCommandOptions& options,
                                               const std::function<bool()>& stop);

// The report in words.
std::string FormatIngestReport(const std::string& collection, const v1::IngestReport& report);

// Runs again whenever something changes under the paths, until a signal comes, and prints a line of each change.
absl::Status WatchAndIngest(Invocation& invocation, Connection& connection, const IngestCommandOptions& options);

}  // namespace vouch
