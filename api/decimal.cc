#include "api/decimal.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace vouch {

bool ParseDecimal(const std::string& text, size_t decimals, uint64_t* value) {
  const size_t point = std::min(text.find('.'), text.size());
  std::string fraction = point < text.size() ? text.substr(point + 1) : "";
  if (point == 0 || fraction.size() > decimals || (point < text.size() && fraction.empty()))
    return false;
  fraction.resize(decimals, '0');
  const std::string digits = text.substr(0, point) + fraction;
  return digits.size() <= 18 && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(digits, value);
}

std::string FormatDecimal(uint64_t value, size_t decimals) {
  std::string digits = std::to_string(value);
  if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
  std::string fraction = digits.substr(digits.size() - decimals);
  digits.resize(digits.size() - decimals);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  if (fraction.empty()) return digits;
  digits += '.';
  return digits + fraction;
}

}  // namespace vouch
