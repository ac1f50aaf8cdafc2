#include "storage/answer_digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRecord[] =
    R"({"id":"a1","question":"who \"wrote\" it?","hits":[{"id":"d#0","payload":"{\"text\":\"one\"}","explanation":[{"node":"t","terms":[]}]},)"
    R"({"id":"d#1","payload":"\\","explanation":[]}],"generation":{"prompt":[{"role":"user","content":"[1] one"}]},"text":"One."})";

std::string DigestOf(std::string_view record, const AnswerSalts& salts = AnswerSalts()) {
  return DigestText(DigestAnswer(record, salts).digest);
}

// FIPS 180-4's own examples.
TEST(Sha256, KnownAnswers) {
  Sha256 sha;
  EXPECT_EQ(DigestText(sha.Finish()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  sha.Update("a");
  sha.Update("bc");
  EXPECT_EQ(DigestText(sha.Finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(AnswerDigest, TheFormOfIt) {
  // Every digest in a chain hangs on these: they change only with the tag of links.
  EXPECT_EQ(DigestOf("{}"), "7cf4b3ea3b7fb829169af19d641905eb04c1a23d6057cbe10a975ba5bcfaa21e");
  EXPECT_EQ(DigestOf(R"({"text":"One."})", AnswerSalts("salt")),
            "f94c0284fec361e1a4a6bb79fe84131a6701b2940d4730021875f836f7883101");
  Digest digest{};
  EXPECT_TRUE(ParseDigest(DigestOf("{}"), &digest));
  EXPECT_FALSE(ParseDigest("ba78", &digest));
  EXPECT_FALSE(ParseDigest(std::string(64, 'G'), &digest));
}

TEST(AnswerDigest, ErasedTextsLeaveItAsItWas) {
  const AnswerSalts salts("0123456789abcdef");
  const std::string before = DigestOf(kRecord, salts);
  EXPECT_EQ(DigestAnswer(kRecord, salts).texts, 7u);
  ErasedAnswer once = EraseTexts(kRecord, salts, {"text", "hits[1].payload", "hits[0].explanation", "no.such"});
  EXPECT_EQ(once.erased, 3u);
  EXPECT_EQ(DigestOf(once.record, once.salts), before);
  EXPECT_EQ(DigestAnswer(once.record, once.salts).erased, 3u);
  EXPECT_THAT(once.record, Not(HasSubstr("One.")));
  EXPECT_THAT(once.record, HasSubstr("who \\\"wrote\\\" it?"));
  // The same again erases nothing, and more can be erased.
  EXPECT_EQ(EraseTexts(once.record, once.salts, {"text"}).record, once.record);
  const ErasedAnswer twice = EraseTexts(once.record, once.salts, {"generation.prompt[0].content", "question"});
  EXPECT_EQ(twice.erased, 2u);
  EXPECT_EQ(DigestOf(twice.record, twice.salts), before);
  std::vector<std::string> paths;
  for (const ErasedText& text : ListErasedTexts(twice.record)) paths.push_back(text.path);
  EXPECT_THAT(paths, ElementsAre("question", "hits[0].explanation", "hits[1].payload", "generation.prompt[0].content", "text"));
}

TEST(AnswerDigest, AnErasedTextsSaltIsGone) {
  const AnswerSalts salts("0123456789abcdef");
  const ErasedAnswer erased = EraseTexts(kRecord, salts, {"question"});
  EXPECT_EQ(salts.At(0).size(), AnswerSalts::kSaltBytes);
  EXPECT_EQ(erased.salts.At(0), std::string(AnswerSalts::kSaltBytes, '\0'));
  for (uint32_t place = 1; place < 7; ++place) EXPECT_EQ(erased.salts.At(place), salts.At(place));
  EXPECT_THAT(erased.salts.Encode(), Not(HasSubstr(std::string("0123456789abcdef"))));
  AnswerSalts read;
  ASSERT_TRUE(AnswerSalts::Decode(erased.salts.Encode(), &read));
  EXPECT_EQ(DigestOf(erased.record, read), DigestOf(kRecord, salts));
  EXPECT_FALSE(AnswerSalts::Decode("", &read));
  EXPECT_FALSE(AnswerSalts::Decode("\x03", &read));
  EXPECT_FALSE(AnswerSalts::Decode("\x02short", &read));
}

// Whatever byte is changed, removed or added, erased record or not, the digest is another one.
TEST(AnswerDigest, EveryByteCounts) {
  const AnswerSalts salts("0123456789abcdef");
  const std::string erased = EraseTexts(kRecord, salts, {"hits[0].payload"}).record;
  for (const std::string& record : {std::string(kRecord), erased}) {
    const std::string before = DigestOf(record, salts);
    for (size_t at = 0; at < record.size(); ++at) {
      for (const char bit : {'\1', '\x20'}) {
        std::string changed = record;
        changed[at] = static_cast<char>(changed[at] ^ bit);
        ASSERT_NE(DigestOf(changed, salts), before) << "byte " << at << " of " << record;
      }
      ASSERT_NE(DigestOf(record.substr(0, at), salts), before);
      ASSERT_NE(DigestOf(std::string(record).insert(at, 1, ' '), salts), before);
    }
  }
}

TEST(AnswerDigest, TakesAnyBytes) {
  std::mt19937 random(20261126);
  SCOPED_TRACE("seed 20261126");
  for (int i = 0; i < 2'000; ++i) {
    std::string bytes = kRecord;
    for (uint32_t changes = random() % 6; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    const AnswerSalts salts("s");
    const ErasedAnswer erased = EraseTexts(bytes, salts, {"text", "question", "hits[0].payload"});
    ASSERT_EQ(DigestOf(erased.record, erased.salts), DigestOf(bytes, salts)) << bytes;
  }
  EXPECT_EQ(DigestAnswer(std::string(100'000, '['), AnswerSalts()).texts, 0u);
}

}  // namespace
}  // namespace vouch
