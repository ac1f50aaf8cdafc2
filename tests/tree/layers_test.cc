// The layers point one way, and third-party headers stay behind their fences: reads every include of the tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kLayers = {"storage", "index", "query", "rag", "api"};

struct Include {
  std::string file;
  std::string header;
};

std::vector<Include> IncludesOf(const std::string& layer) {
  static const std::regex kInclude(R"(^\s*#include\s+["<]([^">]+)[">])");
  std::vector<Include> includes;
  for (const auto& entry : fs::recursive_directory_iterator(layer)) {
    const std::string extension = entry.path().extension();
    if (extension != ".h" && extension != ".cc" && extension != ".cu") continue;
    std::ifstream in(entry.path());
    std::smatch match;
    for (std::string line; std::getline(in, line);) {
      if (std::regex_search(line, match, kInclude)) includes.push_back({entry.path().string(), match[1]});
    }
  }
  return includes;
}

TEST(Layers, IncludeOnlyWhatLiesBelow) {
  for (size_t layer = 0; layer < kLayers.size(); ++layer) {
    const std::vector<Include> includes = IncludesOf(kLayers[layer]);
    EXPECT_FALSE(includes.empty()) << "no includes were found in " << kLayers[layer];
    for (const Include& include : includes) {
      const std::string top = include.header.substr(0, include.header.find('/'));
      const auto other = std::find(kLayers.begin(), kLayers.end(), top);
      if (other == kLayers.end() || include.header.find('/') == std::string::npos) continue;
      EXPECT_LE(other - kLayers.begin(), static_cast<long>(layer))
          << include.file << " includes " << include.header << ", which lies above " << kLayers[layer];
    }
  }
}

TEST(Layers, ThirdPartyHeadersStayBehindTheirFences) {
  // The start of a header's name → where it may be included.
  const std::map<std::string, std::string> fences = {
      {"rocksdb/", "storage/"}, {"faiss/", "index/"},    {"unicode/", "index/inverted/|rag/"},
      {"libstemmer", "index/inverted/"}, {"gumbo.h", "rag/parse/"}, {"cmark.h", "rag/parse/"},
      {"pugixml.hpp", "rag/parse/"}, {"zip.h", "rag/parse/"}, {"linux/", "rag/parse/"},
      {"curl/", "rag/http/"},   {"Eigen/", "index/dense/|rag/embed/"}, {"Spectra/", "rag/embed/"},
      {"grpc", "api/"},         {"google/protobuf", "api/"}, {"yaml-cpp", "api/"}, {"CLI/", "api/"},
      {"spdlog", "api/"},       {"httplib.h", "api/http/"}, {"prometheus/", "api/"}, {"cuda", "index/gpu/"},
      {"cublas", "index/gpu/cuda/"}};
  for (const std::string& layer : kLayers) {
    for (const Include& include : IncludesOf(layer)) {
      for (const auto& [start, allowed] : fences) {
        if (include.header.rfind(start, 0) != 0) continue;
        EXPECT_TRUE(std::regex_search(include.file, std::regex("^(" + allowed + ")")))
            << include.file << " includes " << include.header << "; only " << allowed << " may";
        const bool in_low_header = include.file.ends_with(".h") && include.file.rfind("api/", 0) != 0;
        EXPECT_FALSE(in_low_header && include.file.find("/dense/") == std::string::npos &&
                     include.file.find("index/gpu/kernels/") == std::string::npos &&
                     include.file.find("storage/rocks") == std::string::npos)
            << include.file << " is a header that many include; " << include.header << " belongs into a .cc";
      }
    }
  }
}

}  // namespace
