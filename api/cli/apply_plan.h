#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace vouch {

// What `vouch apply` does, or would do, step by step.
class ApplyPlan {
 public:
  // `action`: "create", "change", "remove", "same". `diff`: whole lines, or nothing.
  void Add(const char* action, const char* kind, const std::string& name, const std::string& diff);
  // Prints it for people, or as JSON.
  void Report(bool json, bool dry_run) const;

 private:
  nlohmann::ordered_json steps_ = nlohmann::ordered_json::array();
};

}  // namespace vouch
