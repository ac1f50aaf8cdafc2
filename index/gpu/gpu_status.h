#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "index/gpu/gpu_device.h"

namespace vouch {

// What devices did and hold, for people and metrics.
struct GpuStatus {
  struct Device {
    GpuProperties properties = {};
    bool lost = false;
    std::string why_lost = {};
    uint64_t budget = 0;     // for columns
    uint64_t held = 0;
    // Of all its memory, as the driver said when it was last looked at, less what is placed, and with what went, since.
    std::optional<uint64_t> free = {};
    uint64_t workspace = 0;  // buffers of searches
    uint64_t batches = 0;
    uint64_t searches = 0;
    size_t waiting = 0;
    std::map<std::string, std::chrono::nanoseconds> used = {};  // by tenant
  };
  // One dense field of one segment.
  struct Unit {
    std::string tenant = {};
    std::string collection = {};
    std::string field = {};
    uint64_t first_row = 0;
    uint64_t vectors = 0;
    GpuContent content = GpuContent::kVectors;
    uint64_t bytes = 0;
    bool pinned = false;
    uint64_t searches = 0;      // asked of it, wherever they were done
    double benefit = 0;         // processor seconds a second that placing it saves
    std::vector<int> devices = {};
  };
  // Why searches that suited a device were done by the processor.
  struct Fallbacks {
    uint64_t not_placed = 0;   // its column lies on no device, yet or any more
    uint64_t crowded = 0;      // too many searches waited
    uint64_t out_of_memory = 0;
    uint64_t failed = 0;       // a kernel, or anything else of one search
    uint64_t lost = 0;         // the device
    uint64_t total() const { return not_placed + crowded + out_of_memory + failed + lost; }
  };
  std::vector<Device> devices = {};
  std::vector<Unit> units = {};
  uint64_t searches = 0;  // that a device answered
  Fallbacks fallbacks = {};
  uint64_t placements = 0;
  uint64_t evictions = 0;
  uint64_t refusals = 0;    // of placements that should have fitted
  uint64_t fragmented = 0;  // those of them for which as much was free, in pieces
  uint64_t builds = 0;      // graphs that a device linked
};

}  // namespace vouch
