#include "rag/llm/budget_store.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kBudgetsFormat = 1;
constexpr char kKey[] = "budgets";

absl::Status DamagedBudgets(std::string_view what) {
  return absl::DataLossError(Concat("the budgets are damaged: ", what));
}

// Reading, changing and writing is one step for all stores of the process.
std::mutex& WriteLock() {
  static auto& lock = *new std::mutex;
  return lock;
}

auto PlaceOf(std::vector<Budget>& budgets, std::string_view pipeline) {
  return std::lower_bound(
      budgets.begin(), budgets.end(), pipeline,
      [](const Budget& budget, std::string_view name) { return budget.pipeline < name; });
}

}  // namespace

std::string FormatNano(uint64_t nano) {
  constexpr uint64_t kNano = 1'000'000'000;
  return absl::StrFormat("%d.%09d", nano / kNano, nano % kNano);
}

std::optional<uint64_t> LimitOf(const std::vector<Budget>& budgets, std::string_view pipeline) {
  for (const Budget& budget : budgets) {
    if (budget.pipeline == pipeline) return budget.day_nano;
  }
  return std::nullopt;
}

std::string EncodeBudgets(const std::vector<Budget>& budgets) {
  Json json = {{"format", kBudgetsFormat}, {"budgets", Json::array()}};
  for (const Budget& budget : budgets)
    json["budgets"].push_back({{"pipeline", budget.pipeline}, {"day_nano", budget.day_nano}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::vector<Budget>> DecodeBudgets(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return DamagedBudgets("it is no JSON object");
  const Json format = json.value("format", Json());
  if (!format.is_number_unsigned()) return DamagedBudgets("it has no format");
  if (format.get<uint64_t>() > kBudgetsFormat) {
    return absl::FailedPreconditionError(Concat("the budgets have format ", format.get<uint64_t>(),
                                                "; this program reads up to ", kBudgetsFormat));
  }
  const Json list = json.value("budgets", Json());
  if (!list.is_array() || list.size() > BudgetStore::kMaxBudgets) return DamagedBudgets("budgets");
  std::vector<Budget> budgets;
  for (const Json& item : list) {
    const Json pipeline = item.is_object() ? item.value("pipeline", Json()) : Json();
    const Json day = item.is_object() ? item.value("day_nano", Json()) : Json();
    if (!pipeline.is_string() || !day.is_number_unsigned() ||
        (!budgets.empty() && budgets.back().pipeline >= pipeline.get_ref<const std::string&>())) {
      return DamagedBudgets(Concat("budgets[", budgets.size(), "]"));
    }
    budgets.push_back({.pipeline = pipeline.get<std::string>(), .day_nano = day.get<uint64_t>()});
  }
  return budgets;
}

absl::StatusOr<std::vector<Budget>> BudgetStore::List(std::string_view tenant) const {
  const absl::StatusOr<std::optional<std::string>> kept = catalog_.GetTenantSetting(tenant, kKey);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return std::vector<Budget>();
  return DecodeBudgets(**kept);
}

absl::Status BudgetStore::Write(std::string_view tenant, const std::vector<Budget>& budgets) {
  return catalog_.PutTenantSetting(tenant, kKey, EncodeBudgets(budgets));
}

absl::StatusOr<std::optional<uint64_t>> BudgetStore::Set(std::string_view tenant,
                                                         const Budget& budget) {
  if (budget.pipeline.size() > Budget::kMaxPipelineBytes || !IsValidUtf8(budget.pipeline)) {
    return absl::InvalidArgumentError(Concat("pipeline has ", budget.pipeline.size(),
                                             " bytes; it takes a name of up to ",
                                             Budget::kMaxPipelineBytes, " bytes of UTF-8"));
  }
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<std::vector<Budget>> budgets = List(tenant);
  if (!budgets.ok()) return budgets.status();
  const auto place = PlaceOf(*budgets, budget.pipeline);
  std::optional<uint64_t> previous;
  if (place != budgets->end() && place->pipeline == budget.pipeline) {
    previous = std::exchange(place->day_nano, budget.day_nano);
  } else if (budgets->size() >= kMaxBudgets) {
    return absl::ResourceExhaustedError(
        Concat("there are ", kMaxBudgets, " budgets, which is the limit"));
  } else {
    budgets->insert(place, budget);
  }
  if (previous == budget.day_nano) return previous;
  if (absl::Status status = Write(tenant, *budgets); !status.ok()) return status;
  return previous;
}

absl::Status BudgetStore::Remove(std::string_view tenant, std::string_view pipeline) {
  const std::lock_guard<std::mutex> lock(WriteLock());
  absl::StatusOr<std::vector<Budget>> budgets = List(tenant);
  if (!budgets.ok()) return budgets.status();
  const auto place = PlaceOf(*budgets, pipeline);
  if (place == budgets->end() || place->pipeline != pipeline) {
    return absl::NotFoundError(pipeline.empty()
                                   ? std::string("the tenant has no budget")
                                   : Concat("pipeline ", Escape(pipeline), " has no budget"));
  }
  budgets->erase(place);
  return Write(tenant, *budgets);
}

}  // namespace vouch
