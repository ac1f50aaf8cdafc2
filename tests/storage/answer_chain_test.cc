// Whatever is done to stored answers past the store's own doors is found, and the first one named.
#include "storage/answer_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/rocks.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TenantNumber kTenant(1);

std::string RecordOf(int number) {
  return absl::StrCat(R"({"id":"a)", number, R"(","question":"q","text":"answer )", number, R"("})");
}

std::unique_ptr<Store> OpenStore(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.write_buffer_bytes = size_t{1} << 20;
  return Store::Open(options).value();
}

AnswerLink Put(Store& store, int number) {
  return AnswerRecords::Of(store).PutAnswerLinked("t", absl::StrCat("a", number), RecordOf(number), "salt").value();
}

AnswerChainReport Verify(Store& store) { return AnswerRecords::Of(store).VerifyAnswerChain("t", nullptr).value(); }

// Five answers, then what `change` does to the stored bytes.
AnswerChainReport AfterChange(const std::function<void(Rocks&, rocksdb::WriteBatch&)>& change) {
  TempDir dir;
  const std::string path = dir.File("store");
  {
    const auto store = OpenStore(path);
    for (int i = 1; i <= 5; ++i) Put(*store, i);
  }
  {
    RocksOptions options;
    options.path = path;
    options.write_buffer_bytes = size_t{1} << 20;
    const auto rocks = Rocks::Open(options).value();
    rocksdb::WriteBatch batch;
    change(*rocks, batch);
    EXPECT_TRUE(rocks->Write(batch).ok());
  }
  return Verify(*OpenStore(path));
}

std::string Get(Rocks& rocks, const std::string& key) { return rocks.Get(Family::kAnswers, key).value().value(); }

void ExpectFirst(const AnswerChainReport& report, uint64_t number, const std::string& id, const std::string& what) {
  ASSERT_FALSE(report.problems.empty());
  EXPECT_EQ(report.problems[0].number, number);
  EXPECT_EQ(report.problems[0].id, id);
  EXPECT_THAT(report.problems[0].what, HasSubstr(what));
}

// What every chain on a user's disk hangs on.
TEST(AnswerChain, TheFormOfALink) {
  const TenantNumber tenant(7);
  StoredLink stored;
  stored.id = "a1";
  stored.link.number = 1;
  stored.link.previous = ChainStart(tenant, 1);
  stored.link.content = DigestAnswer("{}", AnswerSalts()).digest;
  stored.link.hash = HashLink(tenant, stored.id, stored.link);
  EXPECT_EQ(DigestText(stored.link.previous), "759082acf1b24d812d0a414e32cf104ea4d80c0b35f3fcf0f2c40dedf05f498e");
  EXPECT_EQ(DigestText(stored.link.hash), "6a6ccb23bdc6d970184ad72571114dc6f46434d5249198c7e8a30b9afd8201c5");
  const std::string value = EncodeAnswerLink(stored);
  EXPECT_EQ(value.size(), 1u + 3 * 32 + 3 + 2 + 8) << "version, hashes, blocks of id and salts, seal";
  EXPECT_EQ(value.substr(0, 1), "\x01");
  EXPECT_EQ(value.substr(65, 32), DigestBytes(stored.link.hash));
  EXPECT_EQ(value.substr(97, 5), std::string("\x02" "a1" "\x01\x01"));
  const StoredLink read = DecodeAnswerLink(1, value).value();
  EXPECT_EQ(read.link.hash, stored.link.hash);
  EXPECT_EQ(read.id, "a1");
  EXPECT_FALSE(DecodeAnswerLink(2, value).ok()) << "a value under another's key";
  const std::string tip = EncodeChainTip({.first = 1, .last = 1, .head = stored.link.hash});
  EXPECT_EQ(tip.size(), 1u + 8 + 8 + 32 + 8);
  EXPECT_EQ(DecodeChainTip(tip).value().head, stored.link.hash);
}

