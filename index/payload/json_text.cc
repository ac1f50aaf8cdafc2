#include "index/payload/json_text.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

// Takes any JSON and keeps the place where it stops being that.
struct ErrorFinder : nlohmann::json_sax<nlohmann::json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t at, const std::string&,
                   const nlohmann::json::exception& e) override {
    position = at;
    const auto* out_of_range = dynamic_cast<const nlohmann::json::out_of_range*>(&e);
    reason = out_of_range != nullptr ? "a number is out of range" : "a syntax error";
    return false;
  }

  std::size_t position = 0;
  const char* reason = "a syntax error";
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(const char* what, std::string_view text) {
  nlohmann::json parsed = nlohmann::json::parse(text.begin(), text.end(), nullptr,
                                                /*allow_exceptions=*/false);
  if (!parsed.is_discarded()) return parsed;
  ErrorFinder finder;
  nlohmann::json::sax_parse(text.begin(), text.end(), &finder);
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is not JSON: ", finder.reason, " at byte ", finder.position));
}

}  // namespace vouch
