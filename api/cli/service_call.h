#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/cli/connection.h"
#include "api/cli/invocation.h"

namespace vouch {

// Makes a stub of the service and a context for one call, passes both on, and says what an error means to who typed the command.
template <class Service, class Call>
absl::Status CallService(Invocation& invocation, Invocation::Store store, Call call) {
  absl::StatusOr<Connection*> connection = invocation.Connect(store);
  if (!connection.ok()) return connection.status();
  const auto stub = Service::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  const grpc::Status status = call(*stub, context);
  return (*connection)->Explain(status);
}

template <class Service, class Call>
absl::Status CallService(Invocation& invocation, Call call) {
  return CallService<Service>(invocation, Invocation::Store::kMustExist, std::move(call));
}

}  // namespace vouch
