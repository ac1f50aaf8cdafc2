#include "tests/support/host_driver.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/host_block.h"

namespace vouch {
namespace {

using gpu::HostBlock;
using gpu::NoRegisters;
struct NoShared {};

// Runs the program of each block of a grid. A block's slots are filled with what no key is, as shared memory holds anything.
template <typename Registers, typename Shared, typename Program>
void ForEachBlock(GpuGrid grid, uint32_t query_step, uint64_t slots, const Program& program) {
  auto shared = std::make_unique<Shared>();
  std::vector<uint64_t> places(slots);
  for (uint32_t query = 0; query < grid.queries; ++query) {
    for (uint32_t index = 0; index < grid.blocks; ++index) {
      std::memset(static_cast<void*>(shared.get()), 0xA5, sizeof(Shared));
      std::fill(places.begin(), places.end(), uint64_t{7});
      HostBlock<Registers> block(index, grid.blocks, query * query_step);
      program(block, *shared, places.data());
    }
  }
}

template <uint32_t kQueries>
void RunRowScan(gpu::RowFormKind kind, const gpu::RowScanArgs& args, GpuGrid grid) {
  gpu::WithForm(kind, [&](auto form) {
    using Form = decltype(form);
    ForEachBlock<gpu::RowScanRegisters<Form, kQueries>, gpu::RowScanShared<Form, kQueries>>(
        grid, kQueries, uint64_t{kQueries} * gpu::SlotsFor(args.k), [&](auto& block, auto& shared, uint64_t* slots) {
          gpu::RowScanBlock<Form, kQueries>(block, args, shared, slots);
        });
  });
}

// As tensor cores take a float: ten bits of fraction, the others cut off.
float Tf32(float value) { return gpu::FloatOfBits(gpu::BitsOfFloat(value) & 0xFFFFE000u); }

float ProductOf(const GpuProducts& products, uint64_t row, uint64_t query, double noise) {
  std::vector<float> a(products.values);
  std::vector<float> b(products.values);
  for (uint64_t i = 0; i < products.values; ++i) {
    if (products.half) {
      a[i] = gpu::FloatOfHalfBits(static_cast<const uint16_t*>(products.rows)[row * products.values + i]);
      b[i] = gpu::FloatOfHalfBits(static_cast<const uint16_t*>(products.queries)[query * products.values + i]);
    } else {
      a[i] = static_cast<const float*>(products.rows)[row * products.values + i];
      b[i] = static_cast<const float*>(products.queries)[query * products.values + i];
      if (products.rounded) {
        a[i] = Tf32(a[i]);
        b[i] = Tf32(b[i]);
      }
    }
  }
  // From the end, eight at a time.
  float sum = 0;
  double squares_a = 0;
  double squares_b = 0;
  for (uint64_t begin = products.values; begin > 0; begin -= 8) {
    float part = 0;
    for (uint64_t i = begin - 8; i < begin; ++i) {
      part += a[i] * b[i];
      squares_a += double{a[i]} * a[i];
      squares_b += double{b[i]} * b[i];
    }
    sum += part;
  }
  const double sign = (row * 2654435761u + query) % 2 == 0 ? 1 : -1;
  return static_cast<float>(sum + sign * noise * std::sqrt(squares_a * squares_b));
}

}  // namespace

class HostStream final : public GpuStream {
 public:
  explicit HostStream(HostDriver& driver) : driver_(driver) {}

