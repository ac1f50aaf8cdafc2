// Decoders of inverted files and recall curves: what they take is searched.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "index/dense/dense_search.h"
#include "index/dense/ivf.h"
#include "index/dense/recall_curves.h"
#include "tests/index/dense/dense_data.h"

namespace {

constexpr uint32_t kDim = 5;

const vouch::DenseColumn& Column() {
  static const vouch::DenseColumn& column = *new vouch::DenseColumn(
      vouch::MakeColumn(vouch::ClusteredVectors(1, 70, kDim, vouch::Metric::kL2), kDim, vouch::Metric::kL2));
  return column;
}

const vouch::Ivf& Built(bool with_codes) {
  static const auto* both = new std::vector<std::shared_ptr<const vouch::Ivf>>{
      *vouch::Ivf::Build(Column(), false, 1, [](double) { return absl::OkStatus(); }),
      *vouch::Ivf::Build(Column(), true, 1, [](double) { return absl::OkStatus(); })};
  return *(*both)[with_codes ? 1 : 0];
}

void Search(std::string_view bytes, bool with_codes) {
  auto buffer = std::make_shared<vouch::AlignedBuffer>(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
  const auto ivf = vouch::Ivf::Parse(buffer->view(), Column().nodes(), kDim, with_codes, buffer);
  if (!ivf.ok()) return;
  const std::vector<float> query(kDim, 0.5f);
  vouch::Ivf::Query prepared;
  (*ivf)->Prepare(query.data(), vouch::Metric::kL2, prepared);
  size_t nodes = 0;
  std::vector<float> keys;
  for (uint32_t cell = 0; cell < (*ivf)->cells(); ++cell) {
    nodes += (*ivf)->NodesOf(cell).size();
    if (with_codes) (*ivf)->Keys(prepared, cell, keys);
  }
  if (nodes != Column().nodes()) std::abort();
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  vouch::DenseSegmentSearch search;
  search.column = &Column();
  const auto curves = *vouch::RecallCurves::Measure(search, 1, [](double) { return absl::OkStatus(); });
  return {std::string(Built(false).bytes()), std::string(Built(true).bytes()), curves->Serialize()};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto curves = vouch::RecallCurves::Parse(input); curves.ok()) {
    if ((*curves)->Serialize() != input) std::abort();
    (void)(*curves)->EfFor(0.9, 10, 0.3);
    (void)(*curves)->RecallAt(33, 10, 0.3);
  }
  for (const bool with_codes : {false, true}) {
    Search(input, with_codes);
  }
  return 0;
}
