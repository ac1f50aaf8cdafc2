#include "api/gpu_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <utility>

#include "api/metrics.h"
#include "index/gpu/gpu_dense.h"
#include "query/offload.h"

namespace vouch {
namespace {

using prometheus::Family;
using prometheus::Gauge;
using prometheus::Registry;

Family<Gauge>& GpuGauge(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

void AddGpuDevices(Registry& registry, const GpuStatus& status) {
  auto& lost = GpuGauge(registry, "vouch_gpu_lost", "1 where the GPU is asked nothing any more.");
  auto& budget = GpuGauge(registry, "vouch_gpu_budget_bytes", "Memory for columns, by GPU.");
  auto& held = GpuGauge(registry, "vouch_gpu_held_bytes", "Memory that columns take, by GPU.");
  auto& free = GpuGauge(registry, "vouch_gpu_free_bytes", "Memory that was free at the last look, less what was placed since, by GPU.");
  auto& waiting = GpuGauge(registry, "vouch_gpu_waiting", "Searches that wait for the GPU.");
  auto& batches = GpuGauge(registry, "vouch_gpu_batches_total", "Batches since the start, by GPU.");
  auto& used = GpuGauge(registry, "vouch_gpu_used_seconds_total", "GPU time since the start, by GPU and tenant.");
  for (const GpuStatus::Device& device : status.devices) {
    const prometheus::Labels labels = {{"gpu", std::to_string(device.properties.ordinal)}};
    lost.Add(labels).Set(device.lost ? 1 : 0);
    budget.Add(labels).Set(static_cast<double>(device.budget));
    held.Add(labels).Set(static_cast<double>(device.held));
    if (device.free) free.Add(labels).Set(static_cast<double>(*device.free));
    waiting.Add(labels).Set(static_cast<double>(device.waiting));
    batches.Add(labels).Set(static_cast<double>(device.batches));
    size_t shown = 0;
    for (const auto& [tenant, time] : device.used) {
      if (++shown > Metrics::kMaxCollections) break;
      used.Add({{"gpu", std::to_string(device.properties.ordinal)}, {"tenant", tenant}})
          .Set(static_cast<double>(time.count()) / 1e9);
    }
  }
}

void AddGpuCollections(Registry& registry, const GpuStatus& status) {
  auto& placed = GpuGauge(registry, "vouch_gpu_collection_bytes", "GPU memory of a collection, with all copies.");
  std::map<std::pair<std::string, std::string>, uint64_t> bytes;
  for (const GpuStatus::Unit& unit : status.units) bytes[{unit.tenant, unit.collection}] += unit.bytes * unit.devices.size();
  size_t shown = 0;
  for (const auto& [name, of] : bytes) {
    if (++shown > Metrics::kMaxCollections) break;
    placed.Add({{"tenant", name.first}, {"collection", name.second}}).Set(static_cast<double>(of));
  }
}

}  // namespace

const GpuDense* GpuDenseOf(const Database& database) { return dynamic_cast<const GpuDense*>(OffloadsOf(database)); }

void AddGpuMetrics(Registry& registry, const Database& database) {
  const GpuDense* const dense = GpuDenseOf(database);
  if (dense == nullptr) return;
  const GpuStatus status = dense->Status();
  AddGpuDevices(registry, status);
  AddGpuCollections(registry, status);
  auto& searches = GpuGauge(registry, "vouch_gpu_searches_total", "Searches of segments that GPUs answered.");
  auto& fallbacks = GpuGauge(registry, "vouch_gpu_fallbacks_total", "Those that suited a GPU and the processor did, by why.");
  auto& placings = GpuGauge(registry, "vouch_gpu_placings_total", "Columns placed, driven out, and refused.");
  auto& fragmented = GpuGauge(registry, "vouch_gpu_fragmented_total", "Columns refused although as much was free, in pieces.");
  searches.Add({}).Set(static_cast<double>(status.searches));
  const std::pair<const char*, uint64_t> reasons[] = {{"not_placed", status.fallbacks.not_placed},
                                                      {"crowded", status.fallbacks.crowded},
                                                      {"out_of_memory", status.fallbacks.out_of_memory},
                                                      {"failed", status.fallbacks.failed},
                                                      {"lost", status.fallbacks.lost}};
  for (const auto& [why, count] : reasons) fallbacks.Add({{"why", why}}).Set(static_cast<double>(count));
  const std::pair<const char*, uint64_t> outcomes[] = {
      {"placed", status.placements}, {"evicted", status.evictions}, {"refused", status.refusals}};
  fragmented.Add({}).Set(static_cast<double>(status.fragmented));
  for (const auto& [outcome, count] : outcomes) placings.Add({{"outcome", outcome}}).Set(static_cast<double>(count));
}

}  // namespace vouch
