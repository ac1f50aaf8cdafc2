#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/search.h"

namespace vouch {
namespace {

using testing::HasSubstr;

TEST(ReadAtParse, Latest) {
  EXPECT_TRUE(std::holds_alternative<ReadAt::Latest>(ReadAt::Parse("latest")->at));
  EXPECT_TRUE(std::holds_alternative<ReadAt::Latest>(ReadAt::Parse("")->at));
}

TEST(ReadAtParse, Version) {
  EXPECT_EQ(std::get<Version>(ReadAt::Parse("v12")->at), Version(12));
  EXPECT_EQ(std::get<Version>(ReadAt::Parse("12")->at), Version(12));
  EXPECT_EQ(std::get<Version>(ReadAt::Parse("0")->at), Version(0));
  EXPECT_EQ(std::get<Version>(ReadAt::Parse("18446744073709551615")->at), Version(~uint64_t{0}));
  EXPECT_THAT(ReadAt::Parse("v18446744073709551616").status().ToString(),
              HasSubstr("'v18446744073709551616' is over"));
}

TEST(ReadAtParse, Time) {
  EXPECT_EQ(std::get<ReadAt::AtTime>(ReadAt::Parse("@1970-01-01T00:00:01Z")->at).time_us,
            1'000'000);
  EXPECT_THAT(ReadAt::Parse("@yesterday").status().ToString(), HasSubstr("'@yesterday'"));
}

TEST(ReadAtParse, AllElseIsATag) {
  EXPECT_EQ(std::get<std::string>(ReadAt::Parse("baseline-2026")->at), "baseline-2026");
  EXPECT_EQ(std::get<std::string>(ReadAt::Parse("v1.2")->at), "v1.2");
  EXPECT_EQ(std::get<std::string>(ReadAt::Parse("v")->at), "v");
}

}  // namespace
}  // namespace vouch
