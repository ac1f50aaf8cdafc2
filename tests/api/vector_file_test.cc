#include "api/cli/vector_file.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class VectorFileTest : public testing::Test {
 protected:
  std::string Put(const std::string& bytes) {
    const std::string path = dir_.File("vectors");
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::string Npy(const std::string& type, const std::string& shape,
                         const std::string& data, const std::string& order = "False") {
    std::string header = "{'descr': '" + type + "', 'fortran_order': " + order +
                         ", 'shape': " + shape + ", }\n";
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes += static_cast<char>(header.size());
    bytes += '\0';
    return bytes + header + data;
  }
  template <class T>
  static std::string Bytes(std::vector<T> values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
  }
  // All vectors, or the error.
  std::string Read(const std::string& bytes, VectorFormat format) {
    read_.clear();
    auto reader = VectorFileReader::Open(Put(bytes), format);
    if (!reader.ok()) return reader.status().ToString();
    std::vector<float> vector;
    while (true) {
      const auto more = reader->Next(&vector);
      if (!more.ok()) return more.status().ToString();
      if (!*more) return "";
      read_.push_back(vector);
    }
  }

  TempDir dir_;
  std::vector<std::vector<float>> read_;
};

TEST_F(VectorFileTest, RoundTrip) {
  for (const VectorFormat format : {VectorFormat::kNpy, VectorFormat::kFvecs}) {
    const std::string path = dir_.File("out");
    auto writer = VectorWriter::Create(path, format, 3);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Write({1, 2, 3}).ok());
    ASSERT_TRUE((*writer)->Write({-0.5f, 0, 1e-30f}).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    auto reader = VectorFileReader::Open(path, format);
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::vector<float> vector;
    ASSERT_TRUE(*reader->Next(&vector));
    EXPECT_THAT(vector, ElementsAre(1, 2, 3));
    ASSERT_TRUE(*reader->Next(&vector));
    EXPECT_THAT(vector, ElementsAre(-0.5f, 0, 1e-30f));
    EXPECT_FALSE(*reader->Next(&vector));
  }
}

TEST_F(VectorFileTest, GoldenBytes) {
  const std::string path = dir_.File("golden.npy");
  {
    auto writer = VectorWriter::Create(path, VectorFormat::kNpy, 2);
    ASSERT_TRUE((*writer)->Write({1, 2}).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
  }
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  ASSERT_EQ(bytes.size(), 128u + 8);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_THAT(bytes, HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }   "));
  EXPECT_EQ(bytes[127], '\n');
}

TEST_F(VectorFileTest, NothingIsLeftOfAnUnfinishedFile) {
  const std::string path = dir_.File("half.npy");
  {
    auto writer = VectorWriter::Create(path, VectorFormat::kNpy, 1);
    ASSERT_TRUE((*writer)->Write({1}).ok());
  }
  EXPECT_FALSE(std::ifstream(path).good());
  EXPECT_FALSE(std::ifstream(path + ".part").good());
}

TEST_F(VectorFileTest, ElementTypes) {
  EXPECT_EQ(Read(Npy("<f8", "(1, 2)", Bytes<double>({0.5, -2})), VectorFormat::kNpy), "");
  EXPECT_THAT(read_, ElementsAre(ElementsAre(0.5f, -2)));
  // 1, -2, the smallest normal and the smallest subnormal number.
  EXPECT_EQ(Read(Npy("<f2", "(2, 2)", Bytes<uint16_t>({0x3c00, 0xc000, 0x0400, 0x0001})),
                 VectorFormat::kNpy),
            "");
  EXPECT_THAT(read_, ElementsAre(ElementsAre(1, -2), ElementsAre(0x1p-14f, 0x1p-24f)));
}

TEST_F(VectorFileTest, MistakesAreNamed) {
  const auto npy = [&](const std::string& bytes) { return Read(bytes, VectorFormat::kNpy); };
  EXPECT_THAT(npy("hello"), HasSubstr("it is no .npy file"));
  EXPECT_THAT(npy(std::string("\x93NUMPY\x09\x00\x00\x00", 10)), HasSubstr("version is 9"));
  EXPECT_THAT(npy(std::string("\x93NUMPY\x01\x00\xff\xff{", 11)), HasSubstr("ends inside its header"));
  EXPECT_THAT(npy(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)), HasSubstr("4294967295 bytes"));
  EXPECT_THAT(npy(Npy("<i4", "(1, 1)", "aaaa")), HasSubstr("its elements are '<i4'"));
  EXPECT_THAT(npy(Npy("<f4", "(1, 1)", "aaaa", "True")), HasSubstr("Fortran order"));
  EXPECT_THAT(npy(Npy("<f4", "(4,)", "aaaa")), HasSubstr("it takes (vectors, dimensions)"));
  EXPECT_THAT(npy(Npy("<f4", "(1, 0)", "")), HasSubstr("0 dimensions"));
  EXPECT_THAT(npy(Npy("<f4", "(1, 2, 3)", "")), HasSubstr("its shape is (1, 2, 3)"));
  EXPECT_THAT(npy(Npy("<f4", "(2, 1)", "aaaab")), HasSubstr("vector 2: the file ends inside it"));
  EXPECT_THAT(npy(Npy("<f4", "(1, 1)", "aaaab")), HasSubstr("bytes after the 1 vectors"));
  const auto fvecs = [&](const std::string& bytes) { return Read(bytes, VectorFormat::kFvecs); };
  EXPECT_EQ(fvecs(""), "");
  EXPECT_THAT(fvecs("abc"), HasSubstr("vector 1: the file ends inside it"));
  EXPECT_THAT(fvecs(Bytes<int32_t>({-1})), HasSubstr("it has -1 dimensions"));
  EXPECT_THAT(fvecs(Bytes<int32_t>({2, 0})), HasSubstr("the file ends inside it"));
  EXPECT_THAT(fvecs(Bytes<int32_t>({1, 0, 2, 0, 0})),
              HasSubstr("vector 2: it has 2 dimensions, those before it 1"));
  EXPECT_EQ(VectorFileReader::Open(dir_.File("none"), VectorFormat::kNpy).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace vouch
