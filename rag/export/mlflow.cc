#include "rag/export/mlflow.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "rag/http/http_error.h"
#include "rag/http/http_get.h"
#include "storage/concat.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kEvaluationTag[] = "vouch.evaluation";
constexpr char kPipelineTag[] = "vouch.pipeline";
constexpr char kHashTag[] = "vouch.hash";
constexpr char kFiguresTag[] = "vouch.figures";  // hash of the metrics: whether they are others by now
constexpr size_t kMaxAliasBytes = 255;
// Of one request to log-batch.
constexpr size_t kMaxParams = 100;
constexpr size_t kMaxTags = 100;
constexpr size_t kMaxMetrics = 1'000;
constexpr size_t kMaxParamBytes = 6'000;

std::string UrlEncoded(const std::string& text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

Json PairsOf(const std::map<std::string, std::string>& texts, size_t most) {
  Json pairs = Json::array();
  for (const auto& [key, value] : texts) {
    if (pairs.size() == most) break;
    pairs.push_back({{"key", key}, {"value", value.substr(0, kMaxParamBytes)}});
  }
  return pairs;
}

std::string FiguresOf(const MlflowRun& run) {
  const Json json = run.metrics;
  return HexOf(Sha256Of(json.dump())).substr(0, 32);
}

// The value of a tag of the first run that was found.
std::string TagOfRun(const Json& found, const std::string& key) {
  const Json::json_pointer place("/runs/0/data/tags");
  if (!found.contains(place) || !found.at(place).is_array()) return "";
  for (const Json& tag : found.at(place)) {
    if (!tag.is_object() || !tag.contains("key") || !tag.contains("value") || tag["key"] != Json(key)) continue;
    return tag["value"].is_string() ? tag["value"].get<std::string>() : "";
  }
  return "";
}

// Letters, digits, '_' and '-', and neither "latest" nor what could be a version's number.
bool IsMlflowAlias(const std::string& alias) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (alias.empty() || alias.size() > kMaxAliasBytes || alias.find_first_not_of(kPlain) != std::string::npos) return false;
  if (absl::AsciiStrToLower(alias) == "latest") return false;
  const bool numbered = alias.size() > 1 && (alias[0] == 'v' || alias[0] == 'V');
  return !numbered || alias.find_first_not_of(kDigits, 1) != std::string::npos;
}

// A text at a path of objects and first items; nothing where the reply has another shape.
std::optional<std::string> TextAt(const Json& json, const std::vector<std::string>& path) {
  const Json* at = &json;
  for (const std::string& key : path) {
    if (at->is_array() && !at->empty()) at = &(*at)[0];
    const auto found = at->find(key);
    if (!at->is_object() || found == at->end()) return std::nullopt;
    at = &*found;
  }
  if (at->is_string()) return at->get<std::string>();
  if (at->is_number_integer()) return std::to_string(at->get<int64_t>());
  return std::nullopt;
}

}  // namespace

// One exchange after another with the server.
class MlflowClient::Call {
 public:
  Call(const MlflowClient& client, const CancelToken& cancel) : client_(client), cancel_(cancel) {}

  // The error_code of the last reply that was an error: "RESOURCE_ALREADY_EXISTS".
  const std::string& error_code() const { return error_code_; }

  absl::StatusOr<Json> Post(const std::string& path, const Json& body) {
    HttpRequest request = RequestOf(path);
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    return Read(request.url, client_.http_.Post(request, cancel_));
  }
  absl::StatusOr<Json> Get(const std::string& path) {
    const HttpRequest request = RequestOf(path);
    return Read(request.url, HttpGet(request, cancel_));
  }
  absl::Status Unexpected(const std::string& path, const char* what) const {
    return absl::InvalidArgumentError(Concat(UrlWithoutSecrets(client_.url_), "/api/2.0/mlflow/", path,
                                             ": the reply has no ", what, "; is this an MLflow server?"));
  }

