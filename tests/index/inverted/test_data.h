#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace vouch {

// One of the judged retrieval collections: ../shared/data from the project's root, or
// $VOUCH_TEST_DATA.
struct JudgedCollection {
  std::vector<std::string> ids;
  std::vector<std::string> texts;                                // title, a space, text
  std::vector<std::pair<std::string, std::string>> queries;      // id and text
  std::map<std::string, std::map<std::string, int>> judgements;  // query → document → grade

  bool empty() const { return ids.empty(); }
};

inline std::filesystem::path TestDataFolder() {
  if (const char* folder = std::getenv("VOUCH_TEST_DATA")) return folder;
  return "../shared/data";
}

inline std::vector<nlohmann::json> ReadJsonLines(const std::filesystem::path& file) {
  std::vector<nlohmann::json> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

// Empty where the data is not there.
inline JudgedCollection ReadJudgedCollection(const std::string& name) {
  const std::filesystem::path folder = TestDataFolder() / name;
  JudgedCollection collection;
  for (const nlohmann::json& line : ReadJsonLines(folder / "corpus.jsonl")) {
    collection.ids.push_back(line.at("_id"));
    collection.texts.push_back(line.value("title", "") + " " + line.value("text", ""));
  }
  for (const nlohmann::json& line : ReadJsonLines(folder / "queries.jsonl")) {
    collection.queries.emplace_back(line.at("_id"), line.at("text"));
  }
  std::ifstream judgements(folder / "qrels.tsv");
  std::string query;
  std::string document;
  std::string grade;
  judgements >> query >> document >> grade;  // the heading
  while (judgements >> query >> document >> grade) {
    collection.judgements[query][document] = std::stoi(grade);
  }
  return collection;
}

}  // namespace vouch
