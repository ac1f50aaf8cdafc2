#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "api/cli/progress.h"

namespace vouch {

// Reads the replies of a long call to their end: each has a `fraction` of the work, shown as
// progress on `what`, or the `result`, which goes to `*result`. Returns the call's status.
template <typename Reply, typename Result>
grpc::Status ReadLongCall(grpc::ClientReader<Reply>& reader, Progress& progress,
                          const std::string& what, Result* result) {
  Reply reply;
  while (reader.Read(&reply)) {
    if (reply.has_result()) {
      *result = std::move(*reply.mutable_result());
    } else {
      progress.Update(what, reply.fraction());
    }
  }
  progress.Clear();
  return reader.Finish();
}

}  // namespace vouch