 private:
  HttpRequest RequestOf(const std::string& path) const {
    std::string base = client_.url_;
    while (base.ends_with('/')) base.pop_back();
    HttpRequest request{.url = Concat(base, "/api/2.0/mlflow/", path), .timeout_ms = kTimeoutMs, .silence_ms = kTimeoutMs};
    request.headers.emplace_back("Content-Type", "application/json");
    if (!client_.token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + client_.token_);
    return request;
  }
  absl::StatusOr<Json> Read(const std::string& url, const absl::StatusOr<HttpReply>& reply) {
    if (!reply.ok()) return reply.status();
    Json json = Json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
    error_code_.clear();
    if (reply->status < 200 || reply->status >= 300) {
      error_code_ = TextAt(json, {"error_code"}).value_or("");
      const absl::Status status = StatusOfReply(url, *reply);
      return absl::Status(status.code(), WithoutSecret(std::string(status.message()), client_.token_));
    }
    if (!json.is_object())
      return absl::InvalidArgumentError(Concat(UrlWithoutSecrets(url), ": the reply is no JSON object; is this an MLflow server?"));
    return json;
  }

  const MlflowClient& client_;
  const CancelToken& cancel_;
  std::string error_code_;
};

absl::StatusOr<std::string> MlflowClient::Experiment(const std::string& name, const CancelToken& cancel) const {
  Call call(*this, cancel);
  const auto found = call.Get("experiments/get-by-name?experiment_name=" + UrlEncoded(name));
  if (found.ok()) {
    if (const auto id = TextAt(*found, {"experiment", "experiment_id"})) return *id;
    return call.Unexpected("experiments/get-by-name", "experiment_id");
  }
  if (call.error_code() != "RESOURCE_DOES_NOT_EXIST") return found.status();
  const auto made = call.Post("experiments/create", {{"name", name}});
  if (!made.ok()) return made.status();
  if (const auto id = TextAt(*made, {"experiment_id"})) return *id;
  return call.Unexpected("experiments/create", "experiment_id");
}

absl::StatusOr<bool> MlflowClient::PutRun(const std::string& experiment, const MlflowRun& run,
                                          const CancelToken& cancel) const {
  Call call(*this, cancel);
  const auto found = call.Post("runs/search", {{"experiment_ids", Json::array({experiment})},
                                               {"filter", Concat("tags.`", kEvaluationTag, "` = '", run.evaluation, "'")},
                                               {"run_view_type", "ACTIVE_ONLY"},
                                               {"max_results", 1}});
  if (!found.ok()) return found.status();
  std::optional<std::string> id = TextAt(*found, {"runs", "info", "run_id"});
  // Finished is what was written whole; what has changed since is its figures.
  const std::string figures = FiguresOf(run);
  const bool finished = id && TextAt(*found, {"runs", "info", "status"}) == "FINISHED";
  if (finished && TagOfRun(*found, kFiguresTag) == figures) return false;
  if (!id) {
    const auto made = call.Post("runs/create", {{"experiment_id", experiment},
                                                {"run_name", run.name},
                                                {"start_time", run.start_ms},
                                                {"tags", Json::array({{{"key", kEvaluationTag}, {"value", run.evaluation}}})}});
    if (!made.ok()) return made.status();
    id = TextAt(*made, {"run", "info", "run_id"});
    if (!id) return call.Unexpected("runs/create", "run_id");
  }
  Json metrics = Json::array();
  for (const auto& [key, value] : run.metrics) {
    if (metrics.size() == kMaxMetrics) break;
    metrics.push_back({{"key", key}, {"value", value}, {"timestamp", run.end_ms}, {"step", 0}});
  }
  std::map<std::string, std::string> tags = run.tags;
  tags[kFiguresTag] = figures;
  const auto logged = call.Post("runs/log-batch", {{"run_id", *id},
                                                   {"metrics", std::move(metrics)},
                                                   {"params", PairsOf(run.params, kMaxParams)},
                                                   {"tags", PairsOf(tags, kMaxTags)}});
  if (!logged.ok()) return logged.status();
  if (finished) return true;
  const Json dataset = {{"name", run.dataset}, {"digest", run.digest}, {"source_type", "vouchdb"}, {"source", run.source}};
  const Json context = {{"key", "mlflow.data.context"}, {"value", "evaluation"}};
  const auto inputs = call.Post(
      "runs/log-inputs",
      {{"run_id", *id}, {"datasets", Json::array({{{"dataset", dataset}, {"tags", Json::array({context})}}})}});
  if (!inputs.ok()) return inputs.status();
  const auto ended = call.Post("runs/update", {{"run_id", *id}, {"status", "FINISHED"}, {"end_time", run.end_ms}});
  if (!ended.ok()) return ended.status();
  return true;
}

