#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "index/gpu/gpus.h"
#include "tests/support/host_driver.h"

namespace vouch {

// What checks of kernels run on: the GPU whose number VOUCH_TEST_GPU says, in a build that has the code (bench/run gpu does so), else
// the host. A GPU that cannot be opened ends the tests, since they would say nothing of it.
inline std::shared_ptr<GpuDriver> DriverUnderTest() {
  const char* const ordinal = std::getenv("VOUCH_TEST_GPU");
  if (ordinal == nullptr) return std::make_shared<HostDriver>(HostDriver::Options());
  auto driver = OpenGpuDriver(std::atoi(ordinal));
  if (!driver.ok()) {
    std::fprintf(stderr, "VOUCH_TEST_GPU=%s: %s\n", ordinal, std::string(driver.status().message()).c_str());
    std::exit(3);
  }
  return *std::move(driver);
}

}  // namespace vouch
