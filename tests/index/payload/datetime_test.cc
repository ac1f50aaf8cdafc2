#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/payload/payload_columns.h"

namespace vouch {
namespace {

using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;

TEST(DatetimeTest, Rfc3339Examples) {
  // RFC 3339, section 5.8.
  EXPECT_EQ(ParseDatetime("1985-04-12T23:20:50.52Z").value(), 482196050'520000);
  EXPECT_EQ(ParseDatetime("1996-12-19T16:39:57-08:00").value(), 851042397 * kSecond);
  EXPECT_EQ(ParseDatetime("1990-12-31T23:59:60Z").value(),
            ParseDatetime("1991-01-01T00:00:00Z").value());
  EXPECT_EQ(ParseDatetime("1990-12-31T15:59:60-08:00").value(),
            ParseDatetime("1991-01-01").value());
  EXPECT_EQ(ParseDatetime("1937-01-01T12:00:27.87+00:20").value(),
            ParseDatetime("1937-01-01T11:40:27.87Z").value());
}

TEST(DatetimeTest, DateAloneIsMidnightUtc) {
  EXPECT_EQ(ParseDatetime("1970-01-01").value(), 0);
  EXPECT_EQ(ParseDatetime("2026-11-23").value(), ParseDatetime("2026-11-23T00:00:00z").value());
}

TEST(DatetimeTest, FractionsKeepMicroseconds) {
  EXPECT_EQ(ParseDatetime("1970-01-01t00:00:00.5Z").value(), 500'000);
  EXPECT_EQ(ParseDatetime("1970-01-01T00:00:00.1234569999999999999Z").value(), 123'456);
  EXPECT_EQ(ParseDatetime("1969-12-31T23:59:59.9999999Z").value(), -1);
}

TEST(DatetimeTest, EveryDayOfManyYearsAsAbseil) {
  for (absl::CivilDay day(1895, 12, 25); day < absl::CivilDay(2105, 1, 5); ++day) {
    const int64_t expected = absl::ToUnixMicros(absl::FromCivil(day, absl::UTCTimeZone()));
    ASSERT_EQ(ParseDatetime(absl::FormatCivilTime(day)).value(), expected) << day;
  }
  EXPECT_EQ(ParseDatetime("0000-01-01").value(),
            absl::ToUnixMicros(absl::FromCivil(absl::CivilDay(0, 1, 1), absl::UTCTimeZone())));
  EXPECT_EQ(ParseDatetime("9999-12-31T23:59:59.999999Z").value(), 253402300799'999999);
}

TEST(DatetimeTest, RefusesWhatIsNoDatetime) {
  for (const char* text : {"",
                           "2026",
                           "2026-1-01",
                           "2026-11-23T",
                           "2026-11-23T10:00Z",
                           "2026-11-23T10:00:00",
                           "2026-11-23 10:00:00Z",
                           "2026-02-29",
                           "1900-02-29",
                           "2026-04-31",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-01-00",
                           "2026-11-23T24:00:00Z",
                           "2026-11-23T10:60:00Z",
                           "2026-11-23T10:00:61Z",
                           "2026-11-23T10:00:60Z",
                           "2026-11-23T10:00:00.Z",
                           "2026-11-23T10:00:00+1:00",
                           "2026-11-23T10:00:00+24:00",
                           "2026-11-23T10:00:00+01:60",
                           "2026-11-23T10:00:00Zx",
                           "2026-11-23T10:00:00+0100",
                           "-2026-11-23",
                           "+2026-11-23",
                           " 2026-11-23",
                           "2026-11-23 ",
                           "20261123"}) {
    EXPECT_EQ(ParseDatetime(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(ParseDatetime("2024-02-29").ok());
  EXPECT_TRUE(ParseDatetime("2000-02-29").ok());
}

TEST(DatetimeTest, ErrorsNameThePart) {
  EXPECT_THAT(ParseDatetime("2026-02-29").status().message(),
              HasSubstr("the day 29 is outside 1 to 28"));
  EXPECT_THAT(ParseDatetime("2026-11-23T10:00:00").status().message(),
              HasSubstr("'2026-11-23T10:00:00' is not an RFC 3339 datetime, as "
                        "2026-11-23T10:00:00Z: wanted 'Z' or an "
                        "offset as +01:00 at column 20"));
}

}  // namespace
}  // namespace vouch
