#include "rag/embed/lsa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "rag/embed/lsa_model.h"
#include "rag/embed/truncated_svd.h"
#include "storage/store.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> PetAndCarTexts() {
  return {"the cat chased the mouse",     "a mouse fled from the cat",
          "cats and mice are animals",    "dogs and cats are animals",
          "the engine of the car roared", "a car needs an engine and wheels",
          "wheels and engine of a truck", "the truck has a larger engine"};
}

std::shared_ptr<const Embedder> Train(const std::vector<std::string>& texts, uint32_t dim) {
  absl::StatusOr<std::shared_ptr<const Embedder>> lsa =
      TrainLsa({.dim = dim}, texts, CancelToken(), nullptr);
  EXPECT_TRUE(lsa.ok()) << lsa.status();
  return *lsa;
}

std::vector<float> EmbedOne(const Embedder& embedder, const std::string& text) {
  return (*embedder.Embed(std::vector<std::string>{text}, CancelToken()))[0];
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(LsaTest, TextsOfOneSubjectLieTogetherWithoutACommonTerm) {
  const auto lsa = Train(PetAndCarTexts(), 2);
  const auto mouse = EmbedOne(*lsa, "mouse");
  const auto dog = EmbedOne(*lsa, "dog");  // no text has both
  const auto truck = EmbedOne(*lsa, "truck");
  EXPECT_GT(Cosine(mouse, dog), 0.8);
  EXPECT_LT(std::abs(Cosine(mouse, truck)), 0.2);
}

TEST(LsaTest, VectorsHaveTheDimensionAndLengthOne) {
  const auto lsa = Train(PetAndCarTexts(), 300);  // more than the corpus has: the rest is zero
  EXPECT_EQ(lsa->dim(), 300u);
  const auto vector = EmbedOne(*lsa, "a cat in a car");
  ASSERT_EQ(vector.size(), 300u);
  EXPECT_NEAR(Cosine(vector, vector), 1.0, 1e-6);
  EXPECT_EQ(vector[299], 0.0f);
}

TEST(LsaTest, NoKnownTermGivesAnEmptyVector) {
  const auto lsa = Train(PetAndCarTexts(), 2);
  const std::vector<std::string> texts = {"", "the of and", "zebra", "zebra cat"};
  const auto vectors = *lsa->Embed(texts, CancelToken());
  EXPECT_TRUE(vectors[0].empty() && vectors[1].empty() && vectors[2].empty());
  EXPECT_EQ(vectors[3], EmbedOne(*lsa, "cat"));
}

TEST(LsaTest, OneTextIsEnoughAndNoTermIsNot) {
  const auto lsa = Train({"a single text"}, 300);
  EXPECT_NEAR(Cosine(EmbedOne(*lsa, "single"), EmbedOne(*lsa, "text")), 1.0, 1e-6);
  const auto none = TrainLsa({}, std::vector<std::string>{"", "the"}, CancelToken(), nullptr);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(none.status().message(), HasSubstr("none of 2 texts has a term"));
  // The same text again and again has rank one.
  const auto repeated = Train(std::vector<std::string>(100, "a single text"), 300);
  EXPECT_EQ(LsaModel::Parse(SerializeLsa(*repeated))->rank, 1u);
}

TEST(LsaTest, OptionsAreBounded) {
  const std::vector<std::string> texts = PetAndCarTexts();
  EXPECT_THAT(TrainLsa({.dim = 0}, texts, {}, nullptr).status().message(),
              HasSubstr("dim is 0; it takes 1 to 4096"));
  EXPECT_THAT(TrainLsa({.max_terms = 0}, texts, {}, nullptr).status().message(),
              HasSubstr("max_terms is 0"));
  EXPECT_THAT(TrainLsa({.language = "klingon"}, texts, {}, nullptr).status().message(),
              HasSubstr("klingon"));
}

TEST(LsaTest, TheRarestTermsGoWhenTheVocabularyIsFull) {
  absl::StatusOr<std::shared_ptr<const Embedder>> lsa =
      TrainLsa({.dim = 2, .max_terms = 3}, PetAndCarTexts(), CancelToken(), nullptr);
  ASSERT_TRUE(lsa.ok());
  // In three, four and two texts; "anim" comes before the other terms of two.
  EXPECT_EQ(LsaModel::Parse(SerializeLsa(**lsa))->terms,
            (std::vector<std::string>{"anim", "cat", "engin"}));
}

TEST(LsaTest, TrainingIsDeterministicAndTheIdNamesTheModel) {
  const auto a = Train(PetAndCarTexts(), 4);
  const auto b = Train(PetAndCarTexts(), 4);
  EXPECT_EQ(SerializeLsa(*a), SerializeLsa(*b));
  EXPECT_EQ(a->id(), absl::StrCat("builtin/lsa?dim=4#", ContentHash(SerializeLsa(*a))));
  EXPECT_NE(a->id(), Train(PetAndCarTexts(), 3)->id());
}

TEST(LsaTest, TheParsedModelGivesTheSameBits) {
  const auto trained = Train(PetAndCarTexts(), 5);
  const std::string bytes = SerializeLsa(*trained);
  const auto parsed = ParseLsa(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->id(), trained->id());
  EXPECT_EQ(SerializeLsa(**parsed), bytes);
  for (const std::string& text : PetAndCarTexts())
    EXPECT_EQ(EmbedOne(**parsed, text), EmbedOne(*trained, text));
}

TEST(LsaTest, EveryDamagedByteAndEveryCutIsFound) {
  const std::string bytes = SerializeLsa(*Train({"one text here", "another text there"}, 2));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_FALSE(ParseLsa(flipped).ok()) << "byte " << i;
    EXPECT_EQ(ParseLsa(bytes.substr(0, i)).status().code(), absl::StatusCode::kDataLoss)
        << "cut at " << i;
  }
  EXPECT_EQ(ParseLsa(bytes + "x").status().code(), absl::StatusCode::kDataLoss);
  std::string newer = bytes;
  newer[4] = 2;
  EXPECT_EQ(ParseLsa(newer).status().code(), absl::StatusCode::kFailedPrecondition);
}

