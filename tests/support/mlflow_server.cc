#include "tests/support/mlflow_server.h"

#include <httplib.h>

#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace vouch {
namespace {

using Json = nlohmann::json;

// What MLflow says of a request that it does not take.
struct Refusal {
  int status = 400;
  std::string code = "INVALID_PARAMETER_VALUE";
  std::string message = {};
};

Refusal Invalid(const std::string& message) { return {.message = message}; }

// Reads the fields of an object, and refuses it where one is left.
class Fields {
 public:
  Fields(const Json& json, std::string what) : json_(json), what_(std::move(what)) {
    if (!json.is_object()) throw Invalid(what_ + " is no object");
  }
  ~Fields() noexcept(false) {
    if (std::uncaught_exceptions() > 0) return;
    for (const auto& [key, value] : json_.items())
      if (!seen_.contains(key)) throw Invalid(what_ + " has an unknown field '" + key + "'");
  }
  std::string Text(const char* key, bool needed = true) {
    const Json& value = At(key, needed);
    if (value.is_null()) return "";
    if (!value.is_string() || (needed && value.get<std::string>().empty())) throw Invalid(what_ + "." + key + " is no text");
    return value.get<std::string>();
  }
  int64_t Number(const char* key, bool needed = true) {
    const Json& value = At(key, needed);
    if (value.is_null()) return 0;
    if (!value.is_number_integer()) throw Invalid(what_ + "." + key + " is no whole number");
    return value.get<int64_t>();
  }
  double Double(const char* key) {
    const Json& value = At(key, true);
    if (!value.is_number()) throw Invalid(what_ + "." + key + " is no number");
    return value.get<double>();
  }
  const Json& List(const char* key, bool needed, size_t most) {
    static const Json none = Json::array();
    const Json& value = At(key, needed);
    if (value.is_null()) return none;
    if (!value.is_array() || value.size() > most) throw Invalid(what_ + "." + key + " is no list of at most " + std::to_string(most));
    return value;
  }
  const Json& Object(const char* key) { return At(key, true); }
  std::map<std::string, std::string> Pairs(const char* key, size_t most) {
    std::map<std::string, std::string> pairs;
    for (const Json& item : List(key, false, most)) {
      Fields fields(item, what_ + "." + key);
      const std::string name = fields.Text("key");
      if (!pairs.emplace(name, fields.Text("value")).second) throw Invalid(what_ + "." + key + " has '" + name + "' twice");
    }
    return pairs;
  }

 private:
  const Json& At(const char* key, bool needed) {
    static const Json null;
    seen_.insert(key);
    const auto found = json_.find(key);
    if (found != json_.end()) return *found;
    if (needed) throw Invalid("Missing value for required parameter '" + std::string(key) + "' of " + what_);
    return null;
  }

  const Json& json_;
  const std::string what_;
  std::set<std::string> seen_;
};

Json PairsToJson(const std::map<std::string, std::string>& pairs) {
  Json json = Json::array();
  for (const auto& [key, value] : pairs) json.push_back({{"key", key}, {"value", value}});
  return json;
}

}  // namespace

class MlflowServer::Impl {
 public:
  Impl() {
    server_.set_keep_alive_max_count(1);
    const auto post = [this](const std::string& path, Json (Impl::*method)(const Json&)) {
      server_.Post("/api/2.0/mlflow/" + path, [this, path, method](const httplib::Request& request, httplib::Response& response) {
        Answer(path, request, response, [&] {
          const Json body = Json::parse(request.body, nullptr, false);
          if (body.is_discarded()) throw Invalid("the body is no JSON");
          return (this->*method)(body);
        });
      });
    };
    post("experiments/create", &Impl::CreateExperiment);
    post("runs/search", &Impl::SearchRuns);
    post("runs/create", &Impl::CreateRun);
    post("runs/log-batch", &Impl::LogBatch);
    post("runs/log-inputs", &Impl::LogInputs);
    post("runs/update", &Impl::UpdateRun);
    post("registered-models/create", &Impl::CreateModel);
    post("model-versions/create", &Impl::CreateVersion);
    post("registered-models/alias", &Impl::SetAlias);
    const auto get = [this](const std::string& path, Json (Impl::*method)(const httplib::Request&)) {
      server_.Get("/api/2.0/mlflow/" + path, [this, path, method](const httplib::Request& request, httplib::Response& response) {
        Answer(path, request, response, [&] { return (this->*method)(request); });
      });
    };
    get("experiments/get-by-name", &Impl::GetExperiment);
    get("model-versions/search", &Impl::SearchVersions);
    get("registered-models/alias", &Impl::GetAlias);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that would be lost
  }
  ~Impl() {
    server_.stop();
    thread_.join();
  }