TEST(AnswerChain, HoldsOverRestarts) {
  TempDir dir;
  AnswerLink last;
  for (int run = 0; run < 3; ++run) {
    const auto store = OpenStore(dir.File("store"));
    for (int i = 1; i <= 3; ++i) {
      const AnswerLink link = Put(*store, run * 3 + i);
      EXPECT_EQ(link.number, last.number + 1);
      if (last.number != 0) {
        EXPECT_EQ(link.previous, last.hash);
      }
      last = link;
    }
  }
  const auto store = OpenStore(dir.File("store"));
  const AnswerChainReport report = Verify(*store);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.answers, 9u);
  EXPECT_EQ(report.first, 1u);
  EXPECT_EQ(report.last, 9u);
  EXPECT_EQ(report.head, last.hash);
  EXPECT_EQ(AnswerRecords::Of(*store).GetAnswerLink("t", "a9").value()->hash, last.hash);
  EXPECT_EQ(*AnswerRecords::Of(*store).GetAnswerLinkHash("t", 9), last.hash);
  EXPECT_EQ(AnswerRecords::Of(*store).GetAnswerLinkHash("t", 10).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(AnswerRecords::Of(*store).GetAnswerLink("t", "b").status().code(), absl::StatusCode::kNotFound);
}

TEST(AnswerChain, ATenantWithoutAnswersHasNone) {
  TempDir dir;
  const auto store = OpenStore(dir.File("store"));
  EXPECT_EQ(Verify(*store).first, 0u);
  EXPECT_THAT(Verify(*store).problems, IsEmpty());
}

TEST(AnswerChain, HoldsUnderManyWriters) {
  TempDir dir;
  const auto store = OpenStore(dir.File("store"));
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 8; ++writer) {
    threads.emplace_back([&store, writer] {
      for (int i = 0; i < 25; ++i) {
        Put(*store, writer * 25 + i);
        if (i % 8 == 0) {
          EXPECT_THAT(Verify(*store).problems, IsEmpty());
        }
        if (i % 8 == 4) {
          EXPECT_EQ(*AnswerRecords::Of(*store).EraseAnswerTexts("t", absl::StrCat("a", writer * 25 + i), {"text"}), 1u);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const AnswerChainReport report = Verify(*store);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.answers, 200u);
  EXPECT_EQ(report.erased, 24u);
  EXPECT_EQ(report.last, 200u);
}

TEST(AnswerChain, AnswersFromBeforeItAreSaidToBe) {
  const AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    // As an older program left them: records and order alone.
    for (uint64_t number = 1; number <= 5; ++number)
      batch.Delete(rocks.handle(Family::kAnswers), AnswerLinkKey(kTenant, number));
    batch.Delete(rocks.handle(Family::kAnswers), AnswerTipKey(kTenant));
  });
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.unchained, 5u);
  EXPECT_EQ(report.first, 0u);
}

TEST(AnswerChain, StartsAfterOlderAnswersAndSaysSo) {
  TempDir dir;
  {
    const auto store = OpenStore(dir.File("store"));
    for (int i = 1; i <= 3; ++i) Put(*store, i);
  }
  {
    RocksOptions options;
    options.path = dir.File("store");
    const auto rocks = Rocks::Open(options).value();
    rocksdb::WriteBatch batch;
    for (uint64_t number = 1; number <= 3; ++number)
      batch.Delete(rocks->handle(Family::kAnswers), AnswerLinkKey(kTenant, number));
    batch.Delete(rocks->handle(Family::kAnswers), AnswerTipKey(kTenant));
    ASSERT_TRUE(rocks->Write(batch).ok());
  }
  const auto store = OpenStore(dir.File("store"));
  EXPECT_EQ(Put(*store, 4).previous, ChainStart(kTenant, 4));
  const AnswerChainReport report = Verify(*store);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.unchained, 3u);
  EXPECT_EQ(report.first, 4u);
  EXPECT_FALSE(AnswerRecords::Of(*store).GetAnswerLink("t", "a1").value().has_value());
}

TEST(AnswerChain, AChangedRecordIsNamed) {
  const AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    batch.Put(rocks.handle(Family::kAnswers), AnswerKey(kTenant, "a3"), EncodeStoredAnswer(3, RecordOf(33)));
  });
  ExpectFirst(report, 3, "a3", "its record was changed");
  EXPECT_EQ(report.problems.size(), 1u);
}

TEST(AnswerChain, ARecordChangedWithItsLinkIsNamed) {
  const AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    StoredLink stored = DecodeAnswerLink(3, Get(rocks, AnswerLinkKey(kTenant, 3))).value();
    stored.link.content = DigestAnswer(RecordOf(33), stored.salts).digest;
    batch.Put(rocks.handle(Family::kAnswers), AnswerKey(kTenant, "a3"), EncodeStoredAnswer(3, RecordOf(33)));
    batch.Put(rocks.handle(Family::kAnswers), AnswerLinkKey(kTenant, 3), EncodeAnswerLink(stored));
  });
  ExpectFirst(report, 3, "a3", "its link was changed");
}

