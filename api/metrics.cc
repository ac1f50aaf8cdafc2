#include "api/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "api/gpu_metrics.h"
#include "api/version.h"
#include "rag/drift/drift_monitor.h"
#include "rag/llm/budget_store.h"
#include "rag/llm/spend_ledger.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::Registry;

// Seconds: from a small search to an answer of a slow model.
const Histogram::BucketBoundaries& Buckets() {
  static const auto& buckets = *new Histogram::BucketBoundaries{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120};
  return buckets;
}

Family<Counter>& CounterOf(Registry& registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry);
}
Family<Gauge>& GaugeOf(Registry& registry, const char* name, const char* help) {
  return BuildGauge().Name(name).Help(help).Register(registry);
}
Family<Histogram>& HistogramOf(Registry& registry, const char* name, const char* help) {
  return BuildHistogram().Name(name).Help(help).Register(registry);
}

// "ok", "skipped", or the code's name.
std::string OutcomeOf(const ModelAttempt& attempt) {
  // No code: whoever watches wants to tell it from a server that fails.
  if (attempt.outcome.find(" may spend ") != std::string::npos &&
      attempt.outcome.rfind("skipped", 0) == 0) {
    return "over_limit";
  }
  return attempt.outcome.substr(0, attempt.outcome.find(':'));
}

double ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t all = 0;
  uint64_t resident = 0;
  in >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void AddCollections(Registry& registry, Database& database) {
  auto& points = GaugeOf(registry, "vouch_collection_points", "Live points.");
  auto& rows = GaugeOf(registry, "vouch_collection_rows", "Rows ever written.");
  auto& version = GaugeOf(registry, "vouch_collection_version", "The latest version.");
  auto& segments = GaugeOf(registry, "vouch_index_segments", "Segments of the index.");
  auto& resident = GaugeOf(registry, "vouch_index_private_bytes", "Memory of the index.");
  auto& mapped = GaugeOf(registry, "vouch_index_mapped_bytes", "Vectors in files, which the system caches.");
  auto& damaged =
      GaugeOf(registry, "vouch_index_files_damaged", "Index files found damaged since opening.");
  auto& building = GaugeOf(registry, "vouch_index_building", "1 while the background builds.");
  std::vector<std::shared_ptr<Collection>> open = database.OpenCollections();
  std::sort(open.begin(), open.end(), [](const auto& a, const auto& b) {
    return std::pair(a->info().name, a->info().tenant) < std::pair(b->info().name, b->info().tenant);
  });
  if (open.size() > Metrics::kMaxCollections) open.resize(Metrics::kMaxCollections);
  for (const std::shared_ptr<Collection>& collection : open) {
    const prometheus::Labels labels = {{"tenant", collection->info().tenant},
                                       {"collection", collection->info().name}};
    const CollectionStats stats = collection->Stats();
    points.Add(labels).Set(static_cast<double>(stats.points));
    rows.Add(labels).Set(static_cast<double>(stats.rows));
    version.Add(labels).Set(static_cast<double>(stats.version.value));
    segments.Add(labels).Set(static_cast<double>(stats.index.segments.size()));
    resident.Add(labels).Set(static_cast<double>(stats.index.memory.private_bytes()));
    mapped.Add(labels).Set(static_cast<double>(stats.index.memory.mapped_vectors));
    damaged.Add(labels).Set(static_cast<double>(stats.index.files_damaged));
    building.Add(labels).Set(stats.index.building.empty() ? 0 : 1);
  }
}

// What the day has spent, and may. Of the default tenant and those with open collections; pipelines
// are named by whoever may apply them, and the first ones by name are shown.
void AddSpending(Registry& registry, Database& database) {
  auto& spent = GaugeOf(registry, "vouch_spending_day",
                        "Spent, lapsed and reserved today (UTC), in the currency.");
  auto& limit = GaugeOf(registry, "vouch_spending_day_limit", "Budgets, in the currency.");
  std::set<std::string> tenants = {Principal().tenant};
  for (const std::shared_ptr<Collection>& collection : database.OpenCollections())
    tenants.insert(collection->info().tenant);
  const SpendLedger ledger(database.store().catalog(), database.clock());
  for (const std::string& tenant : tenants) {
    absl::StatusOr<SpendBook> book = ledger.Read(tenant, ledger.Today());
    if (!book.ok()) continue;
    book->LapseAt(database.clock().NowMicros());
    spent.Add({{"tenant", tenant}, {"pipeline", ""}})
        .Set(static_cast<double>(book->CommittedNano(std::nullopt)) / 1e9);
    for (size_t i = 0; i < book->accounts.size() && i < Metrics::kMaxCollections; ++i) {
      const std::string& pipeline = book->accounts[i].pipeline;
      spent.Add({{"tenant", tenant}, {"pipeline", pipeline}})
          .Set(static_cast<double>(book->CommittedNano(pipeline)) / 1e9);
    }
    const absl::StatusOr<std::vector<Budget>> budgets =
        BudgetStore(database.store().catalog()).List(tenant);
    if (!budgets.ok()) continue;
    for (size_t i = 0; i < budgets->size() && i < Metrics::kMaxCollections; ++i) {
      limit.Add({{"tenant", tenant}, {"pipeline", (*budgets)[i].pipeline}})
          .Set(static_cast<double>((*budgets)[i].day_nano) / 1e9);
    }
  }
}

