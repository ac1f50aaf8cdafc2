#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "api/decimal.h"
#include "api/grpc/cost.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "rag/llm/budget_store.h"
#include "rag/llm/spend_ledger.h"
#include "vouch/v1/spending.grpc.pb.h"

namespace vouch {
namespace {

absl::Status CheckDay(const std::string& day) {
  absl::Time time;
  std::string why;
  if (day.size() == 10 && absl::ParseTime("%Y-%m-%d", day, &time, &why)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("day is '", day, "'; it takes a day as 2026-11-26, or nothing for today"));
}

// The smaller one counts.
void FillLimit(const std::optional<uint64_t>& limit, v1::PipelineSpending* message) {
  if (!limit.has_value()) return;
  const uint64_t nano = limit.value();
  if (!message->has_limit_nano() || nano < message->limit_nano()) message->set_limit_nano(nano);
}

void Add(const SpendAccount& account, v1::PipelineSpending* message) {
  message->set_calls(AddNano(message->calls(), account.calls));
  message->set_prompt_tokens(AddNano(message->prompt_tokens(), account.prompt_tokens));
  message->set_completion_tokens(AddNano(message->completion_tokens(), account.completion_tokens));
  message->set_spent_nano(AddNano(message->spent_nano(), account.spent_nano));
  message->set_lapsed_nano(AddNano(message->lapsed_nano(), account.lapsed_nano));
}

class SpendingService final : public v1::Spending::Service {
 public:
  explicit SpendingService(const ServiceContext& context) : services_(context) {}

  grpc::Status GetSpending(grpc::ServerContext* context, const v1::GetSpendingRequest* request,
                           v1::SpendingReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const std::string tenant = PrincipalOf(*context).tenant;
      Catalog& catalog = services_.database->store().catalog();
      const SpendLedger ledger(catalog, services_.database->clock());
      const std::string day = request->day().empty() ? ledger.Today() : request->day();
      if (absl::Status status = CheckDay(day); !status.ok()) return status;
      absl::StatusOr<SpendBook> book = ledger.Read(tenant, day);
      if (!book.ok()) return book.status();
      const absl::StatusOr<std::vector<Budget>> budgets = BudgetStore(catalog).List(tenant);
      if (!budgets.ok()) return budgets.status();
      absl::StatusOr<std::shared_ptr<ModelRoute>> route = services_.RouteFor(tenant);
      if (!route.ok()) return route.status();
      book->LapseAt(services_.database->clock().NowMicros());
      // Who has a budget is shown though nothing was spent.
      for (const Budget& budget : *budgets) {
        if (!budget.pipeline.empty()) (void)book->Account(budget.pipeline);
      }
      const SpendLimits none;
      const SpendLimits& limits = *route == nullptr ? none : (*route)->spec().limits;
      Fill(*book, *budgets, limits, reply);
      reply->set_day(day);
      if (*route == nullptr || (*route)->spec().prices.version.empty()) return absl::OkStatus();
      reply->set_currency((*route)->spec().prices.currency);
      reply->set_price_table((*route)->spec().prices.version);
      return absl::OkStatus();
    });
  }

  grpc::Status SetBudget(grpc::ServerContext* context, const v1::SetBudgetRequest* request,
                         v1::SetBudgetResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      Budget budget{.pipeline = request->budget().pipeline()};
      if (!ParseDecimal(request->budget().day(), 9, &budget.day_nano)) {
        return absl::InvalidArgumentError(
            absl::StrCat("day is '", request->budget().day(),
                         "'; it takes an amount with at most 9 decimals, as 1.50"));
      }
      const absl::StatusOr<std::optional<uint64_t>> previous =
          Budgets().Set(PrincipalOf(*context).tenant, budget);
      if (!previous.ok()) return previous.status();
      reply->set_changed(*previous != budget.day_nano);
      if (previous->has_value()) reply->set_previous(FormatNano(**previous));
      return absl::OkStatus();
    });
  }

  grpc::Status RemoveBudget(grpc::ServerContext* context, const v1::RemoveBudgetRequest* request,
                            v1::RemoveBudgetResponse*) override {
    return Serve(services_, *context, [&] {
      return Budgets().Remove(PrincipalOf(*context).tenant, request->pipeline());
    });
  }

  grpc::Status GetCost(grpc::ServerContext* context, const v1::GetCostRequest* request,
                       v1::CostReply* reply) override {
    return Serve(services_, *context, [&] {
      return FillCost(services_, PrincipalOf(*context), CancelOf(*context), *request, reply);
    });
  }

  grpc::Status EstimateRoute(grpc::ServerContext* context, const v1::EstimateRouteRequest* request,
                             v1::RouteEstimateReply* reply) override {
    return Serve(services_, *context, [&] {
      return FillRouteEstimate(services_, PrincipalOf(*context), CancelOf(*context), *request, reply);
    });
  }

 private:
  BudgetStore Budgets() const { return BudgetStore(services_.database->store().catalog()); }

  static void Fill(const SpendBook& book, const std::vector<Budget>& budgets,
                   const SpendLimits& limits, v1::SpendingReply* reply) {
    v1::PipelineSpending* total = reply->mutable_total();
    for (const SpendAccount& account : book.accounts) {
      v1::PipelineSpending* message = reply->add_pipelines();
      message->set_pipeline(account.pipeline);
      Add(account, message);
      Add(account, total);
      FillLimit(LimitOf(budgets, account.pipeline), message);
      FillLimit(limits.pipeline_day_nano, message);
      for (const SpendReservation& reservation : book.reservations) {
        if (reservation.pipeline != account.pipeline) continue;
        message->set_reserved_nano(AddNano(message->reserved_nano(), reservation.nano));
        total->set_reserved_nano(AddNano(total->reserved_nano(), reservation.nano));
      }
    }
    FillLimit(LimitOf(budgets, ""), total);
    FillLimit(limits.tenant_day_nano, total);
    for (const Budget& budget : budgets) {
      v1::Budget* message = reply->add_budgets();
      message->set_pipeline(budget.pipeline);
      message->set_day(FormatNano(budget.day_nano));
    }
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewSpendingService(const ServiceContext& context) {
  return std::make_unique<SpendingService>(context);
}

}  // namespace vouch