TEST(AnswerChain, ALinkMadeAnewBreaksTheNextOne) {
  const AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    StoredLink stored = DecodeAnswerLink(3, Get(rocks, AnswerLinkKey(kTenant, 3))).value();
    stored.link.content = DigestAnswer(RecordOf(33), stored.salts).digest;
    stored.link.hash = HashLink(kTenant, stored.id, stored.link);
    batch.Put(rocks.handle(Family::kAnswers), AnswerKey(kTenant, "a3"), EncodeStoredAnswer(3, RecordOf(33)));
    batch.Put(rocks.handle(Family::kAnswers), AnswerLinkKey(kTenant, 3), EncodeAnswerLink(stored));
  });
  ExpectFirst(report, 4, "a4", "it does not follow the answer before it");
}

TEST(AnswerChain, ARemovedAnswerIsNamed) {
  const auto remove = [](uint64_t number) {
    return AfterChange([number](Rocks& rocks, rocksdb::WriteBatch& batch) {
      rocksdb::ColumnFamilyHandle* answers = rocks.handle(Family::kAnswers);
      batch.Delete(answers, AnswerKey(kTenant, absl::StrCat("a", number)));
      batch.Delete(answers, AnswerOrderKey(kTenant, number));
      batch.Delete(answers, AnswerLinkKey(kTenant, number));
    });
  };
  for (const uint64_t number : {1u, 3u, 5u}) ExpectFirst(remove(number), number, "", "it was removed");
  const AnswerChainReport record_alone = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    batch.Delete(rocks.handle(Family::kAnswers), AnswerKey(kTenant, "a2"));
  });
  ExpectFirst(record_alone, 2, "a2", "its record was removed");
}

TEST(AnswerChain, ACutEndIsFound) {
  const AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    rocksdb::ColumnFamilyHandle* answers = rocks.handle(Family::kAnswers);
    for (const uint64_t number : {4u, 5u}) {
      batch.Delete(answers, AnswerKey(kTenant, absl::StrCat("a", number)));
      batch.Delete(answers, AnswerOrderKey(kTenant, number));
      batch.Delete(answers, AnswerLinkKey(kTenant, number));
    }
  });
  ExpectFirst(report, 4, "", "and with it all to number 5");
}

TEST(AnswerChain, AnAnswerPutInIsNamed) {
  AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    batch.Put(rocks.handle(Family::kAnswers), AnswerKey(kTenant, "new"), EncodeStoredAnswer(6, RecordOf(6)));
    batch.Put(rocks.handle(Family::kAnswers), AnswerOrderKey(kTenant, 6), "new");
  });
  ExpectFirst(report, 6, "new", "its record was put in");
  report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    StoredLink stored = DecodeAnswerLink(5, Get(rocks, AnswerLinkKey(kTenant, 5))).value();
    stored.id = "new";
    stored.link.previous = stored.link.hash;
    stored.link.number = 6;
    stored.link.content = DigestAnswer(RecordOf(6), stored.salts).digest;
    stored.link.hash = HashLink(kTenant, stored.id, stored.link);
    batch.Put(rocks.handle(Family::kAnswers), AnswerKey(kTenant, "new"), EncodeStoredAnswer(6, RecordOf(6)));
    batch.Put(rocks.handle(Family::kAnswers), AnswerOrderKey(kTenant, 6), "new");
    batch.Put(rocks.handle(Family::kAnswers), AnswerLinkKey(kTenant, 6), EncodeAnswerLink(stored));
  });
  ExpectFirst(report, 6, "new", "it was put in after the end");
}

