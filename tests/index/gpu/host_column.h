#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "index/dense/code_kernels.h"
#include "index/dense/hamming_kernels.h"
#include "index/dense/kernels.h"
#include "index/gpu/kernel_device.h"
#include "storage/vector_codec.h"

namespace vouch {

// A column as it is kept, and what a search by plain loops finds in it.
struct HostColumn {
  GpuShape shape = {};
  std::string records = {};

  static HostColumn Random(VectorType type, Metric metric, uint32_t dim, uint32_t nodes, uint64_t seed) {
    HostColumn column{.shape = {.content = GpuContent::kVectors,
                                .type = type,
                                .metric = metric,
                                .dim = dim,
                                .nodes = nodes,
                                .record_bytes = static_cast<uint32_t>(VectorBytes(type, dim))}};
    column.records.resize(size_t{nodes} * column.shape.record_bytes);
    std::mt19937_64 random(seed);
    for (uint32_t node = 0; node < nodes; ++node) {
      // Some stand twice, so that distances tie.
      const bool twin = node > 0 && node % 7 == 0;
      const std::vector<float> vector = twin ? column.Vector(node - 1) : RandomVector(type, dim, random);
      EncodeVector(type, vector, column.records.data() + size_t{node} * column.shape.record_bytes);
    }
    return column;
  }
  static std::vector<float> RandomVector(VectorType type, uint32_t dim, std::mt19937_64& random) {
    std::normal_distribution<float> normal;
    std::vector<float> vector(dim);
    for (float& value : vector) {
      value = type == VectorType::kI8    ? static_cast<float>(static_cast<int>(random() % 256) - 128)
              : type == VectorType::kBit ? static_cast<float>(random() % 2)
                                         : normal(random);
    }
    EXPECT_TRUE(RoundVector(type, vector).ok());
    return vector;
  }

  std::vector<float> Vector(uint32_t node) const {
    std::vector<float> vector(shape.dim);
    DecodeVector(shape.type, records.data() + size_t{node} * shape.record_bytes, vector);
    return vector;
  }
  GpuSource Source() const {
    GpuSource source;
    source.records = [this](uint32_t begin, uint32_t end, char* out) {
      std::memcpy(out, records.data() + size_t{begin} * shape.record_bytes, size_t{end - begin} * shape.record_bytes);
      return absl::OkStatus();
    };
    return source;
  }
  std::vector<GpuFound> Nearest(const std::vector<float>& query, size_t k, const std::vector<bool>& allowed) const {
    std::vector<GpuFound> found;
    for (uint32_t node = 0; node < shape.nodes; ++node) {
      if (!allowed[node]) continue;
      found.push_back({AvailableKernels().front().one(shape.metric)(query.data(), Vector(node).data(), shape.dim) + 0.0f, node});
    }
    std::sort(found.begin(), found.end(), [](const GpuFound& a, const GpuFound& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
    });
    found.resize(std::min(found.size(), k));
    return found;
  }
};

std::vector<uint64_t> WordsOf(const std::vector<bool>& allowed) {
  std::vector<uint64_t> words((allowed.size() + 63) / 64);
  for (size_t i = 0; i < allowed.size(); ++i) words[i / 64] |= uint64_t{allowed[i]} << (i % 64);
  return words;
}

struct Subset {
  std::vector<bool> allowed;
  std::vector<uint64_t> words;
  std::vector<uint32_t> list;

  Subset(uint32_t nodes, double share, std::mt19937_64& random) : allowed(nodes) {
    for (uint32_t node = 0; node < nodes; ++node) {
      allowed[node] = static_cast<double>(random() % 1000) < share * 1000;
      if (allowed[node]) list.push_back(node);
    }
    words = WordsOf(allowed);
    std::shuffle(list.begin(), list.end(), random);
  }
};

inline std::unique_ptr<KernelDevice> OpenOn(std::shared_ptr<GpuDriver> driver, KernelDeviceOptions options = {}) {
  if (options.stream_bytes > (uint64_t{8} << 20)) options.stream_bytes = uint64_t{8} << 20;
  return *KernelDevice::Open(std::move(driver), options);
}

}  // namespace vouch
