#include "api/status.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace vouch {
namespace {

TEST(Status, EveryCodeKeepsItsNumberBothWays) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what happened");
    const grpc::Status mapped = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(mapped.error_code()), code);
    EXPECT_EQ(mapped.error_message(), "what happened");
    EXPECT_EQ(FromGrpc(mapped), status);
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  EXPECT_EQ(ToGrpc(absl::NotFoundError("")).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ToGrpc(absl::DataLossError("")).error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST(Status, LongMessagesAreCutAtACharacter) {
  std::string text;
  while (text.size() < 3 * kMaxStatusMessageBytes) text += "ö";
  const std::string odd = "x" + text;
  for (const std::string& message : {text, odd}) {
    const std::string cut = ToGrpc(absl::InternalError(message)).error_message();
    EXPECT_LT(cut.size(), kMaxStatusMessageBytes + 20);
    EXPECT_THAT(cut, testing::EndsWith("ö […]"));
  }
  const std::string exact(kMaxStatusMessageBytes, 'x');
  EXPECT_EQ(ToGrpc(absl::InternalError(exact)).error_message(), exact);
}

}  // namespace
}  // namespace vouch