  int port_ = 0;
  mutable std::mutex mu_;
  // Guarded by mu_.
  std::map<std::string, std::string> experiments_;
  std::map<std::string, Run> runs_;
  std::map<std::string, Model> models_;
  uint64_t writes_ = 0;
  std::string fail_;
  std::string authorization_;

 private:
  void Answer(const std::string& path, const httplib::Request& request, httplib::Response& response,
              const std::function<Json()>& handle) {
    const std::lock_guard<std::mutex> lock(mu_);
    authorization_ = request.get_header_value("Authorization");
    try {
      if (fail_ == path) {
        fail_.clear();
        throw Refusal{.status = 500, .code = "INTERNAL_ERROR", .message = "the database is away"};
      }
      response.set_content(handle().dump(), "application/json");
    } catch (const Refusal& refusal) {
      response.status = refusal.status;
      response.set_content(Json{{"error_code", refusal.code}, {"message", refusal.message}}.dump(), "application/json");
    }
  }

  Run& RunOf(const std::string& id) {
    const auto found = runs_.find(id);
    if (found == runs_.end()) throw Refusal{404, "RESOURCE_DOES_NOT_EXIST", "Run '" + id + "' not found"};
    return found->second;
  }
  Model& ModelOf(const std::string& name) {
    const auto found = models_.find(name);
    if (found == models_.end()) throw Refusal{404, "RESOURCE_DOES_NOT_EXIST", "Registered Model '" + name + "' not found"};
    return found->second;
  }

