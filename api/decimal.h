#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace vouch {

// Digits with at most `decimals` of them after a point, as a whole number of the last of them:
// "0.15" with 3 is 150.
bool ParseDecimal(const std::string& text, size_t decimals, uint64_t* value);
// The other way, without zeros at the end: 150 with 3 is "0.15".
std::string FormatDecimal(uint64_t value, size_t decimals);

}  // namespace vouch
