#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/http/http_client.h"

namespace vouch {

// A finished evaluation, as a run of MLflow.
struct MlflowRun {
  std::string evaluation = {};  // its id: the tag "vouch.evaluation", by which it is found again
  std::string name = {};
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  std::map<std::string, std::string> params = {};
  std::map<std::string, double> metrics = {};  // finite; a judge may add to them later
  std::map<std::string, std::string> tags = {};
  // Its input.
  std::string dataset = {};
  std::string digest = {};
  std::string source = {};  // "vouchdb://default/dataset/parts@1"
};

// A pipeline, as a registered model.
struct MlflowModel {
  struct Version {
    uint64_t number = 0;     // the pipeline's
    std::string hash = {};
    std::string source = {};  // "vouchdb://default/pipeline/support@3"
  };
  std::string name = {};
  std::string description = {};
  std::vector<Version> versions = {};  // ascending
  std::map<std::string, uint64_t> aliases = {};  // alias → the pipeline's number
};

// Writes to an MLflow server over its REST API 2.0. What is there already, told by our own tags, is left as it is: done again,
// nothing changes, and what was interrupted is gone on with. A run whose metrics are others by now gets them, and a version is the one
// with its name and its hash, so that another store's of the same name is another one. Errors name the address and what the server
// says. Thread safe.
class MlflowClient {
 public:
  static constexpr int64_t kTimeoutMs = 30'000;  // of a request

  // `url`: "http://127.0.0.1:5000". `token`: for an Authorization header; empty: none.
  MlflowClient(std::string url, std::string token) : url_(std::move(url)), token_(std::move(token)) {}

  // The id of the experiment, which is made where there is none.
  absl::StatusOr<std::string> Experiment(const std::string& name, const CancelToken& cancel) const;
  // Whether it was written now; false: it was there with the same metrics.
  absl::StatusOr<bool> PutRun(const std::string& experiment, const MlflowRun& run, const CancelToken& cancel) const;
  struct ModelOutcome {
    uint64_t versions = 0;  // written now
    uint64_t aliases = 0;   // moved now
    std::vector<std::string> skipped = {};  // aliases that MLflow does not take, a sentence each
  };
  absl::StatusOr<ModelOutcome> PutModel(const MlflowModel& model, const CancelToken& cancel) const;

 private:
  class Call;
  const std::string url_;
  const std::string token_;
  const HttpClient http_;
};

}  // namespace vouch