TEST(AnswerChain, ReorderedAnswersAreFound) {
  const AnswerChainReport report = AfterChange([](Rocks& rocks, rocksdb::WriteBatch& batch) {
    rocksdb::ColumnFamilyHandle* answers = rocks.handle(Family::kAnswers);
    for (const auto& [to, from] : {std::pair{2u, 4u}, std::pair{4u, 2u}}) {
      StoredLink stored = DecodeAnswerLink(from, Get(rocks, AnswerLinkKey(kTenant, from))).value();
      stored.link.number = to;
      batch.Put(answers, AnswerLinkKey(kTenant, to), EncodeAnswerLink(stored));
      batch.Put(answers, AnswerOrderKey(kTenant, to), stored.id);
      batch.Put(answers, AnswerKey(kTenant, stored.id), EncodeStoredAnswer(to, RecordOf(static_cast<int>(from))));
    }
  });
  ExpectFirst(report, 2, "a4", "its link was changed");
}

// Whatever bit of a link, a record or the tip is flipped.
TEST(AnswerChain, EveryFlippedBitIsFound) {
  for (const std::string& key : {AnswerLinkKey(kTenant, 2), AnswerKey(kTenant, "a2"), AnswerTipKey(kTenant)}) {
    for (const size_t at : {0u, 9u, 20u, 40u}) {
      const AnswerChainReport report = AfterChange([&](Rocks& rocks, rocksdb::WriteBatch& batch) {
        std::string value = Get(rocks, key);
        value[at % value.size()] = static_cast<char>(value[at % value.size()] ^ 4);
        batch.Put(rocks.handle(Family::kAnswers), key, value);
      });
      EXPECT_FALSE(report.problems.empty()) << at;
    }
  }
}

TEST(AnswerChain, ErasedTextsDoNotBreakIt) {
  TempDir dir;
  const auto store = OpenStore(dir.File("store"));
  AnswerRecords& records = AnswerRecords::Of(*store);
  for (int i = 1; i <= 3; ++i) Put(*store, i);
  const Digest head = Verify(*store).head;
  EXPECT_EQ(*records.EraseAnswerTexts("t", "a2", {"text"}), 1u);
  EXPECT_EQ(*records.EraseAnswerTexts("t", "a2", {"text"}), 0u);
  EXPECT_EQ(records.EraseAnswerTexts("t", "b", {"text"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(*store->GetAnswer("t", "a2"), HasSubstr(R"("question":"q","text":{"erased":")"));
  Put(*store, 4);
  const AnswerChainReport report = Verify(*store);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.erased, 1u);
  EXPECT_EQ(*records.GetAnswerLinkHash("t", 3), head);
}

TEST(AnswerChain, ARecordPutAgainHasTwoLinks) {
  TempDir dir;
  const auto store = OpenStore(dir.File("store"));
  for (const int i : {1, 2, 1}) Put(*store, i);
  const AnswerChainReport report = Verify(*store);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.answers, 2u);
  EXPECT_EQ(report.replaced, 1u);
}

// With the record, all that a link is made of is enough to make it again.
TEST(AnswerChain, ALinkCanBeReckonedWithoutTheStore) {
  TempDir dir;
  const auto store = OpenStore(dir.File("store"));
  for (int i = 1; i <= 4; ++i) Put(*store, i);
  EXPECT_EQ(*AnswerRecords::Of(*store).EraseAnswerTexts("t", "a3", {"text"}), 1u);
  std::vector<uint64_t> numbers;
  const absl::Status status = AnswerRecords::Of(*store).ScanAnswerLinks("t", 2, [&](AnswerProof&& proof) {
    numbers.push_back(proof.link.number);
    EXPECT_EQ(HashLink(TenantNumber(proof.tenant), proof.id, proof.link), proof.link.hash);
    AnswerSalts salts;
    EXPECT_TRUE(AnswerSalts::Decode(proof.salts, &salts));
    EXPECT_EQ(DigestAnswer(*store->GetAnswer("t", proof.id), salts).digest, proof.link.content);
    return proof.link.number < 3;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(numbers, (std::vector<uint64_t>{2, 3}));
  EXPECT_TRUE(AnswerRecords::Of(*store).ScanAnswerLinks("nobody", 1, [](AnswerProof&&) { return false; }).ok());
}

TEST(AnswerChain, AWalkCanBeEnded) {
  TempDir dir;
  const auto store = OpenStore(dir.File("store"));
  for (int i = 1; i <= 260; ++i) Put(*store, i);
  const auto ended = AnswerRecords::Of(*store).VerifyAnswerChain(
      "t", [](uint64_t done, uint64_t all) { return done < all ? absl::CancelledError("gone") : absl::OkStatus(); });
  EXPECT_EQ(ended.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace vouch
