#include "api/http/rpc_call.h"

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/status.h"

namespace vouch {
namespace {

constexpr std::chrono::milliseconds kAskEvery(20);

}  // namespace

RpcCall::RpcCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                 RpcOptions options)
    : options_(std::move(options)), stub_(channel) {
  if (options_.deadline != absl::InfiniteFuture()) {
    context_.set_deadline(absl::ToChronoTime(options_.deadline));
  }
  if (!options_.traceparent.empty()) context_.AddMetadata("traceparent", options_.traceparent);
  stream_ = stub_.PrepareCall(&context_, "/" + method, &queue_);
  stream_->StartCall(this);
  (void)Await();
}

RpcCall::~RpcCall() {
  if (!finished_) {
    context_.TryCancel();
    (void)Finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

// Waits for the one operation that is under way.
bool RpcCall::Await() {
  void* tag = nullptr;
  bool ok = false;
  for (;;) {
    switch (queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kAskEvery)) {
      case grpc::CompletionQueue::GOT_EVENT:
        return ok;
      case grpc::CompletionQueue::SHUTDOWN:
        return false;
      case grpc::CompletionQueue::TIMEOUT:
        if (options_.gone && options_.gone()) context_.TryCancel();
    }
  }
}

bool RpcCall::Write(const google::protobuf::Message& request) {
  const grpc::Slice slice(request.SerializeAsString());
  stream_->Write(grpc::ByteBuffer(&slice, 1), this);
  return Await();
}

bool RpcCall::WritesDone() {
  stream_->WritesDone(this);
  return Await();
}

bool RpcCall::Read(google::protobuf::Message* reply) {
  grpc::ByteBuffer buffer;
  stream_->Read(&buffer, this);
  if (!Await()) return false;
  grpc::ProtoBufferReader reader(&buffer);
  if (reply->ParseFromZeroCopyStream(&reader)) return true;
  unreadable_ = absl::InternalError(absl::StrCat("a reply is no ", reply->GetTypeName()));
  context_.TryCancel();
  return false;
}

absl::Status RpcCall::Finish() {
  grpc::Status status;
  stream_->Finish(&status, this);
  (void)Await();
  finished_ = true;
  return unreadable_.ok() ? FromGrpc(status) : unreadable_;
}

absl::Status CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const google::protobuf::Message& request,
                       google::protobuf::Message* reply, RpcOptions options) {
  RpcCall call(channel, method, std::move(options));
  // Where one of these fails the call has ended, and Finish says why.
  if (call.Write(request) && call.WritesDone()) (void)call.Read(reply);
  return call.Finish();
}

}  // namespace vouch