  Json GetExperiment(const httplib::Request& request) {
    const auto found = experiments_.find(request.get_param_value("experiment_name"));
    if (found == experiments_.end()) throw Refusal{404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment"};
    return {{"experiment", {{"experiment_id", found->second}, {"name", found->first}}}};
  }
  Json CreateExperiment(const Json& body) {
    Fields fields(body, "experiment");
    const std::string id = std::to_string(experiments_.size() + 1);
    if (!experiments_.emplace(fields.Text("name"), id).second) throw Refusal{400, "RESOURCE_ALREADY_EXISTS", "experiment exists"};
    ++writes_;
    return {{"experiment_id", id}};
  }
  Json SearchRuns(const Json& body) {
    Fields fields(body, "search");
    const Json& experiments = fields.List("experiment_ids", true, 100);
    const std::string filter = fields.Text("filter");
    fields.Text("run_view_type");
    fields.Number("max_results");
    const std::string start = "tags.`vouch.evaluation` = '";
    if (filter.rfind(start, 0) != 0 || filter.back() != '\'') throw Invalid("Invalid filter '" + filter + "'");
    const std::string wanted = filter.substr(start.size(), filter.size() - start.size() - 1);
    Json runs = Json::array();
    for (const auto& [id, run] : runs_) {
      const auto tag = run.tags.find("vouch.evaluation");
      if (tag == run.tags.end() || tag->second != wanted || run.experiment != experiments.at(0)) continue;
      runs.push_back({{"info", {{"run_id", id}, {"status", run.status}}}, {"data", {{"tags", PairsToJson(run.tags)}}}});
    }
    return runs.empty() ? Json::object() : Json{{"runs", runs}};
  }
  Json CreateRun(const Json& body) {
    Fields fields(body, "run");
    Run run;
    run.experiment = fields.Text("experiment_id");
    run.name = fields.Text("run_name");
    run.start_time = fields.Number("start_time");
    run.tags = fields.Pairs("tags", 100);
    const std::string id = "run" + std::to_string(runs_.size() + 1);
    runs_[id] = run;
    ++writes_;
    return {{"run", {{"info", {{"run_id", id}, {"status", run.status}}}}}};
  }
  Json LogBatch(const Json& body) {
    Fields fields(body, "batch");
    Run& run = RunOf(fields.Text("run_id"));
    for (const Json& item : fields.List("metrics", false, 1'000)) {
      Fields metric(item, "metric");
      run.metrics[metric.Text("key")] = metric.Double("value");
      if (metric.Number("timestamp") <= 0) throw Invalid("metric.timestamp is not in milliseconds");
      metric.Number("step");
    }
    for (const auto& [key, value] : fields.Pairs("params", 100)) {
      if (const auto [place, fresh] = run.params.emplace(key, value); !fresh && place->second != value)
        throw Invalid("Changing param values is not allowed: '" + key + "'");
    }
    for (const auto& [key, value] : fields.Pairs("tags", 100)) run.tags[key] = value;
    ++writes_;
    return Json::object();
  }
  Json LogInputs(const Json& body) {
    Fields fields(body, "inputs");
    Run& run = RunOf(fields.Text("run_id"));
    for (const Json& item : fields.List("datasets", true, 100)) {
      Fields input(item, "input");
      input.Pairs("tags", 10);
      Fields dataset(input.Object("dataset"), "dataset");
      run.datasets.insert(dataset.Text("name") + " " + dataset.Text("digest"));
      if (dataset.Text("digest").size() > 36) throw Invalid("dataset.digest has more than 36 characters");
      dataset.Text("source_type");
      dataset.Text("source");
    }
    ++writes_;
    return Json::object();
  }
  Json UpdateRun(const Json& body) {
    Fields fields(body, "update");
    Run& run = RunOf(fields.Text("run_id"));
    run.status = fields.Text("status");
    run.end_time = fields.Number("end_time");
    ++writes_;
    return {{"run_info", {{"status", run.status}}}};
  }
  Json CreateModel(const Json& body) {
    Fields fields(body, "model");
    const std::string name = fields.Text("name");
    fields.Text("description", false);
    if (models_.contains(name)) throw Refusal{400, "RESOURCE_ALREADY_EXISTS", "Registered Model (name=" + name + ") already exists."};
    models_[name];
    ++writes_;
    return {{"registered_model", {{"name", name}}}};
  }
  // A version a page, so that whoever reads only the first page misses the others.
  Json SearchVersions(const httplib::Request& request) {
    const std::string filter = request.get_param_value("filter");
    const std::string start = "name='";
    if (filter.rfind(start, 0) != 0 || filter.back() != '\'') throw Invalid("Invalid filter '" + filter + "'");
    const Model& model = ModelOf(filter.substr(start.size(), filter.size() - start.size() - 1));
    const std::string token = request.get_param_value("page_token");
    const size_t at = token.empty() ? 0 : std::stoul(token);
    Json reply = Json::object();
    if (at >= model.versions.size()) return reply;
    reply["model_versions"] = Json::array({{{"version", std::to_string(at + 1)}, {"tags", PairsToJson(model.versions[at].tags)}}});
    if (at + 1 < model.versions.size()) reply["next_page_token"] = std::to_string(at + 1);
    return reply;
  }
  Json CreateVersion(const Json& body) {
    Fields fields(body, "version");
    Model& model = ModelOf(fields.Text("name"));
    model.versions.push_back({.source = fields.Text("source"), .tags = fields.Pairs("tags", 100)});
    ++writes_;
    return {{"model_version", {{"version", std::to_string(model.versions.size())}}}};
  }
  Json GetAlias(const httplib::Request& request) {
    const Model& model = ModelOf(request.get_param_value("name"));
    const auto found = model.aliases.find(request.get_param_value("alias"));
    if (found == model.aliases.end()) throw Invalid("Registered model alias not found.");
    return {{"model_version", {{"version", found->second}}}};
  }
  Json SetAlias(const Json& body) {
    Fields fields(body, "alias");
    Model& model = ModelOf(fields.Text("name"));
    const std::string alias = fields.Text("alias");
    const std::string version = fields.Text("version");
    static const std::regex plain("[A-Za-z0-9_-]*");
    static const std::regex reserved("latest|v[0-9]+", std::regex::icase);
    if (!std::regex_match(alias, plain) || std::regex_match(alias, reserved)) throw Invalid("Invalid alias name: '" + alias + "'");
    if (std::stoul(version) == 0 || std::stoul(version) > model.versions.size()) throw Invalid("there is no such version");
    model.aliases[alias] = version;
    ++writes_;
    return Json::object();
  }

  httplib::Server server_;
  std::thread thread_;
};

MlflowServer::MlflowServer() : impl_(std::make_unique<Impl>()) {}
MlflowServer::~MlflowServer() = default;

std::string MlflowServer::url() const { return "http://127.0.0.1:" + std::to_string(impl_->port_); }
std::map<std::string, std::string> MlflowServer::experiments() const {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  return impl_->experiments_;
}
std::map<std::string, MlflowServer::Run> MlflowServer::runs() const {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  return impl_->runs_;
}
std::map<std::string, MlflowServer::Model> MlflowServer::models() const {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  return impl_->models_;
}
uint64_t MlflowServer::writes() const {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  return impl_->writes_;
}
std::string MlflowServer::authorization() const {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  return impl_->authorization_;
}
void MlflowServer::FailOnce(const std::string& path) {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  impl_->fail_ = path;
}
void MlflowServer::AddForeignVersion(const std::string& model) {
  const std::lock_guard<std::mutex> lock(impl_->mu_);
  impl_->models_[model].versions.push_back({.source = "s3://elsewhere", .tags = {}});
}

}  // namespace vouch
