#include "storage/point_id.h"

#include <limits>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

constexpr char kUuid[] = "6fa459ea-ee8a-3ca4-894e-db77e160355e";

TEST(PointIdTest, TextFormsAndEncodingsRoundTrip) {
  const PointId number(42);
  EXPECT_EQ(number.ToString(), "42");
  EXPECT_TRUE(number.is_number());
  EXPECT_EQ(absl::BytesToHexString(number.Encode()), "01000000000000002a");
  const auto uuid = PointId::FromString(kUuid);
  ASSERT_TRUE(uuid.ok()) << uuid.status();
  EXPECT_EQ(uuid->ToString(), kUuid);
  EXPECT_EQ(absl::BytesToHexString(uuid->Encode()), "026fa459eaee8a3ca4894edb77e160355e");
  EXPECT_EQ(*PointId::FromString("6FA459EA-EE8A-3CA4-894E-DB77E160355E"), *uuid);
  const auto text = PointId::FromString("guide.md#3");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->ToString(), "guide.md#3");
  EXPECT_EQ(absl::BytesToHexString(text->Encode()), "0367756964652e6d642333");
  EXPECT_NE(*PointId::FromString("42"), number);
  for (const PointId& id : {number, *uuid, *text, PointId(0), PointId(std::numeric_limits<uint64_t>::max())}) {
    const auto decoded = PointId::Decode(id.Encode());
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, id);
  }
}

TEST(PointIdTest, NearlyUuidsAreStrings) {
  for (std::string text : {std::string(kUuid) + "0", std::string(kUuid).substr(1), std::string("g") + (kUuid + 1),
                           std::string("6fa459eaee8a3ca4894edb77e160355e")}) {
    const auto id = PointId::FromString(text);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(id->Encode()[0], 3) << text;
  }
}

TEST(PointIdTest, StringsAreChecked) {
  const std::string longest(PointId::kMaxStringBytes, 'x');
  EXPECT_TRUE(PointId::FromString(longest).ok());
  for (const std::string& text : {std::string(), longest + "x", std::string("\xc3"), std::string("\xed\xa0\x80")}) {
    EXPECT_EQ(PointId::FromString(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(PointIdTest, OtherBytesDoNotDecode) {
  const std::string number = PointId(42).Encode();
  for (const std::string& bytes :
       {std::string(), std::string("\x04x"), number.substr(0, 8), number + "x", std::string("\x02short"),
        std::string("\x03"), std::string("\x03\xff"), std::string("\x03") + kUuid,
        "\x03" + std::string(PointId::kMaxStringBytes + 1, 'x')}) {
    EXPECT_EQ(PointId::Decode(bytes).status().code(), absl::StatusCode::kDataLoss) << absl::CHexEscape(bytes);
  }
}

TEST(PointIdTest, EncodingsSortAsIds) {
  const PointId ids[] = {PointId(0), PointId(255), PointId(256), *PointId::FromString(kUuid),
                         *PointId::FromString("a"), *PointId::FromString("ab"), *PointId::FromString("b")};
  for (size_t i = 1; i < std::size(ids); ++i) {
    EXPECT_LT(ids[i - 1].Encode(), ids[i].Encode());
    EXPECT_LT(ids[i - 1], ids[i]);
  }
}

}  // namespace
}  // namespace vouch
