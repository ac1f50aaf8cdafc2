#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/cli/connection.h"
#include "api/cli/progress.h"
#include "api/config.h"

namespace grpc {
class ClientContext;
}  // namespace grpc

namespace vouch {

// One run of the program: the options that all commands share, and what follows from them. Used by
// one thread.
class Invocation {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& variable)>;
  explicit Invocation(Environment environment) : environment_(std::move(environment)) {}

  // Set by the options; read once a command runs.
  std::map<std::string, std::string> flags;  // of ConfigKeys, by key
  std::string config_path;                   // empty: $VOUCH_CONFIG, or none
  bool json = false;
  bool quiet = false;
  double timeout_seconds = 0;  // of each call; 0: none
  bool uses_models = false;    // an embedded store gets the route of the settings
  bool uses_rerankers = false;  // and their cross-encoders
  bool uses_hooks = false;      // and their hooks
  absl::Status outcome;        // of the command that ran

  absl::StatusOr<Config> LoadSettings() const;
  // Where the store lies; it need not be there. INVALID_ARGUMENT: a file stands there.
  absl::StatusOr<std::string> DataDir(const Config& config) const;
  std::optional<std::string> Variable(const std::string& name) const { return environment_(name); }

  enum class Store { kMustExist, kCreate };
  // The server, or the embedded store: what a flag names, else a variable, else the file, else the
  // default folder. Made at the first call.
  absl::StatusOr<Connection*> Connect(Store store = Store::kMustExist);

  // Sets the deadline of a call.
  void Prepare(grpc::ClientContext& context) const;
  Progress MakeProgress() const { return Progress(!quiet); }

 private:
  Environment environment_;
  std::unique_ptr<Connection> connection_;
};

// A mistake on the command line: exit code 2.
absl::Status UsageError(const std::string& message);
bool IsUsageError(const absl::Status& status);

}  // namespace vouch
