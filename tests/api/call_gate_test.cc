#include "api/grpc/call_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vouch {
namespace {

using ::testing::HasSubstr;

TEST(CallGateTest, LetsNobodyInBeforeItOpensAndAfterItCloses) {
  CallGate gate(1);
  EXPECT_EQ(gate.Enter().code(), absl::StatusCode::kUnavailable);
  gate.Open();
  EXPECT_TRUE(gate.Enter().ok());
  gate.Leave();
  gate.Close();
  EXPECT_EQ(gate.Enter().code(), absl::StatusCode::kUnavailable);
}

TEST(CallGateTest, NamesItsLimitAndTakesTheNextOnceOneLeaves) {
  CallGate gate(2);
  gate.Open();
  ASSERT_TRUE(gate.Enter().ok());
  ASSERT_TRUE(gate.Enter().ok());
  for (int i = 0; i < 3; ++i) {  // a refused one takes no place
    const absl::Status status = gate.Enter();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), HasSubstr("2 calls"));
  }
  gate.Leave();
  EXPECT_TRUE(gate.Enter().ok());
}

TEST(CallGateTest, NeverHoldsMoreThanItsLimit) {
  constexpr int kLimit = 3;
  CallGate gate(kLimit);
  gate.Open();
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        if (!gate.Enter().ok()) continue;
        const int now = ++inside;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        --inside;
        gate.Leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kLimit);
  for (int i = 0; i < kLimit; ++i) EXPECT_TRUE(gate.Enter().ok()) << "all places are free again";
}

}  // namespace
}  // namespace vouch
