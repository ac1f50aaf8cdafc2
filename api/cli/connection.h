#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/config.h"
#include "query/database.h"
#include "rag/deliver/hook.h"
#include "rag/deliver/hook_rules.h"
#include "rag/llm/model_route.h"

namespace grpc {
class Channel;
class Status;
}  // namespace grpc

namespace vouch {

// What a command speaks to: a server, or a store that it opens itself and serves to itself without
// a port. Either way the command calls the same stubs, so that there is one path.
class Connection {
 public:
  // What an embedded store has of the settings' models.
  struct Models {
    std::optional<RouteSpec> route = {};  // that write answers; none: they are quoted
    CrossEncoders rerankers = {};
    std::vector<HookSpec> hooks = {};            // that its changes are told to
    std::optional<HookRules> hook_rules = {};  // of those that were applied; none: no hook at all is served
  };
  static absl::StatusOr<std::unique_ptr<Connection>> ToServer(const Config& config);
  // NOT_FOUND: no store there, and not `create`. FAILED_PRECONDITION: another process has it open.
  static absl::StatusOr<std::unique_ptr<Connection>> Embedded(const Config& config,
                                                              const std::string& data_dir,
                                                              bool create,
                                                              const std::string& api_key,
                                                              Models models);
  virtual ~Connection() = default;

  virtual const std::shared_ptr<grpc::Channel>& channel() const = 0;
  // Whether the store is the command's own: its settings are then those that count.
  virtual bool embedded() const = 0;
  // The status of a call, with what to do where the server could not be reached.
  virtual absl::Status Explain(const grpc::Status& status) const = 0;
};

// The options of a store from the settings.
DatabaseOptions DatabaseOptionsOf(const Config& config, const std::string& data_dir);
// NOT_FOUND with the hint where there is no store in the folder; PERMISSION_DENIED: it cannot be
// looked for.
absl::Status CheckStoreIn(const std::string& data_dir, const std::string& hint);
// Says what to do where another process has the store open.
absl::Status ExplainOpen(const absl::Status& status, const std::string& data_dir);

}  // namespace vouch
