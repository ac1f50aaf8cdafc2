#include <array>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/payload/payload_columns.h"
#include "index/payload/quoted.h"

namespace vouch {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kSecondsPerDay = 86'400;

// Days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms", days_from_civil).
int64_t DaysFromCivil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

int DaysInMonth(int year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

// Takes characters from the front of a datetime. The first thing that does not fit is kept as the
// error.
class DatetimeReader {
 public:
  explicit DatetimeReader(std::string_view text) : text_(text), rest_(text) {}

  bool ok() const { return error_.empty(); }
  bool AtEnd() const { return rest_.empty(); }
  char Peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  void Skip() { rest_.remove_prefix(1); }

  // `digits` decimal digits with a value in [low, high].
  int Number(const char* what, size_t digits, int low, int high) {
    if (!ok()) return low;
    int value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (i >= rest_.size() || rest_[i] < '0' || rest_[i] > '9') {
        Fail(absl::StrCat("wanted ", digits, " digits of the ", what, " at column ", Column()));
        return low;
      }
      value = value * 10 + (rest_[i] - '0');
    }
    if (value < low || value > high) {
      Fail(absl::StrCat("the ", what, " ", value, " is outside ", low, " to ", high));
      return low;
    }
    rest_.remove_prefix(digits);
    return value;
  }
  void Literal(char wanted) {
    if (!ok()) return;
    if (Peek() != wanted) {
      Fail(absl::StrCat("wanted '", std::string(1, wanted), "' at column ", Column()));
      return;
    }
    Skip();
  }
  // ".5" → 500,000; digits after the sixth are dropped.
  int64_t FractionMicros() {
    if (!ok() || Peek() != '.') return 0;
    Skip();
    if (Peek() < '0' || Peek() > '9') {
      Fail(absl::StrCat("wanted digits of the second's fraction at column ", Column()));
      return 0;
    }
    int64_t micros = 0;
    int64_t unit = kMicrosPerSecond / 10;
    for (; Peek() >= '0' && Peek() <= '9'; Skip(), unit /= 10) micros += unit * (Peek() - '0');
    return micros;
  }
  void Fail(std::string error) {
    if (ok()) error_ = std::move(error);
  }
  absl::Status status() const {
    if (ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        Quoted(text_), " is not an RFC 3339 datetime, as 2026-11-23T10:00:00Z: ", error_));
  }
  size_t Column() const { return text_.size() - rest_.size() + 1; }

 private:
  std::string_view text_;
  std::string_view rest_;
  std::string error_;
};

// Seconds east of UTC.
int64_t ReadOffset(DatetimeReader& reader) {
  if (!reader.ok()) return 0;
  const char sign = reader.Peek();
  if (sign == 'Z' || sign == 'z') {
    reader.Skip();
    return 0;
  }
  if (sign != '+' && sign != '-') {
    reader.Fail(absl::StrCat("wanted 'Z' or an offset as +01:00 at column ", reader.Column()));
    return 0;
  }
  reader.Skip();
  const int hours = reader.Number("offset's hours", 2, 0, 23);
  reader.Literal(':');
  const int minutes = reader.Number("offset's minutes", 2, 0, 59);
  return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

}  // namespace

absl::StatusOr<int64_t> ParseDatetime(std::string_view text) {
  DatetimeReader reader(text);
  const int year = reader.Number("year", 4, 0, 9999);
  reader.Literal('-');
  const int month = reader.Number("month", 2, 1, 12);
  reader.Literal('-');
  const int day = reader.Number("day", 2, 1, DaysInMonth(year, month));
  int64_t seconds = DaysFromCivil(year, month, day) * kSecondsPerDay;
  int64_t micros = 0;
  if (reader.ok() && !reader.AtEnd()) {
    if (reader.Peek() != 'T' && reader.Peek() != 't') {
      reader.Fail(absl::StrCat("wanted 'T' or the end at column ", reader.Column()));
    } else {
      reader.Skip();
    }
    const int hour = reader.Number("hour", 2, 0, 23);
    reader.Literal(':');
    const int minute = reader.Number("minute", 2, 0, 59);
    reader.Literal(':');
    const int second = reader.Number("second", 2, 0, 60);
    micros = reader.FractionMicros();
    seconds += hour * 3600 + minute * 60 + second - ReadOffset(reader);
    // A leap second is the last of a UTC day; as in POSIX time it falls together with the second
    // after it.
    const int64_t second_of_day = ((seconds % kSecondsPerDay) + kSecondsPerDay) % kSecondsPerDay;
    if (second == 60 && second_of_day != 0) {
      reader.Fail("second 60 stands only at the end of a UTC day");
    }
  }
  if (reader.ok() && !reader.AtEnd()) {
    reader.Fail(absl::StrCat("more text at column ", reader.Column()));
  }
  if (!reader.ok()) return reader.status();
  return seconds * kMicrosPerSecond + micros;
}

}  // namespace vouch
