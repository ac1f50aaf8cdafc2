#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"
#include "vouch/v1/documents.pb.h"

namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

namespace vouch {

// The caller's side of one Ingest call: offers documents in batches and sends those that the server
// wants. Used by one thread; a thread of its own reads the replies, so that neither side waits for
// the other with full buffers.
class IngestClient {
 public:
  // `on_progress` is called on the reading thread.
  static std::unique_ptr<IngestClient> Start(
      const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
      const v1::IngestOptions& options, std::function<void(const v1::IngestProgress&)> on_progress);
  // Cancels the call where it is still under way.
  virtual ~IngestClient() = default;

  // False: the call has ended; Finish says why.
  virtual bool Add(Document document) = 0;
  virtual bool AddSkipped(const std::string& document, const std::string& reason) = 0;
  // Sends what is left, and waits for the report.
  virtual grpc::Status Finish(v1::IngestReport* report) = 0;
};

}  // namespace vouch
