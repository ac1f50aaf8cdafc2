#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vouch {

// An HTTP server on loopback that keeps what MLflow's REST API 2.0 is told, and refuses what has not its shape: a field that is
// missing, of another kind or not known is INVALID_PARAMETER_VALUE. Thread safe.
class MlflowServer {
 public:
  struct Run {
    std::string experiment;
    std::string name;
    std::string status = "RUNNING";
    int64_t start_time = 0;
    int64_t end_time = 0;
    std::map<std::string, std::string> params;
    std::map<std::string, double> metrics;
    std::map<std::string, std::string> tags;
    std::set<std::string> datasets;  // "NAME DIGEST"
  };
  struct Version {
    std::string source;
    std::map<std::string, std::string> tags;
  };
  struct Model {
    std::vector<Version> versions;
    std::map<std::string, std::string> aliases;
  };

  MlflowServer();
  ~MlflowServer();
  MlflowServer(const MlflowServer&) = delete;
  MlflowServer& operator=(const MlflowServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT"
  std::map<std::string, std::string> experiments() const;  // name → id
  std::map<std::string, Run> runs() const;
  std::map<std::string, Model> models() const;
  uint64_t writes() const;  // requests that changed something
  std::string authorization() const;  // of the last request
  // The next request to this path ("runs/log-inputs") is answered with 500, once.
  void FailOnce(const std::string& path);
  // Somebody else registers a version.
  void AddForeignVersion(const std::string& model);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vouch
