#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/apply_plan.h"
#include "api/cli/command.h"
#include "api/cli/line_diff.h"
#include "api/cli/manifest.h"
#include "api/cli/message_json.h"
#include "api/cli/schema_plan.h"
#include "api/decimal.h"
#include "nlohmann/json.hpp"
#include "rag/file_walker.h"
#include "vouch/v1/collections.grpc.pb.h"
#include "vouch/v1/evaluations.grpc.pb.h"
#include "vouch/v1/delivery.grpc.pb.h"
#include "vouch/v1/drift.grpc.pb.h"
#include "vouch/v1/experiments.grpc.pb.h"
#include "vouch/v1/hooks.grpc.pb.h"
#include "vouch/v1/pipelines.grpc.pb.h"
#include "vouch/v1/routes.grpc.pb.h"
#include "vouch/v1/spending.grpc.pb.h"

namespace vouch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Json = nlohmann::ordered_json;

constexpr size_t kMoneyDecimals = 9;

struct ApplyOptions {
  std::string path;
  bool dry_run = false;
  bool prune = false;
};

std::string Pretty(const std::string& canonical) {
  const Json json = Json::parse(canonical, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? canonical : json.dump(2);
}

// Finds out what is to be done, item by item, and does it where that is wanted.
class Applier {
 public:
  Applier(Invocation& invocation, const Connection& connection, const ApplyOptions& options)
      : invocation_(invocation),
        connection_(connection),
        options_(options),
        collections_(v1::Collections::NewStub(connection.channel())),
        pipelines_(v1::Pipelines::NewStub(connection.channel())),
        routes_(v1::Routes::NewStub(connection.channel())),
        spending_(v1::Spending::NewStub(connection.channel())),
        datasets_(v1::Datasets::NewStub(connection.channel())),
        delivery_(v1::Delivery::NewStub(connection.channel())),
        experiments_(v1::Experiments::NewStub(connection.channel())),
        drift_(v1::Drift::NewStub(connection.channel())),
        hooks_(v1::Hooks::NewStub(connection.channel())) {}

  absl::Status Run(const std::vector<ManifestItem>& items) {
    // All is looked at before anything is changed, so that most mistakes change nothing.
    if (absl::Status status = Pass(items, /*dry_run=*/true); !status.ok()) return status;
    if (!options_.dry_run) {
      plan_ = ApplyPlan();
      if (absl::Status status = Pass(items, /*dry_run=*/false); !status.ok()) return status;
    }
    plan_.Report(invocation_.json, options_.dry_run);
    return absl::OkStatus();
  }

 private:
  using Item = v1::Manifest::ItemCase;

  absl::Status Pass(const std::vector<ManifestItem>& items, bool dry_run) {
    created_.clear();
    // What others rest on comes first, and who is asked before a change before the change.
    for (const Item kind : {v1::Manifest::kCollection, v1::Manifest::kRoute, v1::Manifest::kDataset,
                            v1::Manifest::kHook, v1::Manifest::kPipeline, v1::Manifest::kGate, v1::Manifest::kSlo,
                            v1::Manifest::kAlias, v1::Manifest::kExperiment, v1::Manifest::kBudget, v1::Manifest::kDrift}) {
      for (const ManifestItem& item : items) {
        if (item.manifest.item_case() != kind) continue;
        absl::Status status = One(item, dry_run);
        if (!status.ok())
          return absl::Status(status.code(), absl::StrCat(item.place, ": ", status.message()));
      }
    }
    return options_.prune ? Prune(items, dry_run) : absl::OkStatus();
  }

  absl::Status One(const ManifestItem& item, bool dry_run) {
    switch (item.manifest.item_case()) {
      case v1::Manifest::kCollection:
        return Collection(item.manifest.collection(), dry_run);
      case v1::Manifest::kPipeline:
        return Pipeline(item.manifest.pipeline(), dry_run);
      case v1::Manifest::kAlias:
        return Alias(item.manifest.alias(), dry_run);
      case v1::Manifest::kRoute:
        return Route(item.manifest.route(), dry_run);
      case v1::Manifest::kBudget:
        return Budget(item.manifest.budget(), dry_run);
      case v1::Manifest::kDataset:
        return Dataset(item, dry_run);
      case v1::Manifest::kGate:
        return Spec("gate", *delivery_, &v1::Delivery::Stub::ApplyGate,
                    &v1::ApplyGateResponse::gate, item.manifest.gate(), dry_run);
      case v1::Manifest::kSlo:
        return Spec("slo", *delivery_, &v1::Delivery::Stub::ApplySlo, &v1::ApplySloResponse::slo,
                    item.manifest.slo(), dry_run);
      case v1::Manifest::kHook:
        return Spec("hook", *hooks_, &v1::Hooks::Stub::ApplyHook, &v1::ApplyHookResponse::hook,
                    item.manifest.hook(), dry_run);
      case v1::Manifest::kExperiment:
        return Spec("experiment", *experiments_, &v1::Experiments::Stub::ApplyExperiment,
                    &v1::ApplyExperimentResponse::experiment, item.manifest.experiment(), dry_run);
      case v1::Manifest::kDrift:
        return Spec("drift", *drift_, &v1::Drift::Stub::ApplyDriftMonitor,
                    &v1::ApplyDriftMonitorResponse::monitor, item.manifest.drift(), dry_run);
      case v1::Manifest::ITEM_NOT_SET:
        break;
    }
    return absl::OkStatus();
  }

  template <class Stub, class Method, class Request, class Reply>
  absl::Status Call(const Stub& stub, Method method, const Request& request, Reply* reply) {
    grpc::ClientContext context;
    invocation_.Prepare(context);
    const grpc::Status status = ((*stub).*method)(&context, request, reply);
    return status.ok() ? absl::OkStatus() : connection_.Explain(status);
  }

  absl::Status Collection(const v1::CreateCollectionRequest& wanted, bool dry_run) {
    v1::GetCollectionRequest get;
    get.set_name(wanted.name());
    v1::Collection there;
    absl::Status status =
        Call(collections_, &v1::Collections::Stub::GetCollection, get, &there);
    if (status.ok()) {
      return Alter(wanted, there, dry_run);
    }
    if (!absl::IsNotFound(status)) return status;
    created_.insert(wanted.name());
    plan_.Add("create", "collection", wanted.name(), "");
    if (dry_run) return absl::OkStatus();
    return Call(collections_, &v1::Collections::Stub::CreateCollection, wanted, &there);
  }

  absl::Status Alter(const v1::CreateCollectionRequest& wanted, const v1::Collection& there, bool dry_run) {
    absl::StatusOr<SchemaPlan> plan = PlanSchema(wanted.schema(), there.schema(), options_.prune);
    if (!plan.ok()) {
      return absl::Status(plan.status().code(), absl::StrCat("collection ", wanted.name(), ": ", plan.status().message()));
    }
    plan_.Add(plan->changes ? "change" : "same", "collection", wanted.name(), plan->lines);
    if (!plan->changes) return absl::OkStatus();
    plan->alter.set_collection(wanted.name());
    plan->alter.set_dry_run(dry_run);
    grpc::ClientContext context;
    invocation_.Prepare(context);
    const auto reader = collections_->AlterCollection(&context, plan->alter);
    v1::AlterProgress progress;
    while (reader->Read(&progress)) {}
    const grpc::Status status = reader->Finish();
    return status.ok() ? absl::OkStatus() : connection_.Explain(status);
  }

  absl::Status Pipeline(const v1::PipelineSpec& wanted, bool dry_run) {
    v1::ApplyPipelineRequest request;
    *request.mutable_spec() = wanted;
    request.set_dry_run(dry_run);
    v1::ApplyPipelineResponse reply;
    absl::Status status =
        Call(pipelines_, &v1::Pipelines::Stub::ApplyPipeline, request, &reply);
    if (!status.ok()) return status;
    if (dry_run && !created_.contains(wanted.collection())) {
      v1::GetCollectionRequest get;
      get.set_name(wanted.collection());
      v1::Collection there;
      status = Call(collections_, &v1::Collections::Stub::GetCollection, get, &there);
      if (!status.ok()) {
        return absl::Status(status.code(), absl::StrCat("pipeline ", wanted.name(), ": ",
                                                        status.message()));
      }
    }
    const std::string name = absl::StrCat(wanted.name(), "@", reply.pipeline().number());
    numbers_[wanted.name()] = reply.pipeline().number();
    if (!reply.changed()) {
      plan_.Add("same", "pipeline", name, "");
      return absl::OkStatus();
    }
    const bool fresh = reply.previous().empty();
    plan_.Add(fresh ? "create" : "change", "pipeline", name,
         LineDiff(fresh ? "" : Pretty(reply.previous()), Pretty(reply.pipeline().canonical()),
                  "    "));
    return absl::OkStatus();
  }

  // A gate, an objective, a hook, an experiment or a drift monitor; `kept` is what the reply has of it.
  template <class Stub, class Request, class Reply, class Kept, class Wanted>
  absl::Status Spec(const char* kind, Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                    const Kept& (Reply::*kept)() const, const Wanted& wanted, bool dry_run) {
    Request request;
    *request.mutable_spec() = wanted;
    request.set_dry_run(dry_run);
    Reply reply;
    if (absl::Status status = Call(&stub, method, request, &reply); !status.ok()) return status;
    const Kept& now = (reply.*kept)();
    const std::string before = reply.previous().empty() ? "" : Pretty(reply.previous());
    plan_.Add(!reply.changed() ? "same" : before.empty() ? "create" : "change", kind,
         absl::StrCat(wanted.name(), "@", now.number()),
         reply.changed() ? LineDiff(before, Pretty(now.canonical()), "    ") : "");
    return absl::OkStatus();
  }

  absl::Status Alias(const v1::SetPipelineAliasRequest& wanted, bool dry_run) {
    v1::GetPipelineRequest get;
    get.set_name(absl::StrCat(wanted.name(), "@", wanted.alias()));
    v1::Pipeline there;
    const absl::Status status = Call(pipelines_, &v1::Pipelines::Stub::GetPipeline, get, &there);
    const auto planned = numbers_.find(wanted.name());
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    uint64_t number = wanted.number();
    if (number == 0 && planned != numbers_.end()) number = planned->second;
    if (number == 0) {
      get.set_name(wanted.name());
      v1::Pipeline latest;
      absl::Status found = Call(pipelines_, &v1::Pipelines::Stub::GetPipeline, get, &latest);
      if (!found.ok()) return found;
      number = latest.number();
    }
    const std::string name = absl::StrCat(wanted.name(), "@", wanted.alias());
    if (status.ok() && there.number() == number) {
      plan_.Add("same", "alias", name, "");
      return absl::OkStatus();
    }
    plan_.Add(status.ok() ? "change" : "create", "alias", name,
         absl::StrCat(status.ok() ? absl::StrCat("    - version ", there.number(), "\n") : "",
                      "    + version ", number, "\n"));
    if (dry_run) return absl::OkStatus();
    v1::SetPipelineAliasRequest request = wanted;
    request.set_number(number);
    return Call(pipelines_, &v1::Pipelines::Stub::SetPipelineAlias, request, &there);
  }

  absl::Status Route(const v1::RouteSpec& wanted, bool dry_run) {
    v1::ApplyRouteRequest request;
    *request.mutable_spec() = wanted;
    request.set_dry_run(dry_run);
    v1::ApplyRouteResponse reply;
    absl::Status status = Call(routes_, &v1::Routes::Stub::ApplyRoute, request, &reply);
    if (!status.ok()) return status;
    plan_.Add(reply.changed() ? "change" : "same", "route", "default",
         reply.changed() ? LineDiff(Pretty(reply.previous()), Pretty(reply.canonical()), "    ") : "");
    return absl::OkStatus();
  }

  absl::Status Budget(const v1::Budget& wanted, bool dry_run) {
    uint64_t nano = 0;
    if (!ParseDecimal(wanted.day(), kMoneyDecimals, &nano)) {
      return absl::InvalidArgumentError(
          absl::StrCat("day is '", wanted.day(),
                       "'; it takes an amount with at most 9 decimals, as 1.50"));
    }
    const std::string amount = FormatDecimal(nano, kMoneyDecimals);
    const std::string name = wanted.pipeline().empty() ? "(all pipelines)" : wanted.pipeline();
    v1::SpendingReply there;
    absl::Status status = Spending(&there);
    if (!status.ok()) return status;
    std::string before;
    for (const v1::Budget& budget : there.budgets()) {
      if (budget.pipeline() == wanted.pipeline() && ParseDecimal(budget.day(), kMoneyDecimals, &nano))
        before = FormatDecimal(nano, kMoneyDecimals);
    }
    if (before == amount) {
      plan_.Add("same", "budget", name, "");
      return absl::OkStatus();
    }
    plan_.Add(before.empty() ? "create" : "change", "budget", name,
         absl::StrCat(before.empty() ? "" : absl::StrCat("    - ", before, " a day\n"), "    + ",
                      amount, " a day\n"));
    if (dry_run) return absl::OkStatus();
    v1::SetBudgetRequest request;
    *request.mutable_budget() = wanted;
    v1::SetBudgetResponse reply;
    return Call(spending_, &v1::Spending::Stub::SetBudget, request, &reply);
  }

  absl::Status Spending(v1::SpendingReply* reply) {
    return Call(spending_, &v1::Spending::Stub::GetSpending, v1::GetSpendingRequest(), reply);
  }

  absl::Status Dataset(const ManifestItem& item, bool dry_run) {
    const v1::DatasetFiles& wanted = item.manifest.dataset();
    v1::ImportDatasetRequest request;
    request.set_name(wanted.name());
    request.set_source(wanted.questions());
    *request.mutable_tags() = wanted.tags();
    request.set_dry_run(dry_run);
    for (const auto& [path, content] :
         {std::pair(&wanted.questions(), request.mutable_questions()),
          std::pair(&wanted.judgements(), request.mutable_judgements())}) {
      if (path->empty()) continue;
      absl::StatusOr<std::string> bytes = ReadSource(BesideManifest(item, *path));
      if (!bytes.ok()) return bytes.status();
      *content = *std::move(bytes);
    }
    v1::GetDatasetRequest get;
    get.set_dataset(wanted.name());
    v1::Dataset there;
    absl::Status status = Call(datasets_, &v1::Datasets::Stub::GetDataset, get, &there);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    const bool fresh = absl::IsNotFound(status);
    v1::DatasetInfo info;
    status = Call(datasets_, &v1::Datasets::Stub::ImportDataset, request, &info);
    if (!status.ok()) return status;
    const std::string name = absl::StrCat(wanted.name(), "@", info.version());
    if (!fresh && info.hash() == there.info().hash()) {
      plan_.Add("same", "dataset", name, "");
      return absl::OkStatus();
    }
    const auto line = [](const v1::DatasetInfo& shown) {
      return absl::StrCat(shown.questions(), " questions, ", shown.unanswerable(),
                          " unanswerable, hash ", shown.hash().substr(0, 12), "\n");
    };
    plan_.Add(fresh ? "create" : "change", "dataset", name,
         absl::StrCat(fresh ? "" : absl::StrCat("    - ", line(there.info())), "    + ", line(info)));
    return absl::OkStatus();
  }

  // A path of a file is meant from the folder of the file that names it.
  static std::string BesideManifest(const ManifestItem& item, const std::string& path) {
    if (path.front() == '/') return path;
    const std::string file = item.place.substr(0, item.place.rfind(':'));
    const size_t slash = file.rfind('/');
    return slash == std::string::npos ? path : absl::StrCat(file.substr(0, slash + 1), path);
  }

  // Pipelines, budgets, hooks that were applied and the route that no file names. Collections and datasets hold what a file
  // cannot bring back, so none goes.
  absl::Status Prune(const std::vector<ManifestItem>& items, bool dry_run) {
    if (absl::Status status = PrunePipelines(items, dry_run); !status.ok()) return status;
    if (absl::Status status = PruneBudgets(items, dry_run); !status.ok()) return status;
    if (absl::Status status = PruneHooks(items, dry_run); !status.ok()) return status;
    return PruneRoute(items, dry_run);
  }

  // Not the operator's, which are in his file.
  absl::Status PruneHooks(const std::vector<ManifestItem>& items, bool dry_run) {
    std::set<std::string> kept;
    for (const ManifestItem& item : items) {
      if (item.manifest.has_hook()) kept.insert(item.manifest.hook().name());
    }
    v1::ListHooksResponse there;
    absl::Status status = Call(hooks_, &v1::Hooks::Stub::ListHooks, v1::ListHooksRequest(), &there);
    if (!status.ok()) return status;
    for (const v1::Hook& hook : there.hooks()) {
      if (hook.version() == 0 || kept.contains(hook.name())) continue;
      plan_.Add("remove", "hook", hook.name(), "");
      if (dry_run) continue;
      v1::RemoveHookRequest request;
      request.set_name(hook.name());
      v1::RemoveHookResponse reply;
      status = Call(hooks_, &v1::Hooks::Stub::RemoveHook, request, &reply);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PruneBudgets(const std::vector<ManifestItem>& items, bool dry_run) {
    std::set<std::string> kept;
    for (const ManifestItem& item : items) {
      if (item.manifest.has_budget()) kept.insert(item.manifest.budget().pipeline());
    }
    v1::SpendingReply there;
    absl::Status status = Spending(&there);
    if (!status.ok()) return status;
    for (const v1::Budget& budget : there.budgets()) {
      if (kept.contains(budget.pipeline())) continue;
      plan_.Add("remove", "budget", budget.pipeline().empty() ? "(all pipelines)" : budget.pipeline(), "");
      if (dry_run) continue;
      v1::RemoveBudgetRequest request;
      request.set_pipeline(budget.pipeline());
      v1::RemoveBudgetResponse reply;
      status = Call(spending_, &v1::Spending::Stub::RemoveBudget, request, &reply);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PruneRoute(const std::vector<ManifestItem>& items, bool dry_run) {
    for (const ManifestItem& item : items) {
      if (item.manifest.has_route()) return absl::OkStatus();
    }
    v1::RemoveRouteRequest request;
    request.set_dry_run(dry_run);
    v1::RemoveRouteResponse reply;
    absl::Status status = Call(routes_, &v1::Routes::Stub::RemoveRoute, request, &reply);
    if (absl::IsNotFound(status)) return absl::OkStatus();
    if (status.ok()) plan_.Add("remove", "route", "default", "");
    return status;
  }

  absl::Status PrunePipelines(const std::vector<ManifestItem>& items, bool dry_run) {
    std::set<std::string> kept;
    for (const ManifestItem& item : items) {
      if (item.manifest.has_pipeline()) kept.insert(item.manifest.pipeline().name());
      if (item.manifest.has_alias()) kept.insert(item.manifest.alias().name());
    }
    v1::ListPipelinesResponse there;
    absl::Status status = Call(pipelines_, &v1::Pipelines::Stub::ListPipelines,
                               v1::ListPipelinesRequest(), &there);
    if (!status.ok()) return status;
    for (const v1::Pipeline& pipeline : there.pipelines()) {
      if (kept.contains(pipeline.spec().name())) continue;
      plan_.Add("remove", "pipeline", pipeline.spec().name(), "");
      if (dry_run) continue;
      v1::RemovePipelineRequest request;
      request.set_name(pipeline.spec().name());
      v1::RemovePipelineResponse reply;
      status = Call(pipelines_, &v1::Pipelines::Stub::RemovePipeline, request, &reply);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  Invocation& invocation_;
  const Connection& connection_;
  const ApplyOptions& options_;
  const std::unique_ptr<v1::Collections::Stub> collections_;
  const std::unique_ptr<v1::Pipelines::Stub> pipelines_;
  const std::unique_ptr<v1::Routes::Stub> routes_;
  const std::unique_ptr<v1::Spending::Stub> spending_;
  const std::unique_ptr<v1::Datasets::Stub> datasets_;
  const std::unique_ptr<v1::Delivery::Stub> delivery_;
  const std::unique_ptr<v1::Experiments::Stub> experiments_;
  const std::unique_ptr<v1::Drift::Stub> drift_;
  const std::unique_ptr<v1::Hooks::Stub> hooks_;
  ApplyPlan plan_;
  std::set<std::string> created_;            // collections that this pass makes
  std::map<std::string, uint64_t> numbers_;  // of the pipelines applied, by name
};

absl::Status RunApply(Invocation& invocation, const ApplyOptions& options) {
  absl::StatusOr<std::vector<ManifestItem>> items = ReadManifests(options.path);
  if (!items.ok()) return items.status();
  invocation.uses_models = true;  // a route is checked against the server's tiers
  invocation.uses_hooks = true;
  absl::StatusOr<Connection*> connection = invocation.Connect(Invocation::Store::kCreate);
  if (!connection.ok()) return connection.status();
  return Applier(invocation, **connection, options).Run(*items);
}

}  // namespace

void AddApplyCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"apply", "Bring collections, pipelines, gates, budgets and more to what YAML files say",
       "  vouch apply -f pipelines/ --dry-run\n"
       "  vouch apply -f support.yaml\n"
       "Each document of a file is one of collection, pipeline, alias, gate, slo, hook, experiment, drift,\n"
       "route, budget and dataset. What is as the files say stays untouched; what differs becomes a new version. An alias\n"
       "moves as by `vouch promote`: its gates are asked."},
      [&invocation, options] { return RunApply(invocation, *options); });
  command->add_option("-f,--file", options->path, "the file, or a folder of YAML files")
      ->required()
      ->type_name("PATH");
  command->add_flag("--dry-run", options->dry_run, "say what would be done, and do nothing");
  command->add_flag("--prune", options->prune,
                    "remove pipelines (their versions stay for replays), budgets, applied hooks and "
                    "the route that no file names");
}

}  // namespace vouch
