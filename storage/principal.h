#pragma once

#include <string>
#include <vector>

namespace vouch {

// Who asks. Every request carries one through all layers; where authentication is off it is the default one.
struct Principal {
  std::string tenant = "default";
  std::string subject = "anonymous";
  std::vector<std::string> groups = {};
};

}  // namespace vouch
