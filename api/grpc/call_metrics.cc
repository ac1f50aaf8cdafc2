#include "api/grpc/call_metrics.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <string>
#include <string_view>

#include "api/status.h"

namespace vouch {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// One call. It counts before its status leaves, so that whoever has the reply finds it counted; one
// that was cancelled before it had a status counts when it is dropped.
class CallCounter final : public Interceptor {
 public:
  CallCounter(Metrics& metrics, std::string_view method) : metrics_(metrics), method_(method) {
    metrics_.BeginCall();
  }
  ~CallCounter() override { Count("CANCELLED"); }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      Count(absl::StatusCodeToString(FromGrpc(methods->GetSendStatus()).code()));
    }
    methods->Proceed();
  }

 private:
  void Count(const std::string& code) {
    if (counted_) return;
    counted_ = true;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began_;
    metrics_.EndCall(method_, code, seconds.count());
  }

  Metrics& metrics_;
  const std::string_view method_;  // gRPC's, which outlives the call
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  bool counted_ = false;
};

class CallCounters final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallCounters(Metrics& metrics) : metrics_(metrics) {}
  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    std::string_view method = info->method();
    if (method.starts_with('/')) method.remove_prefix(1);
    return new CallCounter(metrics_, method);  // gRPC owns it
  }

 private:
  Metrics& metrics_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> CallMetrics(
    Metrics& metrics) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<CallCounters>(metrics));
  return factories;
}

}  // namespace vouch
