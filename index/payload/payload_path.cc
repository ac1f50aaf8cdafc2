#include "index/payload/payload_path.h"

#include <string>

#include "nlohmann/json.hpp"

namespace vouch {

using nlohmann::json;

std::vector<const json*> ValuesAt(const json& payload, std::string_view path) {
  struct Step {
    const json* value;
    std::string_view rest;
    bool arrived;
  };
  std::vector<const json*> values;
  // Arrays may be nested as deep as a payload is long: no recursion.
  std::vector<Step> open = {{&payload, path, false}};
  while (!open.empty()) {
    const Step at = open.back();
    open.pop_back();
    if (at.value->is_array()) {
      for (auto element = at.value->rbegin(); element != at.value->rend(); ++element) {
        open.push_back({&*element, at.rest, at.arrived});
      }
    } else if (at.arrived) {
      if (!at.value->is_null()) values.push_back(at.value);
    } else if (at.value->is_object()) {
      const auto whole = at.value->find(std::string(at.rest));
      if (whole != at.value->end()) {
        open.push_back({&*whole, {}, true});
        continue;
      }
      const size_t dot = at.rest.find('.');
      if (dot == std::string_view::npos) continue;
      const auto step = at.value->find(std::string(at.rest.substr(0, dot)));
      if (step != at.value->end()) open.push_back({&*step, at.rest.substr(dot + 1), false});
    }
  }
  return values;
}

}  // namespace vouch
