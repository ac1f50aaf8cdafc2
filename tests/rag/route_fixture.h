#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rag/llm/model_route.h"
#include "storage/store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {

// A route over servers of the test, with its books in a store of its own. Pauses are noted instead
// of waited for.
class RouteTest : public ::testing::Test {
 protected:
  RouteTest() {
    StoreOptions options;
    options.path = dir_.File("store");
    store_ = Store::Open(options).value();
    ledger_ = std::make_unique<SpendLedger>(store_->catalog(), clock_);
    spec_.prices = {.version = "test-1", .models = {{"m", {.input_nano = 10, .output_nano = 30}}}};
  }

  static ModelTier Tier(const std::string& name, const ModelServer& server) {
    return {.name = name,
            .endpoint = {.base_url = server.base_url(),
                         .model = "m",
                         .api_key = "sk-secret",
                         .timeout_ms = 10'000,
                         .silence_ms = 10'000},
            .parameters = {.max_tokens = 100}};
  }

  // Made at the first Ask.
  ModelRoute& Route() {
    if (route_ == nullptr) {
      route_ = ModelRoute::Create(spec_, {.ledger = *ledger_,
                                          .clock = clock_,
                                          .random = [] { return uint64_t{0}; },
                                          .wait =
                                              [this](int64_t pause_ms, const CancelToken& cancel) {
                                                pauses_.push_back(pause_ms);
                                                return cancel.Check();
                                              }})
                   .value();
    }
    return *route_;
  }

  // Streams into `streamed_`.
  RouteOutcome Ask(const CancelToken& cancel = CancelToken()) {
    streamed_.clear();
    return Route().Generate(messages_, "t", cancel, [this](std::string_view piece) {
      streamed_ += piece;
      return absl::OkStatus();
    });
  }

  SpendAccount Account() {
    SpendBook book = ledger_->Read("t", ledger_->Today()).value();
    EXPECT_TRUE(book.reservations.empty()) << "a reservation was not settled";
    return book.Account(spec_.name);
  }

  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<SpendLedger> ledger_;
  RouteSpec spec_;
  const std::vector<ChatMessage> messages_ = {{"system", "Be brief."}, {"user", "What is a tag?"}};
  // 4 a message; "Be brief." is 1 + 2 + 1, "What is a tag?" 1 + 1 + 1 + 1 + 1.
  static constexpr uint64_t kPromptEstimate = 4 + 4 + 4 + 5;
  std::unique_ptr<ModelRoute> route_;
  std::vector<int64_t> pauses_;
  std::string streamed_;
};

}  // namespace vouch
