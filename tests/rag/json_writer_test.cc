#include "rag/json_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
std::string Written(T value) {
  std::string text;
  JsonWriter(text).Value(value);
  return text;
}

TEST(JsonWriterTest, ListsAndObjectsNest) {
  std::string text = "> ";
  JsonWriter writer(text);
  writer.BeginObject();
  writer.Key("a");
  writer.BeginArray();
  writer.Value(uint64_t{1});
  writer.BeginObject();
  writer.EndObject();
  writer.Value("x");
  writer.EndArray();
  writer.Key("b");
  writer.Value(0.5);
  writer.Key("c");
  writer.BeginArray();
  writer.EndArray();
  writer.EndObject();
  EXPECT_EQ(text, R"(> {"a":[1,{},"x"],"b":0.5,"c":[]})");
}

TEST(JsonWriterTest, NumbersAreReadBackAsTheyWere) {
  EXPECT_EQ(Written(1.0), "1.0");
  EXPECT_EQ(Written(-0.0), "-0.0");
  EXPECT_EQ(Written(1e300), "1e+300");
  EXPECT_EQ(Written(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(Written(std::nan("")), "null");
  EXPECT_EQ(Written(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    const Json json = Json::parse(Written(number));
    ASSERT_TRUE(json.is_number_float()) << Written(number);
    ASSERT_EQ(std::bit_cast<uint64_t>(json.get<double>()), std::bit_cast<uint64_t>(number));
  }
}

// As the library writes it, whatever bytes it has.
TEST(JsonWriterTest, TextsAreEscapedAsJsonWantsIt) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  const auto expected = [](const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::mt19937_64 random(2);
  std::vector<std::string> texts = {"", all, "\"", "\\", "end\n", "Gr\xC3\xBC\xC3\x9F" "e \xF0\x9F\x98\x80", "cut \xC3", "\xFF\"\n"};
  for (int i = 0; i < 2'000; ++i) {
    std::string& text = texts.emplace_back();
    for (uint64_t n = random() % 12; n > 0; --n) text += static_cast<char>(random() % (i % 2 == 0 ? 256 : 128));
  }
  for (const std::string& text : texts) ASSERT_EQ(Written(std::string_view(text)), expected(text));
}

}  // namespace
}  // namespace vouch
