#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/delivery_services.h"
#include "api/grpc/request.h"
#include "vouch/v1/hooks.grpc.pb.h"

namespace vouch {
namespace {

constexpr uint32_t kMaxLetters = 1'000;
constexpr uint32_t kDefaultLetters = 50;

absl::Status NoHooks() {
  return absl::FailedPreconditionError(
      "this process has no hooks: name their file by --hooks, VOUCH_HOOKS or the key hooks");
}

void FillHook(const HookStatus& status, v1::Hook* message) {
  message->set_name(status.spec.name);
  message->mutable_events()->Assign(status.spec.events.begin(), status.spec.events.end());
  message->set_target(status.spec.Target());
  message->set_is_signed(status.is_signed);
  if (status.spec.on_failure == HookSpec::OnFailure::kAllow) message->set_on_failure("allow");
  if (status.spec.on_failure == HookSpec::OnFailure::kRefuse) message->set_on_failure("refuse");
  message->set_timeout_ms(status.spec.timeout_ms);
  message->set_attempts(status.spec.attempts);
  message->set_pending(status.pending);
  message->set_delivered(status.delivered);
  message->set_failed(status.failed);
  message->set_dead_letters(status.dead_letters);
  message->set_last_error(status.last_error);
}

class HooksService final : public v1::Hooks::Service {
 public:
  explicit HooksService(const ServiceContext& context) : services_(context) {}

  grpc::Status ListHooks(grpc::ServerContext* context, const v1::ListHooksRequest*,
                         v1::ListHooksResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (services_.hooks == nullptr) return absl::OkStatus();
      const absl::StatusOr<std::vector<HookStatus>> all =
          services_.hooks->List(PrincipalOf(*context).tenant);
      if (!all.ok()) return all.status();
      for (const HookStatus& status : *all) FillHook(status, reply->add_hooks());
      return absl::OkStatus();
    });
  }

  grpc::Status TestHook(grpc::ServerContext* context, const v1::TestHookRequest* request,
                        v1::TestHookResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (services_.hooks == nullptr) return NoHooks();
      const absl::StatusOr<HookReply> answer =
          services_.hooks->Test(PrincipalOf(*context).tenant, request->hook(), CancelOf(*context));
      if (!answer.ok()) return answer.status();
      reply->set_allowed(answer->allowed);
      reply->set_reason(answer->reason);
      return absl::OkStatus();
    });
  }

  grpc::Status ListDeadLetters(grpc::ServerContext* context,
                               const v1::ListDeadLettersRequest* request,
                               v1::ListDeadLettersResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->limit() > kMaxLetters) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit is ", request->limit(), ", at most ", kMaxLetters));
      }
      if (services_.hooks == nullptr) return NoHooks();
      absl::StatusOr<std::vector<DeadLetter>> letters =
          services_.hooks->DeadLetters(PrincipalOf(*context).tenant, request->hook(),
                                       request->limit() == 0 ? kDefaultLetters : request->limit());
      if (!letters.ok()) return letters.status();
      for (DeadLetter& letter : *letters) {
        v1::DeadLetter* message = reply->add_letters();
        message->set_hook(std::move(letter.hook));
        message->set_id(std::move(letter.id));
        message->set_event(std::move(letter.event));
        message->set_attempts(letter.attempts);
        message->set_error(std::move(letter.error));
        message->set_time_us(letter.time_us);
      }
      return absl::OkStatus();
    });
  }

  grpc::Status Redeliver(grpc::ServerContext* context, const v1::RedeliverRequest* request,
                         v1::RedeliverResponse*) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (services_.hooks == nullptr) return NoHooks();
      return services_.hooks->Redeliver(PrincipalOf(*context).tenant, request->hook(),
                                        request->id(), CancelOf(*context));
    });
  }

 private:
  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewHooksService(const ServiceContext& context) {
  return std::make_unique<HooksService>(context);
}

}  // namespace vouch
