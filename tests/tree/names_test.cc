// A class has a name of its own: two of one name in the same namespace share destructors and inline functions at the
// linker's choice, and no tool but a sanitizer tells.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

namespace {

TEST(Names, EveryClassOfAHeaderStandsInOneHeader) {
  static const std::regex kClass(R"(\n(?:class|struct|enum class) (\w+)(?: final)?\s*(?:\{|:[^:]))");
  std::map<std::string, std::string> headers;
  for (const char* layer : {"storage", "index", "query", "rag", "api", "bench"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(layer)) {
      if (entry.path().extension() != ".h") continue;
      std::ifstream in(entry.path());
      const std::string text(std::istreambuf_iterator<char>(in), {});
      for (std::sregex_iterator at(text.begin(), text.end(), kClass), end; at != end; ++at) {
        const auto [known, fresh] = headers.try_emplace((*at)[1], entry.path().string());
        EXPECT_TRUE(fresh || known->second == entry.path().string())
            << (*at)[1] << " stands in " << known->second << " and in " << entry.path().string();
      }
    }
  }
  EXPECT_GT(headers.size(), 200u);
}

}  // namespace
