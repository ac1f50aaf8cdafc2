// What an opened store says that it holds, and what the system says that the process grew by. A program of its own: its
// processes must have no threads before they are forked, and a heap without a past.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <iostream>

#include "index/inverted/analyzer.h"
#include "tests/query/memory_fixture.h"

namespace vouch {
namespace {

// Runs `body` in a process of its own, whose heap has no past; it answers true.
void InAnotherProcess(const std::function<bool()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(MemoryTest, TheAccountIsWithinATenthOfTheProcess) {
  // What the account does not know (slack of the allocator, a few MiB) is under a tenth of a store of this size.
  constexpr uint64_t kSealed = 12'000;
  constexpr uint64_t kFresh = 10'000;
  constexpr uint32_t kDim = 640;
  seal_rows_ = kSealed;
  InAnotherProcess([&] {
    Open();
    Create("wide", Wide(DenseIndexKind::kHnsw, kDim));
    for (uint64_t first = 0; first < kSealed; first += 2'000) Upsert(Points(first, 2'000, kDim));
    const bool idle = collection_->WaitIdle({}).ok();
    for (uint64_t first = kSealed; first < kSealed + kFresh; first += 2'000) Upsert(Points(first, 2'000, kDim));
    collection_.reset();
    database_.reset();
    return idle && !HasFailure();
  });
  InAnotherProcess([&] {
    // What is loaded once for all, and no part of a store: ICU's tables, stop words, threads. What an empty store costs
    // is no part of its data either.
    const auto anonymous = [] {
      malloc_trim(0);
      return ReadProcessMemory().anonymous;
    };
    const auto open_empty = [&](const std::string& name) {
      DatabaseOptions options;
      options.path = folder_.path() + "/" + name;
      auto database = Database::Open(options);
      (*database)->CreateCollection(principal_, "none", Wide(DenseIndexKind::kHnsw, kDim)).status().IgnoreError();
      return *std::move(database);
    };
    const std::unique_ptr<Database> first = open_empty("first");
    const uint64_t with_one = anonymous();
    const std::unique_ptr<Database> second = open_empty("second");
    const uint64_t before = anonymous();
    const uint64_t of_empty = before - with_one;
    Open();
    collection_ = *database_->GetCollection(principal_, "wide");
    const double grown = static_cast<double>(anonymous() - before - of_empty);
    const DatabaseMemory memory = database_->Memory();
    const double account = static_cast<double>(memory.use.total());
    std::cout << "indexes " << memory.use.indexes << ", block cache " << memory.store.block_cache << ", memtables "
              << memory.store.memtables << ", table readers " << memory.store.table_readers << ", an empty store " << of_empty << ", grown by " << grown
              << ", account / growth " << account / grown << std::endl;
    EXPECT_GT(account, 0.9 * grown);
    EXPECT_LT(account, 1.1 * grown);
    // Of the one collection here, as its own account says it.
    EXPECT_NEAR(static_cast<double>(memory.use.indexes),
                static_cast<double>(collection_->Stats().index.memory.private_bytes()), 0.01 * account);
    collection_.reset();
    database_.reset();
    return !HasFailure();
  });
}

}  // namespace
}  // namespace vouch
