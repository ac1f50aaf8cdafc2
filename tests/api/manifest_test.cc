#include "api/cli/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/cli/line_diff.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

TEST(Manifest, DocumentsKeepTheLinesOfTheirFile) {
  const auto items = ParseManifests("f.yaml",
                                    "# a comment\n---\npipeline:\n  name: a\n  collection: docs\n"
                                    "  prompt:\n    user: '{{sources}} {{question}}'\n"
                                    "    variables: {x: '1', y: 2}\n"
                                    "---\nalias: {name: a, alias: champion}\n");
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[0].place, "f.yaml:3");
  EXPECT_EQ((*items)[0].manifest.pipeline().prompt().variables().at("y"), "2");
  EXPECT_EQ((*items)[1].manifest.alias().alias(), "champion");
  const auto wrong =
      ParseManifests("f.yaml", "pipeline: {name: a}\n---\npipeline:\n  colection: docs\n");
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("f.yaml:4:3: unknown key"));
  EXPECT_THAT(std::string(ParseManifests("f", "pipeline: {prompt: {variables: [a]}}").status().message()),
              HasSubstr("takes a mapping of names to texts, found a list"));
}

TEST(LineDiff, ShowsWhatGoesAndWhatComes) {
  EXPECT_EQ(LineDiff("a\nb\nc\n", "a\nx\nc\nd\n", "  "), "  - b\n  + x\n  + d\n");
  EXPECT_EQ(LineDiff("a\n", "a\n", ""), "");
  EXPECT_EQ(LineDiff("", "a\n", ""), "+ a\n");
}

}  // namespace
}  // namespace vouch