void AddDrift(Registry& registry, Database& database) {
  Family<Gauge>& drifting =
      GaugeOf(registry, "vouch_drift_monitors", "Monitors that see the kind drift now.");
  for (const auto& [kind, count] : CountDrifting(database.store(), database.clock())) {
    drifting.Add({{"kind", std::string(DriftKindName(kind))}}).Set(static_cast<double>(count));
  }
}

}  // namespace

struct Metrics::Families {
  Registry registry = Registry();
  Family<Counter>& calls =
      CounterOf(registry, "vouch_rpc_requests_total", "Calls that ended, by method and code.");
  Family<Histogram>& call_seconds =
      HistogramOf(registry, "vouch_rpc_duration_seconds", "Time of a call, by method.");
  Gauge& running = GaugeOf(registry, "vouch_rpc_running", "Calls that run.").Add({});
  Family<Counter>& http =
      CounterOf(registry, "vouch_http_requests_total", "HTTP requests, by page and status.");
  Family<Histogram>& http_seconds = HistogramOf(registry, "vouch_http_duration_seconds",
                                                "Time until the head of a reply, by page.");
  Gauge& connections = GaugeOf(registry, "vouch_http_connections", "Open HTTP connections.").Add({});
  Counter& refused =
      CounterOf(registry, "vouch_http_refused_total", "HTTP connections over the limit.").Add({});
  Family<Counter>& tries =
      CounterOf(registry, "vouch_model_tries_total", "Tries at models, by tier, model and outcome.");
  Family<Counter>& tokens =
      CounterOf(registry, "vouch_model_tokens_total", "Tokens, by model and kind.");
  Family<Counter>& cost =
      CounterOf(registry, "vouch_model_cost_total", "What models cost, in the currency.");
  Family<Histogram>& try_seconds =
      HistogramOf(registry, "vouch_model_duration_seconds", "Time of a try that was made.");
  Family<Counter>& spans =
      CounterOf(registry, "vouch_telemetry_spans_total", "Spans, by whether the collector got them.");
  Family<Counter>& answers =
      CounterOf(registry, "vouch_answers_total", "Answers, by who wrote them and whether they abstain.");
  Family<Counter>& hedges = CounterOf(registry, "vouch_model_hedges_total",
                                      "Second requests beside slow ones, by model.");
  Family<Counter>& decisions =
      CounterOf(registry, "vouch_answer_tiers_total",
                "Completions of routes that escalate, by tier and what was decided.");
  Family<Counter>& cache =
      CounterOf(registry, "vouch_answer_cache_total", "Questions to pipelines with a cache.");
  Family<Counter>& drift_looks = CounterOf(registry, "vouch_drift_looks_total",
                                           "Looks of drift monitors, by kind and verdict.");
  Family<Counter>& drift_alarms = CounterOf(registry, "vouch_drift_alarms_total",
                                            "Alarms that drift monitors began, by kind.");
  Family<Histogram>& steps =
      HistogramOf(registry, "vouch_answer_step_seconds", "Time of an answer's steps.");
  // Of calls that ended well, so that nothing is looked up for them.
  struct Method {
    Counter* ok;
    Histogram* seconds;
  };
  absl::flat_hash_map<std::string, Method> methods = {};
};

