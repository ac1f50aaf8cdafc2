#include "storage/catalog.h"

#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(StoreTest, CollectionsAreMadeListedAndFound) {
  Catalog& catalog = store_->catalog();
  EXPECT_EQ(catalog.CreateCollection("t", "c", TwoFieldSchema(), 7).status().code(),
            absl::StatusCode::kAlreadyExists);
  const auto other = catalog.CreateCollection("u", "c", TwoFieldSchema(), 8);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE(other->id, c_);
  Reopen();
  const auto info = store_->catalog().GetCollection("u", "c");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->id, other->id);
  EXPECT_EQ(info->tenant, "u");
  EXPECT_EQ(info->created_us, 8);
  EXPECT_EQ(info->schema.ToJson(), TwoFieldSchema().ToJson());
  EXPECT_EQ(store_->catalog().ListCollections("t")->size(), 1u);
  EXPECT_EQ(store_->catalog().ListAllCollections()->size(), 2u);
  EXPECT_THAT(*store_->catalog().ListCollections("nobody"), IsEmpty());
  const auto missing = store_->catalog().GetCollection("t", "d");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("\"d\""));
}

TEST_F(StoreTest, NamesAndSchemasAreChecked) {
  for (const std::string name : {"", ".a", "-a", "a b", "a/b", "\xff"}) {
    EXPECT_EQ(store_->catalog().CreateCollection("t", name, TwoFieldSchema(), 1).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
  const std::string longest(Limits::kMaxNameBytes, 'x');
  EXPECT_TRUE(store_->catalog().CreateCollection("t", longest, TwoFieldSchema(), 1).ok());
  EXPECT_FALSE(store_->catalog().CreateCollection("t", longest + "x", TwoFieldSchema(), 1).ok());
  CollectionSchema schema = TwoFieldSchema();
  schema.dense[0].dim = 0;
  EXPECT_EQ(store_->catalog().CreateCollection("t", "s", schema, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(StoreTest, ADroppedCollectionIsGoneAndItsNumberIsNotUsedAgain) {
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  const auto other = store_->catalog().CreateCollection("t", "d", TwoFieldSchema(), 5);
  MustCommit(Upsert(other->id, {MakeRow(1, 9)}));
  ASSERT_TRUE(store_->catalog().CreateTag(c_, "tag", Version(1), 1).ok());
  ASSERT_TRUE(store_->catalog().PutSetting(c_, "k", "v").ok());
  ASSERT_TRUE(store_->PutArtifact(c_, {ContentHash("x"), "x"}).ok());
  ASSERT_TRUE(store_->catalog().DropCollection("t", "c").ok());
  EXPECT_EQ(store_->catalog().DropCollection("t", "c").code(), absl::StatusCode::kNotFound);
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(store_->GetState(c_).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(store_->ReadRow(c_, RowId(0), true).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(Commit(Upsert(c_, {MakeRow(2, 2)})).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(store_->GetArtifact(c_, ContentHash("x")).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(store_->ReadRow(other->id, RowId(0), true)->payload, "{\"n\":9}");
    Reopen();
  }
  const auto again = store_->catalog().CreateCollection("t", "c", TwoFieldSchema(), 5);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_GT(again->id, other->id);
  EXPECT_EQ(store_->GetState(again->id)->latest, Version(0));
  EXPECT_THAT(*store_->catalog().ListTags(again->id), IsEmpty());
  EXPECT_EQ(*store_->catalog().GetSetting(again->id, "k"), std::nullopt);
  EXPECT_EQ(MustCommit(Upsert(again->id, {MakeRow(1, 1)})).version, Version(1));
}

TEST_F(StoreTest, ATagNeverMoves) {
  Catalog& catalog = store_->catalog();
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  MustCommit(Upsert(c_, {MakeRow(1, 2)}));
  EXPECT_EQ(catalog.CreateTag(c_, "t", Version(3), 1).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(catalog.CreateTag(c_, "t", Version(1), 1).ok());
  EXPECT_EQ(catalog.CreateTag(c_, "t", Version(1), 2)->created_us, 1);  // the same again is no error
  const auto moved = catalog.CreateTag(c_, "t", Version(2), 3);
  EXPECT_EQ(moved.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(moved.status().message()), HasSubstr("names version 1"));
  Reopen();
  EXPECT_EQ(store_->catalog().GetTag(c_, "t")->version, Version(1));
  ASSERT_TRUE(store_->catalog().CreateTag(c_, "a", Version(2), 4).ok());
  const auto tags = store_->catalog().ListTags(c_);
  ASSERT_EQ(tags->size(), 2u);
  EXPECT_EQ((*tags)[0].name, "a");
  EXPECT_EQ((*tags)[1].name, "t");
  ASSERT_TRUE(store_->catalog().DeleteTag(c_, "t").ok());
  EXPECT_EQ(store_->catalog().GetTag(c_, "t").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->catalog().DeleteTag(c_, "t").code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, SettingsOfATenantAreKept) {
  EXPECT_EQ(*store_->catalog().GetTenantSetting("acme", "k"), std::nullopt);
  ASSERT_TRUE(store_->catalog().PutTenantSetting("acme", "k", "1").ok());
  ASSERT_TRUE(store_->catalog().PutTenantSetting("acme", "k", "2").ok());
  ASSERT_TRUE(store_->catalog().PutTenantSetting("other", "k", "3").ok());
  Reopen();
  EXPECT_EQ(*store_->catalog().GetTenantSetting("acme", "k"), "2");
  EXPECT_EQ(*store_->catalog().GetTenantSetting("other", "k"), "3");
  EXPECT_EQ(*store_->catalog().GetTenantSetting("acme", "x"), std::nullopt);
  EXPECT_EQ(store_->catalog().PutTenantSetting("acme", "", "2").code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StoreTest, SettingsAreKept) {
  EXPECT_EQ(*store_->catalog().GetSetting(c_, "k"), std::nullopt);
  ASSERT_TRUE(store_->catalog().PutSetting(c_, "k", "1").ok());
  ASSERT_TRUE(store_->catalog().PutSetting(c_, "k", "2").ok());
  Reopen();
  EXPECT_EQ(*store_->catalog().GetSetting(c_, "k"), "2");
  EXPECT_EQ(store_->catalog().PutSetting(c_, "", "2").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace vouch
