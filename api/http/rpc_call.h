#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace vouch {

struct RpcOptions {
  std::string traceparent = {};  // W3C Trace Context, as the caller sent it; empty: none
  absl::Time deadline = absl::InfiniteFuture();
  // Asked some fifty times a second while the call waits; once it is true the call is cancelled.
  std::function<bool()> gone = nullptr;  // null: nobody goes
};

// One call of a method, of any kind, by the path that callers from outside take. Cancelled where it
// is dropped before its end. Used by one thread.
class RpcCall {
 public:
  // `method`: "vouch.v1.Answers/AskStream".
  RpcCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
          RpcOptions options);
  ~RpcCall();
  RpcCall(const RpcCall&) = delete;
  RpcCall& operator=(const RpcCall&) = delete;

  // False: the call has ended; Finish says how.
  bool Write(const google::protobuf::Message& request);
  bool WritesDone();
  bool Read(google::protobuf::Message* reply);
  absl::Status Finish();

 private:
  bool Await();

  const RpcOptions options_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  absl::Status unreadable_;  // a reply that is no message of its type
  bool finished_ = false;
};

// A call of one request and one reply.
absl::Status CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const google::protobuf::Message& request,
                       google::protobuf::Message* reply, RpcOptions options);

}  // namespace vouch