  absl::Status CopyIn(void* device, const void* from, uint64_t bytes) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    if (bytes > 0) std::memcpy(device, from, bytes);
    return absl::OkStatus();
  }
  absl::Status CopyOut(void* to, const void* device, uint64_t bytes) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    // As on a device, what is read before Finish is nothing.
    if (bytes > 0) std::memset(to, 0xA5, bytes);
    out_.emplace_back(to, std::string(static_cast<const char*>(device), bytes));
    return absl::OkStatus();
  }
  absl::Status Fill(void* device, uint8_t value, uint64_t bytes) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    std::memset(device, value, bytes);
    return absl::OkStatus();
  }
  absl::Status Run(gpu::RowFormKind form, uint32_t queries_at_once, const gpu::RowScanArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ++driver_.row_scans_;
    driver_.scanned_queries_ += args.query_count;
    if (queries_at_once == 1) {
      RunRowScan<1>(form, args, grid);
    } else {
      RunRowScan<gpu::kQueriesAtOnce>(form, args, grid);
    }
    return absl::OkStatus();
  }
  absl::Status Run(const gpu::CellScanArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ForEachBlock<NoRegisters, gpu::CellScanShared>(
        grid, 1, gpu::SlotsFor(args.k),
        [&](auto& block, auto& shared, uint64_t* slots) { gpu::CellScanBlock(block, args, shared, slots); });
    return absl::OkStatus();
  }
  absl::Status Run(const gpu::ProductSelectArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ForEachBlock<NoRegisters, gpu::ProductSelectShared>(
        grid, 1, gpu::SlotsFor(args.k),
        [&](auto& block, auto& shared, uint64_t* slots) { gpu::ProductSelectBlock(block, args, shared, slots); });
    return absl::OkStatus();
  }
  absl::Status Run(const gpu::MergeKeysArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ForEachBlock<NoRegisters, gpu::MergeKeysShared>(
        grid, 1, gpu::SlotsFor(args.k),
        [&](auto& block, auto& shared, uint64_t* slots) { gpu::MergeKeysBlock(block, args, shared, slots); });
    return absl::OkStatus();
  }
  absl::Status Run(bool half, const gpu::RowLengthsArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ForEachBlock<NoRegisters, NoShared>(grid, 1, 0, [&](auto& block, auto&, uint64_t*) {
      half ? gpu::RowLengthsBlock<gpu::Half>(block, args) : gpu::RowLengthsBlock<float>(block, args);
    });
    return absl::OkStatus();
  }
  absl::Status Run(const gpu::GatherArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ForEachBlock<NoRegisters, NoShared>(grid, 1, 0, [&](auto& block, auto&, uint64_t*) { gpu::GatherBlock(block, args); });
    return absl::OkStatus();
  }
  absl::Status Run(LinkForm form, const gpu::LinkChoiceArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    const auto run = [&]<typename Value, bool kL2>() {
      ForEachBlock<gpu::LinkChoiceRegisters, gpu::LinkChoiceShared>(
          grid, 1, 0, [&](auto& block, auto& shared, uint64_t*) { gpu::LinkChoiceBlock<Value, kL2>(block, args, shared); });
    };
    if (form.half) {
      form.l2 ? run.template operator()<gpu::Half, true>() : run.template operator()<gpu::Half, false>();
    } else {
      form.l2 ? run.template operator()<float, true>() : run.template operator()<float, false>();
    }
    return absl::OkStatus();
  }
  absl::Status Run(const gpu::NearestEntryArgs& args, GpuGrid grid) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ++driver_.entry_scans_;
    ForEachBlock<NoRegisters, NoShared>(grid, 1, 0, [&](auto& block, auto&, uint64_t*) { gpu::NearestEntryBlock(block, args); });
    return absl::OkStatus();
  }
  absl::Status Multiply(const GpuProducts& products) override {
    if (absl::Status status = driver_.Call(); !status.ok()) return status;
    ++driver_.products_;
    for (uint64_t query = 0; query < products.query_count; ++query) {
      for (uint64_t row = 0; row < products.row_count; ++row) {
        products.products[query * products.row_count + row] =
            ProductOf(products, row, query, driver_.options_.product_noise);
      }
    }
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    absl::Status status = driver_.Call();
    for (const auto& [to, bytes] : out_) {
      if (status.ok() && !bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    }
    out_.clear();
    return status;
  }

 private:
  HostDriver& driver_;
  std::vector<std::pair<void*, std::string>> out_;  // on their way
};

HostDriver::HostDriver(Options options)
    : options_(options),
      properties_({.ordinal = 0,
                   .name = "host",
                   .major = 9,
                   .minor = 0,
                   .memory_bytes = options.memory_bytes,
                   .multiprocessors = options.multiprocessors,
                   .clock_mhz = 1000,
                   .driver = "none"}) {}

HostDriver::~HostDriver() {
  for (const auto& [memory, bytes] : held_) std::free(memory);
}

absl::StatusOr<GpuMemory> HostDriver::MeasureMemory() {
  const std::lock_guard lock(mu_);
  return GpuMemory{.total = options_.memory_bytes, .free = options_.memory_bytes - held_bytes_};
}

absl::StatusOr<void*> HostDriver::Allocate(uint64_t bytes) {
  const std::lock_guard lock(mu_);
  if (bytes > options_.memory_bytes - held_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("device memory: ", bytes, " bytes asked for, ", options_.memory_bytes - held_bytes_, " free"));
  }
  void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xA5, bytes);
  held_[memory] = bytes;
  held_bytes_ += bytes;
  return memory;
}

void HostDriver::Free(void* device) {
  const std::lock_guard lock(mu_);
  const auto found = held_.find(device);
  if (found == held_.end()) std::abort();  // twice, or never had
  held_bytes_ -= found->second;
  held_.erase(found);
  std::free(device);
}

absl::StatusOr<std::unique_ptr<GpuStream>> HostDriver::OpenStream(bool) { return std::make_unique<HostStream>(*this); }

void HostDriver::FailFrom(uint64_t call, absl::Status status) {
  const std::lock_guard lock(mu_);
  fail_from_ = call;
  failure_ = std::move(status);
}

absl::Status HostDriver::Call() {
  const uint64_t call = calls_++;
  const std::lock_guard lock(mu_);
  return fail_from_ && call >= *fail_from_ ? failure_ : absl::OkStatus();
}

}  // namespace vouch