absl::StatusOr<MlflowClient::ModelOutcome> MlflowClient::PutModel(const MlflowModel& model,
                                                                  const CancelToken& cancel) const {
  Call call(*this, cancel);
  const auto made = call.Post("registered-models/create", {{"name", model.name}, {"description", model.description}});
  if (!made.ok() && call.error_code() != "RESOURCE_ALREADY_EXISTS") return made.status();
  // The registry numbers versions itself: which of ours is which of its own stands in the tags, the hash among them, since another
  // store may have a pipeline of the same name.
  std::map<std::pair<std::string, std::string>, std::string> known;  // name and hash
  std::string page;
  do {
    const auto found = call.Get(Concat("model-versions/search?max_results=1000&filter=", UrlEncoded(Concat("name='", model.name, "'")),
                                       page.empty() ? "" : "&page_token=" + UrlEncoded(page)));
    if (!found.ok()) return found.status();
    const auto versions = found->find("model_versions");
    for (const Json& version : versions == found->end() ? Json::array() : *versions) {
      const auto tags = version.is_object() ? version.find("tags") : version.end();
      if (!version.is_object() || tags == version.end()) continue;
      std::pair<std::string, std::string> ours;
      for (const Json& tag : *tags) {
        if (TextAt(tag, {"key"}) == kPipelineTag) ours.first = TextAt(tag, {"value"}).value_or("");
        if (TextAt(tag, {"key"}) == kHashTag) ours.second = TextAt(tag, {"value"}).value_or("");
      }
      if (!ours.first.empty()) known[ours] = TextAt(version, {"version"}).value_or("");
    }
    page = TextAt(*found, {"next_page_token"}).value_or("");
  } while (!page.empty());
  ModelOutcome outcome;
  std::map<uint64_t, std::string> numbers;  // ours → the registry's
  for (const MlflowModel::Version& version : model.versions) {
    const std::string name = Concat(model.name, "@", version.number);
    if (const auto there = known.find({name, version.hash}); there != known.end()) {
      numbers[version.number] = there->second;
      continue;
    }
    const auto created = call.Post("model-versions/create",
                                   {{"name", model.name},
                                    {"source", version.source},
                                    {"tags", Json::array({{{"key", kPipelineTag}, {"value", name}},
                                                          {{"key", kHashTag}, {"value", version.hash}}})}});
    if (!created.ok()) return created.status();
    const auto number = TextAt(*created, {"model_version", "version"});
    if (!number) return call.Unexpected("model-versions/create", "version");
    numbers[version.number] = *number;
    ++outcome.versions;
  }
  for (const auto& [alias, number] : model.aliases) {
    if (!IsMlflowAlias(alias)) {
      outcome.skipped.push_back(Concat("alias '", alias, "' of ", model.name,
                                       " was left out: MLflow takes letters, digits, _ and -, and keeps 'latest' and 'v1' for itself"));
      continue;
    }
    const std::string& wanted = numbers[number];
    const auto current =
        call.Get(Concat("registered-models/alias?name=", UrlEncoded(model.name), "&alias=", UrlEncoded(alias)));
    if (current.ok() && TextAt(*current, {"model_version", "version"}) == wanted) continue;
    const bool absent = call.error_code() == "RESOURCE_DOES_NOT_EXIST" || call.error_code() == "INVALID_PARAMETER_VALUE";
    if (!current.ok() && !absent) return current.status();
    const auto moved = call.Post("registered-models/alias", {{"name", model.name}, {"alias", alias}, {"version", wanted}});
    if (!moved.ok()) return moved.status();
    ++outcome.aliases;
  }
  return outcome;
}

}  // namespace vouch