// What the file looks like, byte for byte: a change of the format must change kFormat.
TEST(LsaTest, GoldenBytes) {
  LsaModel model{.dim = 2,
                 .rank = 1,
                 .training_texts = 3,
                 .language = "none",
                 .terms = {"a", "b"},
                 .idf = {1, 0.5},
                 .loadings = {1, -2}};
  const std::string bytes = model.Serialize();
  const std::string expected =
      std::string("VLSA\x01\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\x04\0none", 34) +
      std::string("\x01\0a\x01\0b\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xe0\x3f", 22) +
      std::string("\0\0\x80\x3f\0\0\0\xc0", 8);
  EXPECT_EQ(bytes.substr(0, bytes.size() - 8), expected);
  EXPECT_EQ(bytes.size(), expected.size() + 8);
  EXPECT_TRUE(ParseLsa(bytes).ok());
}

TEST(LsaTest, CancellationEndsTrainingAndProgressRises) {
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  EXPECT_EQ(TrainLsa({}, PetAndCarTexts(), cancelled, nullptr).status().code(),
            absl::StatusCode::kCancelled);
  double last = 0;
  ASSERT_TRUE(TrainLsa({}, PetAndCarTexts(), {}, [&](double fraction) {
                EXPECT_GE(fraction, last);
                last = fraction;
              }).ok());
  EXPECT_DOUBLE_EQ(last, 1.0);
}

// A random matrix of known singular values: U · diag(s) · Vᵀ would need an oracle; instead A·Aᵀ
// must keep A's weight, and the vectors must be what they claim.
TEST(TruncatedSvdTest, PairsMeetTheirDefinition) {
  constexpr uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  for (const auto& [rows, columns] :
       {std::pair<uint32_t, uint32_t>{40, 90}, {90, 40}, {1, 5}, {5, 1}}) {
    SparseRows matrix;
    matrix.columns_count = columns;
    double frobenius = 0;
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t c = 0; c < columns; ++c) {
        if (random() % 4 != 0) continue;
        matrix.columns.push_back(c);
        matrix.values.push_back(static_cast<double>(random() % 1000) / 100 + 0.01);
        frobenius += matrix.values.back() * matrix.values.back();
      }
      matrix.row_begin.push_back(matrix.values.size());
    }
    if (matrix.values.empty()) continue;
    const auto svd = ComputeTruncatedSvd(matrix, 1000, CancelToken(), nullptr);
    ASSERT_TRUE(svd.ok()) << svd.status();
    double squares = 0;
    for (uint32_t i = 0; i < svd->rank; ++i) {
      squares += svd->singular_values[i] * svd->singular_values[i];
      double length = 0;  // |A · v| = s
      for (uint32_t r = 0; r < rows; ++r) {
        double dot = 0;
        for (uint64_t e = matrix.row_begin[r]; e < matrix.row_begin[r + 1]; ++e) {
          dot += matrix.values[e] * svd->right[matrix.columns[e] * svd->rank + i];
        }
        length += dot * dot;
      }
      EXPECT_NEAR(std::sqrt(length), svd->singular_values[i], 1e-4)
          << rows << "x" << columns << " vector " << i;
      for (uint32_t j = 0; j <= i; ++j) {
        double dot = 0;
        for (uint32_t c = 0; c < columns; ++c)
          dot += svd->right[c * svd->rank + i] * svd->right[c * svd->rank + j];
        EXPECT_NEAR(dot, i == j ? 1.0 : 0.0, 1e-4)
            << rows << "x" << columns << " vectors " << i << " and " << j;
      }
    }
    EXPECT_NEAR(squares, frobenius, 1e-6 * frobenius)
        << "the full decomposition keeps all of the matrix";
  }
}

TEST(TruncatedSvdTest, TheZeroMatrixIsRefused) {
  SparseRows matrix;
  matrix.columns_count = 3;
  EXPECT_EQ(ComputeTruncatedSvd(matrix, 2, {}, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
  matrix.row_begin.push_back(0);
  EXPECT_EQ(ComputeTruncatedSvd(matrix, 2, {}, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
  matrix.columns.push_back(1);
  matrix.values.push_back(0);
  matrix.row_begin.push_back(1);
  EXPECT_EQ(ComputeTruncatedSvd(matrix, 2, {}, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace vouch