Metrics::Metrics(const std::vector<std::string>& methods)
    : families_(std::make_unique<Families>()) {
  std::vector<std::string> all = methods;
  all.push_back("other");
  for (const std::string& method : all) {
    families_->methods[method] = {
        &families_->calls.Add({{"method", method}, {"code", "OK"}}),
        &families_->call_seconds.Add({{"method", method}}, Buckets())};
  }
  GaugeOf(families_->registry, "vouch_build_info", "Always 1; the version is its label.")
      .Add({{"version", std::string(kProgramVersion)}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::BeginCall() { families_->running.Increment(); }

void Metrics::EndCall(std::string_view method, std::string_view code, double seconds) {
  families_->running.Decrement();
  auto found = families_->methods.find(ToAbsl(method));
  if (found == families_->methods.end()) found = families_->methods.find("other");
  found->second.seconds->Observe(seconds);
  if (code == "OK") return found->second.ok->Increment();
  families_->calls.Add({{"method", found->first}, {"code", std::string(code)}}).Increment();
}

void Metrics::CountHttp(std::string_view page, int status, double seconds) {
  const std::string name(page);
  families_->http.Add({{"page", name}, {"status", std::to_string(status)}}).Increment();
  families_->http_seconds.Add({{"page", name}}, Buckets()).Observe(seconds);
}

void Metrics::OpenHttp() { families_->connections.Increment(); }
void Metrics::CloseHttp() { families_->connections.Decrement(); }
void Metrics::RefuseHttp() { families_->refused.Increment(); }

void Metrics::CountModelTry(const ModelAttempt& attempt, std::string_view currency) {
  const std::string outcome = OutcomeOf(attempt);
  families_->tries
      .Add({{"tier", attempt.tier}, {"model", attempt.model}, {"outcome", outcome}})
      .Increment();
  if (attempt.hedge) families_->hedges.Add({{"model", attempt.model}}).Increment();
  if (outcome == "skipped" || outcome == "over_limit") return;
  families_->try_seconds.Add({{"model", attempt.model}}, Buckets())
      .Observe(static_cast<double>(attempt.ended_us - attempt.started_us) / 1e6);
  families_->tokens.Add({{"model", attempt.model}, {"kind", "prompt"}})
      .Increment(static_cast<double>(attempt.usage.prompt_tokens));
  families_->tokens.Add({{"model", attempt.model}, {"kind", "completion"}})
      .Increment(static_cast<double>(attempt.usage.completion_tokens));
  families_->cost.Add({{"model", attempt.model}, {"currency", std::string(currency)}})
      .Increment(static_cast<double>(attempt.cost_nano) / 1e9);
}

void Metrics::CountAnswer(const Answer& answer) {
  const bool model = answer.generation && !answer.generation->tier.empty();
  families_->answers
      .Add({{"generator", model ? "model" : "quotes"},
            {"abstained", answer.abstained ? "true" : "false"}})
      .Increment();
  if (answer.cache) {
    families_->cache.Add({{"outcome", answer.cache->answer_id.empty() ? "miss" : "hit"}}).Increment();
  }
  if (answer.generation) {
    for (const TierDecision& decision : answer.generation->decisions) {
      families_->decisions.Add({{"tier", decision.tier}, {"decision", decision.decision}})
          .Increment();
    }
  }
  families_->steps.Add({{"step", "retrieve"}}, Buckets())
      .Observe(static_cast<double>(answer.retrieve_us) / 1e6);
  families_->steps.Add({{"step", "generate"}}, Buckets())
      .Observe(static_cast<double>(answer.generate_us) / 1e6);
}

void Metrics::CountSpans(uint64_t exported, uint64_t dropped) {
  if (exported > 0) families_->spans.Add({{"outcome", "exported"}}).Increment(static_cast<double>(exported));
  if (dropped > 0) families_->spans.Add({{"outcome", "dropped"}}).Increment(static_cast<double>(dropped));
}

void Metrics::CountDriftLook(std::string_view kind, std::string_view verdict, bool alarmed) {
  const std::string name(kind);
  families_->drift_looks.Add({{"kind", name}, {"verdict", std::string(verdict)}}).Increment();
  if (alarmed) families_->drift_alarms.Add({{"kind", name}}).Increment();
}

std::string Metrics::Render(Database* database) const {
  std::vector<MetricFamily> all = families_->registry.Collect();
  Registry now;
  GaugeOf(now, "process_resident_memory_bytes", "Resident memory of the process.")
      .Add({})
      .Set(ResidentBytes());
  if (database != nullptr) {
    AddCollections(now, *database);
    AddSpending(now, *database);
    AddDrift(now, *database);
    AddGpuMetrics(now, *database);
  }
  for (MetricFamily& family : now.Collect()) all.push_back(std::move(family));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return out.str();
}

}  // namespace vouch
