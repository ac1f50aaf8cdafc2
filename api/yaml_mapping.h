#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/decimal.h"
#include "api/route_file.h"

namespace vouch {

inline constexpr size_t kMaxYamlFileBytes = size_t{1} << 20;

// NOT_FOUND or INVALID_ARGUMENT names `what`, the path and the limit.
absl::StatusOr<std::string> ReadWhole(const std::string& path, size_t max_bytes,
                                      const std::string& what);

// Of the variable, or of the file where there is one; empty: none is wanted. NOT_FOUND: none there.
absl::StatusOr<std::string> ApiKey(const std::string& variable, const std::string& file,
                                   const Environment& environment);

// One mapping of the file. The first mistake is kept as the error.
class YamlMapping {
 public:
  YamlMapping(const YAML::Node& node, std::string file, std::string where,
          std::vector<std::string> keys)
      : node_(node), file_(std::move(file)), where_(std::move(where)) {
    if (!node.IsMap()) {
      Fail(node, where_.empty() ? "the file" : where_, "takes a mapping of keys to values");
      return;
    }
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.as<std::string>("");
      if (!keys.empty() && std::find(keys.begin(), keys.end(), key) == keys.end()) {
        Fail(entry.first, where_ + key,
             absl::StrCat("is no known key; there are ", absl::StrJoin(keys, ", ")));
      } else if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
        Fail(entry.first, where_ + key, "stands twice");
      }
      seen.push_back(key);
    }
  }

  bool Has(const std::string& key) const { return node_.IsMap() && node_[key].IsDefined(); }
  YAML::Node At(const std::string& key) const { return node_[key]; }

  void Take(const std::string& key, std::string* value) {
    if (const std::string* text = Scalar(key)) *value = *text;
  }
  void Take(const std::string& key, bool* value) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    if (*text != "true" && *text != "false") return Bad(key, *text, "true or false");
    *value = *text == "true";
  }
  template <typename Number>
  void TakeWhole(const std::string& key, Number* value, Number min, Number max) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    Number number = 0;
    if (!absl::SimpleAtoi(*text, &number) || number < min || number > max) {
      return Bad(key, *text, absl::StrCat("a whole number from ", min, " to ", max));
    }
    *value = number;
  }
  void TakeReal(const std::string& key, std::optional<double>* value) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    double number = 0;
    if (!absl::SimpleAtod(*text, &number)) return Bad(key, *text, "a number");
    *value = number;
  }
  template <typename Value>
  void TakeDecimal(const std::string& key, size_t decimals, Value* value) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    uint64_t number = 0;
    if (!ParseDecimal(*text, decimals, &number)) {
      return Bad(key, *text,
                 absl::StrCat("an amount with at most ", decimals, " decimals, as 1.50"));
    }
    *value = number;
  }

  void Require(const std::string& key) {
    if (!Has(key)) Fail(node_, where_ + key, "is missing");
  }
  void Fail(const YAML::Node& at, const std::string& key, const std::string& what) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(file_, ", line ", at.Mark().line + 1, ": ", key, " ", what));
  }
  void Take(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }

 private:
  const std::string* Scalar(const std::string& key) {
    if (!Has(key)) return nullptr;
    const YAML::Node value = node_[key];
    if (!value.IsScalar()) {
      Fail(value, where_ + key, "takes one value");
      return nullptr;
    }
    return &value.Scalar();
  }
  void Bad(const std::string& key, const std::string& value, const std::string& takes) {
    Fail(node_[key], where_ + key, absl::StrCat("is '", value, "'; it takes ", takes));
  }

  const YAML::Node node_;
  const std::string file_;
  const std::string where_;
  absl::Status status_;
};

}  // namespace vouch
