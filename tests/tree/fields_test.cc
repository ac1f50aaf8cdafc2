// A program that embeds the engine names the fields that it wants to set and leaves the others out.
// No compiler may warn of that (-Wmissing-field-initializers), so every field of a public struct
// has an initialiser of its own.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

// What such a program includes; what these include is public with them.
const std::vector<std::string> kPublicHeaders = {"storage/store.h",
                                                 "query/database.h",
                                                 "query/collection.h",
                                                 "query/filter_parser.h",
                                                 "rag/ingestor.h",
                                                 "rag/answer.h",
                                                 "rag/retriever.h",
                                                 "rag/file_walker.h",
                                                 "rag/eval/metrics.h",
                                                 "rag/eval/retrieval.h",
                                                 "api/server.h",
                                                 "api/config.h",
                                                 "rag/embed/embedder_registry.h"};

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void AddHeader(const std::string& path, std::set<std::string>& headers) {
  if (!std::ifstream(path) || !headers.insert(path).second) return;
  static const std::regex kInclude("#include \"([^\"]+)\"");
  const std::string text = ReadAll(path);
  for (std::sregex_iterator at(text.begin(), text.end(), kInclude), end; at != end; ++at) {
    AddHeader((*at)[1], headers);
  }
}

// The declarations that stand directly in a struct, without comments, each from the end of the one
// before it.
std::vector<std::string> DeclarationsInStructs(const std::string& path) {
  const std::string text =
      std::regex_replace(ReadAll(path), std::regex(R"(//[^\n]*|/\*[^*]*\*/|#[^\n]*)"), "");
  std::vector<std::string> declarations;
  std::vector<bool> scopes;  // whether each open brace is a struct's
  std::string statement;
  for (const char c : text) {
    if (c == '{') {
      static const std::regex kStruct(R"(^\s*(template\s*<[^;]*>\s*)?struct\b[^=(]*$)");
      static const std::regex kNamespace(R"(^\s*(inline\s+)?namespace\b[\w:\s]*$)");
      scopes.push_back(std::regex_search(statement, kStruct));
      statement = scopes.back() || std::regex_search(statement, kNamespace) ? "" : statement + c;
    } else if (c == '}') {
      if (scopes.empty()) break;
      statement = scopes.back() ? "" : statement + c;
      scopes.pop_back();
    } else if (c == ';') {
      if (!scopes.empty() && scopes.back()) declarations.push_back(statement);
      statement.clear();
    } else {
      statement += c;
    }
  }
  return declarations;
}

// Nodes below a node, clauses below a clause: Clang 14 takes no initialiser for a vector of a type that is not complete yet.
bool IsFieldOfNodesBelow(const std::string& declaration) {
  for (const char* of : {"std::vector<QueryNode> children", "std::vector<TextClause> ",
                         "std::vector<TextExpression> ", "std::vector<NodeResult> children"}) {
    if (declaration.find(of) != std::string::npos) return true;
  }
  return false;
}

bool IsFieldWithoutInitialiser(const std::string& declaration) {
  static const std::regex kOther(
      R"(^\s*(using|static|friend|typedef|enum|struct|class|explicit|virtual)\b)");
  static const std::regex kField(R"([\w>*&\]]\s*[\s*&]([A-Za-z_]\w*)\s*$)");
  std::smatch match;
  return declaration.find('=') == std::string::npos && declaration.find('{') == std::string::npos &&
         !std::regex_search(declaration, kOther) && std::regex_search(declaration, match, kField) &&
         match[1] != "const" && match[1] != "override" && match[1] != "noexcept";
}

TEST(PublicStructs, EveryFieldHasAnInitialiser) {
  std::set<std::string> headers;
  for (const std::string& header : kPublicHeaders) AddHeader(header, headers);
  ASSERT_GT(headers.size(), kPublicHeaders.size());
  int declarations = 0;
  for (const std::string& header : headers) {
    for (const std::string& declaration : DeclarationsInStructs(header)) {
      ++declarations;
      if (IsFieldOfNodesBelow(declaration)) continue;
      EXPECT_FALSE(IsFieldWithoutInitialiser(declaration))
          << header << ": give this field an initialiser (= {}):" << declaration;
    }
  }
  EXPECT_GT(declarations, 200) << "most fields were not seen";
}

}  // namespace
