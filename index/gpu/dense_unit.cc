#include "index/gpu/dense_unit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "index/dense/vector_codes_layout.h"
#include "index/dense/vector_reader.h"

namespace vouch {
namespace {

constexpr double kNewestSearch = 0.1;     // of a search's time, in the mean
constexpr double kRateHalfLifeSeconds = 30;
constexpr uint32_t kNodesBetweenChecks = 1024;
constexpr uint32_t kFittedNodes = 4096;  // from which an inverted file's codes get their mean and step
constexpr uint32_t kFittedCells = 8;

// The header of an inverted file's bytes (index/dense/ivf.h).
struct IvfHeader {
  uint32_t nodes;
  uint32_t dim;
  uint32_t cells;
  uint32_t groups;
  uint32_t group_size;
  uint32_t blocks;
};

IvfHeader HeaderOf(const Ivf& ivf) {
  IvfHeader header;
  std::memcpy(&header, ivf.bytes().data(), sizeof(header));
  return header;
}

}  // namespace

std::optional<GpuShape> ChooseShape(const Segment& segment, size_t field, const std::function<bool(const GpuShape&)>& fits) {
  const DenseColumn& column = segment.dense[field];
  if (column.nodes() == 0) return std::nullopt;
  GpuShape shape{.content = GpuContent::kVectors,
                 .type = column.type(),
                 .metric = column.metric(),
                 .dim = column.dim(),
                 .nodes = column.nodes(),
                 .record_bytes = static_cast<uint32_t>(column.vector_bytes())};
  if (const Ivf* ivf = segment.IvfOf(field); ivf != nullptr && ivf->has_codes()) {
    shape.content = GpuContent::kProductCodes;
    shape.record_bytes = 0;
    shape.groups = ivf->groups();
    shape.blocks = HeaderOf(*ivf).blocks;
    return shape;
  }
  if (fits(shape)) return shape;
  const bool coded = segment.IvfOf(field) != nullptr && column.type() != VectorType::kBit;
  uint32_t code_bytes = shape.record_bytes;
  if (const VectorCodes* codes = segment.CodesOf(field); codes != nullptr) {
    code_bytes = static_cast<uint32_t>(codes->stride());
  } else if (coded) {
    code_bytes = CodeStride(column.dim());
  }
  if (code_bytes < shape.record_bytes) {
    shape.content = GpuContent::kCodes;
    shape.record_bytes = code_bytes;
  }
  return shape;
}

DenseUnit::DenseUnit(Name name, SegmentPtr segment, size_t field, const GpuShape& shape)
    : name_(std::move(name)), segment_(std::move(segment)), field_(field), shape_(shape) {
  if (shape_.content != GpuContent::kProductCodes) return;
  uint32_t block = 0;
  for (uint32_t cell = 0; cell < ivf()->cells(); ++cell) {
    first_block_.push_back(block);
    block += static_cast<uint32_t>((ivf()->NodesOf(cell).size() + gpu::kPartNodes - 1) / gpu::kPartNodes);
  }
}

GpuSource DenseUnit::Source() const {
  GpuSource source;
  if (shape_.content == GpuContent::kProductCodes) {
    const IvfHeader header = HeaderOf(*ivf());
    const IvfLayout layout(header.nodes, header.dim, header.cells, header.groups, header.group_size, header.blocks);
    const char* const bytes = ivf()->bytes().data();
    source.place_nodes = {reinterpret_cast<const uint32_t*>(bytes + layout.node), header.nodes};
    source.place_biases = {reinterpret_cast<const float*>(bytes + layout.bias), header.nodes};
    source.blocks = {reinterpret_cast<const uint8_t*>(bytes + layout.code), size_t{header.blocks} * header.groups * 16};
    return source;
  }
  if (shape_.content == GpuContent::kCodes && ivf() != nullptr) return SourceOfCells();
  if (shape_.content == GpuContent::kCodes) {
    source.records = [this](uint32_t begin, uint32_t end, char* out) {
      const VectorCodes& codes = *segment_->CodesOf(field_);
      std::memcpy(out, codes.code(begin), size_t{end - begin} * codes.stride());
      return retired() ? absl::CancelledError("the segment was replaced") : absl::OkStatus();
    };
    return source;
  }
  source.records = [this, reader = std::make_shared<VectorReader>(column())](uint32_t begin, uint32_t end, char* out) {
    for (uint32_t node = begin; node < end; ++node, out += column().vector_bytes()) {
      std::memcpy(out, reader->ReadNextBytes(node), column().vector_bytes());
      if (node % kNodesBetweenChecks == 0 && retired()) return absl::CancelledError("the segment was replaced");
    }
    return reader->status();
  };
  return source;
}

std::shared_ptr<const std::vector<uint32_t>> DenseUnit::NodesOf(const std::shared_ptr<const Bitmap>& allowed,
                                                                 uint64_t count) const {
  {
    const std::lock_guard lock(mu_);
    std::erase_if(listed_, [](const Listed& one) { return one.nodes.expired() || one.allowed.expired(); });
    for (const Listed& one : listed_) {
      if (one.allowed.lock() != allowed) continue;
      if (auto nodes = one.nodes.lock(); nodes != nullptr) return nodes;
    }
  }
  auto nodes = std::make_shared<std::vector<uint32_t>>();
  nodes->reserve(count);
  if (column().dense_rows()) {
    allowed->ForEach([&](size_t row) { nodes->push_back(static_cast<uint32_t>(row)); });
  } else {
    for (uint32_t node = 0; node < column().nodes(); ++node) {
      if (allowed->Test(column().RowOf(node))) nodes->push_back(node);
    }
  }
  const std::lock_guard lock(mu_);
  listed_.push_back({allowed, nodes});
  return nodes;
}

std::shared_ptr<const VectorCodes> DenseUnit::codes() const {
  if (const VectorCodes* own = segment_->CodesOf(field_); own != nullptr) return {segment_, own};
  const std::lock_guard lock(mu_);
  return fitted_;
}

absl::StatusOr<std::shared_ptr<const VectorCodes>> DenseUnit::FitCodes() const {
  // Some from everywhere, and whole cells, whose rows are near each other: what codes must tell apart.
  std::vector<uint32_t> nodes;
  const uint32_t spread = std::min(kFittedNodes / 2, column().nodes());
  for (uint32_t i = 0; i < spread; ++i) nodes.push_back(static_cast<uint32_t>(uint64_t{i} * column().nodes() / spread));
  const uint32_t cells = std::min(kFittedCells, ivf()->cells());
  for (uint32_t i = 0; i < cells; ++i) {
    const std::span<const uint32_t> of_cell = ivf()->NodesOf(static_cast<uint32_t>(uint64_t{i} * ivf()->cells() / cells));
    const size_t taken = std::min<size_t>(of_cell.size(), kFittedNodes / 2 / cells);
    nodes.insert(nodes.end(), of_cell.begin(), of_cell.begin() + static_cast<ptrdiff_t>(taken));
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  VectorReader reader(column());
  std::vector<float> values;
  std::vector<std::span<const float>> vectors;
  values.reserve(nodes.size() * column().dim());
  for (const uint32_t node : nodes) {
    const float* const vector = reader.Read(node);
    vectors.emplace_back(values.insert(values.end(), vector, vector + column().dim()), column().dim());
  }
  if (!reader.status().ok()) return reader.status();
  DenseField field;  // of f32, whatever the column's type
  field.dim = column().dim();
  field.metric = column().metric();
  const absl::StatusOr<DenseColumn> sample = DenseColumn::Build(field, vectors);
  if (!sample.ok()) return sample.status();
  return VectorCodes::Fit(*sample);
}

// Each vector's record, made while it is uploaded: nothing of it stays here.
GpuSource DenseUnit::SourceOfCells() const {
  struct Reading {
    explicit Reading(const DenseColumn& column) : reader(column) {}
    VectorReader reader;
    std::vector<float> scratch;
  };
  GpuSource source;
  source.records = [this, reading = std::make_shared<Reading>(column())](uint32_t begin, uint32_t end, char* out) {
    std::shared_ptr<const VectorCodes> codes = this->codes();
    if (codes == nullptr) {
      absl::StatusOr<std::shared_ptr<const VectorCodes>> fitted = FitCodes();
      // What memory is short of here is no matter of the device's.
      if (absl::IsResourceExhausted(fitted.status())) return absl::InternalError(fitted.status().message());
      if (!fitted.ok()) return fitted.status();
      if (*fitted == nullptr) {
        unsuitable_ = true;
        return absl::UnimplementedError("7-bit codes of its vectors do not keep the nearest first");
      }
      codes = *std::move(fitted);
      const std::lock_guard lock(mu_);
      fitted_ = codes;
    }
    for (uint32_t node = begin; node < end; ++node, out += codes->stride()) {
      codes->EncodeRecord(reading->reader.ReadNext(node), reading->scratch, reinterpret_cast<uint8_t*>(out));
      if (node % kNodesBetweenChecks == 0 && retired()) return absl::CancelledError("the segment was replaced");
    }
    return reading->reader.status();
  };
  return source;
}

void DenseUnit::NoteSearchedHere(std::chrono::nanoseconds took) {
  // Two at a time may lose one of them, which a mean can bear.
  const double mean = here_ns_.load(std::memory_order_relaxed);
  const auto now = static_cast<double>(took.count());
  here_ns_.store(mean == 0 ? now : (1 - kNewestSearch) * mean + kNewestSearch * now, std::memory_order_relaxed);
}

double DenseUnit::MeasureBenefit(double seconds) {
  const uint64_t asked = asked_.load(std::memory_order_relaxed);
  if (seconds > 0) {
    const double rate = static_cast<double>(asked - measured_) / seconds;
    const double kept = std::exp2(-seconds / kRateHalfLifeSeconds);
    rate_ = kept * rate_ + (1 - kept) * rate;
    measured_ = asked;
  }
  const double benefit = rate_ * here_ns_.load(std::memory_order_relaxed);
  benefit_.store(benefit, std::memory_order_relaxed);
  return benefit;
}

void DenseUnit::Add(std::shared_ptr<const PlacedColumn> placed) {
  const std::lock_guard lock(mu_);
  placed_.push_back(std::move(placed));
}

bool DenseUnit::Remove(int device) {
  std::vector<std::shared_ptr<const PlacedColumn>> gone;  // outside the lock
  const std::lock_guard lock(mu_);
  const auto stays = [&](const auto& placed) { return placed->device() != device; };
  const auto from = std::stable_partition(placed_.begin(), placed_.end(), stays);
  gone.assign(std::make_move_iterator(from), std::make_move_iterator(placed_.end()));
  placed_.erase(from, placed_.end());
  return !gone.empty();
}

std::vector<std::shared_ptr<const PlacedColumn>> DenseUnit::placed() const {
  const std::lock_guard lock(mu_);
  return placed_;
}

}  // namespace vouch
