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

absl::StatusOr<AppliedHook> AppliedHookOf(const v1::HookSpec& message) {
  AppliedHook hook;
  HookSpec& spec = hook.spec;
  spec.name = message.name();
  spec.events.assign(message.events().begin(), message.events().end());
  spec.url = message.url();
  spec.command.assign(message.command().begin(), message.command().end());
  hook.secret_env = message.secret_env();
  if (message.on_failure() == "allow") {
    spec.on_failure = HookSpec::OnFailure::kAllow;
  } else if (message.on_failure() == "refuse") {
    spec.on_failure = HookSpec::OnFailure::kRefuse;
  } else if (!message.on_failure().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("on_failure is '", message.on_failure(), "'; it takes allow or refuse"));
  }
  if (message.timeout_ms() != 0) spec.timeout_ms = message.timeout_ms();
  if (message.attempts() != 0) spec.attempts = message.attempts();
  if (message.first_pause_ms() != 0) spec.first_pause_ms = message.first_pause_ms();
  if (message.max_pause_ms() != 0) spec.max_pause_ms = message.max_pause_ms();
  return hook;
}

void FillSpec(const AppliedHook& hook, v1::HookSpec* message) {
  const HookSpec& spec = hook.spec;
  message->set_name(spec.name);
  message->mutable_events()->Assign(spec.events.begin(), spec.events.end());
  message->set_url(spec.url);
  message->set_secret_env(hook.secret_env);
  if (spec.on_failure == HookSpec::OnFailure::kAllow) message->set_on_failure("allow");
  if (spec.on_failure == HookSpec::OnFailure::kRefuse) message->set_on_failure("refuse");
  message->set_timeout_ms(spec.timeout_ms);
  message->set_attempts(spec.attempts);
  message->set_first_pause_ms(spec.first_pause_ms);
  message->set_max_pause_ms(spec.max_pause_ms);
}

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
  message->set_origin(status.version == 0 ? "file" : "applied");
  message->set_version(status.version);
  message->set_problem(status.problem);
}

class HooksService final : public v1::Hooks::Service {
 public:
  explicit HooksService(const ServiceContext& context) : services_(context) {}

  grpc::Status ApplyHook(grpc::ServerContext* context, const v1::ApplyHookRequest* request,
                         v1::ApplyHookResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (services_.hooks == nullptr) return NoHooks();
      const absl::StatusOr<AppliedHook> hook = AppliedHookOf(request->spec());
      absl::StatusOr<SpecStore::Applied> applied =
          hook.ok() ? services_.hooks->Apply(PrincipalOf(*context).tenant, *hook, request->dry_run(), ActorOf(*context))
                    : hook.status();
      if (!applied.ok()) {
        return absl::Status(applied.status().code(),
                            absl::StrCat("hook '", request->spec().name(), "': ", applied.status().message()));
      }
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      v1::HookVersion* version = reply->mutable_hook();
      FillSpec(*hook, version->mutable_spec());
      version->set_number(applied->version.number);
      version->set_hash(applied->version.hash);
      version->set_created_us(applied->version.created_us);
      version->set_canonical(applied->version.canonical);
      return absl::OkStatus();
    });
  }

  grpc::Status RemoveHook(grpc::ServerContext* context, const v1::RemoveHookRequest* request,
                          v1::RemoveHookResponse*) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (services_.hooks == nullptr) return NoHooks();
      return services_.hooks->Remove(PrincipalOf(*context).tenant, request->name(), ActorOf(*context));
    });
  }

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
