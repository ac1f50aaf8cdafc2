#include "index/gpu/deferred_free.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace vouch {
namespace {

using std::chrono::milliseconds;

// What frees, and may hang in it. Shared with threads that are left behind.
struct Device {
  std::mutex mu;
  std::condition_variable changed;
  bool hangs = false;         // guarded by mu
  bool asked = false;         // guarded by mu
  std::vector<void*> freed;   // guarded by mu

  void Free(void* memory) {
    std::unique_lock lock(mu);
    asked = true;
    changed.notify_all();
    changed.wait(lock, [&] { return !hangs; });
    freed.push_back(memory);
    changed.notify_all();
  }
  void SetHangs(bool now) {
    const std::lock_guard lock(mu);
    hangs = now;
    changed.notify_all();
  }
};

TEST(DeferredFree, FreesInOrderBeforeItGoes) {
  const auto device = std::make_shared<Device>();
  std::vector<int> places(100);
  std::vector<void*> given;
  {
    DeferredFree freer([device](void* memory) { device->Free(memory); }, milliseconds(60'000));
    for (int& place : places) {
      given.push_back(&place);
      freer.Free(&place);
    }
    EXPECT_TRUE(freer.Drain(milliseconds(60'000)));
    EXPECT_EQ(device->freed, given);
    for (int& place : places) {
      given.push_back(&place);
      freer.Free(&place);
    }
  }
  EXPECT_EQ(device->freed, given);
}

TEST(DeferredFree, NobodyWaitsForADeviceThatHangs) {
  const auto device = std::make_shared<Device>();
  device->SetHangs(true);
  int first = 0, second = 0;
  {
    DeferredFree freer([device](void* memory) { device->Free(memory); }, milliseconds(1));
    freer.Free(&first);
    {
      std::unique_lock lock(device->mu);
      device->changed.wait(lock, [&] { return device->asked; });
    }
    EXPECT_FALSE(freer.Drain(milliseconds(1)));
    freer.Free(&second);
  }
  // It went, and the thread that it left ends with the device's call; what was still to be freed is left.
  device->SetHangs(false);
  std::unique_lock lock(device->mu);
  device->changed.wait(lock, [&] { return !device->freed.empty(); });
  EXPECT_EQ(device->freed, std::vector<void*>{&first});
}

}  // namespace
}  // namespace vouch
