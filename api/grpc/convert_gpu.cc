#include "api/grpc/convert_gpu.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/gpu_metrics.h"
#include "index/gpu/gpu_dense.h"
#include "index/gpu/gpus.h"
#include "storage/concat.h"
#include "vouch/v1/admin.pb.h"

namespace vouch {
namespace {

void FillProperties(const GpuProperties& properties, v1::GpuInfo* info) {
  info->set_ordinal(static_cast<uint32_t>(properties.ordinal));
  info->set_name(properties.name);
  info->set_capability(absl::StrCat(properties.major, ".", properties.minor));
  info->set_memory_bytes(properties.memory_bytes);
  info->set_driver(properties.driver);
}

void FillDevice(const GpuStatus::Device& device, const std::string& tenant, v1::GpuInfo* info) {
  FillProperties(device.properties, info);
  info->set_lost(device.lost);
  info->set_why_lost(device.why_lost);
  info->set_budget_bytes(device.budget);
  info->set_held_bytes(device.held);
  if (device.free) info->set_free_bytes(*device.free);
  info->set_workspace_bytes(device.workspace);
  info->set_batches(device.batches);
  info->set_searches(device.searches);
  info->set_waiting(device.waiting);
  const auto used = device.used.find(tenant);
  if (used != device.used.end()) info->set_used_us(static_cast<uint64_t>(used->second.count() / 1000));
}

void FillUnit(const GpuStatus::Unit& unit, v1::GpuColumnInfo* column) {
  uint32_t field = 0;
  if (absl::SimpleAtoi(unit.field, &field)) column->set_field(field);
  column->set_collection(unit.collection);
  column->set_first_row(unit.first_row);
  column->set_vectors(unit.vectors);
  column->set_content(std::string(GpuContentName(unit.content)));
  column->set_bytes(unit.bytes);
  column->set_pinned(unit.pinned);
  column->set_searches(unit.searches);
  column->set_saves(unit.benefit);
  for (const int device : unit.devices) column->add_gpus(static_cast<uint32_t>(device));
}

}  // namespace

void FillGpu(const Database& database, const std::string& tenant, v1::GpuReply* reply) {
  reply->set_built_in(HasGpuCode());
  const GpuDense* const dense = GpuDenseOf(database);
  if (dense == nullptr) return;
  const GpuStatus status = dense->Status();
  for (const GpuStatus::Device& device : status.devices) FillDevice(device, tenant, reply->add_gpus());
  for (const GpuStatus::Unit& unit : status.units) {
    if (unit.tenant == tenant) FillUnit(unit, reply->add_columns());
  }
  reply->set_searches(status.searches);
  v1::GpuFallbackCounts* const fallbacks = reply->mutable_fallbacks();
  fallbacks->set_not_placed(status.fallbacks.not_placed);
  fallbacks->set_crowded(status.fallbacks.crowded);
  fallbacks->set_out_of_memory(status.fallbacks.out_of_memory);
  fallbacks->set_failed(status.fallbacks.failed);
  fallbacks->set_lost(status.fallbacks.lost);
  reply->set_placements(status.placements);
  reply->set_evictions(status.evictions);
  reply->set_refusals(status.refusals);
  reply->set_fragmented(status.fragmented);
}

}  // namespace vouch
