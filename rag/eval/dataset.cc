#include "rag/eval/dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>

#include "query/search.h"
#include "storage/checksum.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxIdBytes = 512;

absl::Status Bad(std::string_view why) { return absl::InvalidArgumentError(ToAbsl(why)); }

absl::Status AtLine(uint64_t line, const absl::Status& status) {
  return absl::InvalidArgumentError(
      Concat("questions, line ", line, ": ", ToStd(status.message())));
}

// The text of a key; empty where it is missing or null.
absl::StatusOr<std::string> TextAt(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::string();
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_integer()) return found->dump();
  return Bad(Concat("\"", key, "\" is no text"));
}

absl::Status ReadTexts(const Json& list, std::string_view key, std::vector<std::string>* texts) {
  if (!list.is_array()) return Bad(Concat("\"", key, "\" is no list of texts"));
  for (const Json& item : list) {
    if (!item.is_string()) return Bad(Concat("\"", key, "\" holds something that is no text"));
    texts->push_back(item.get<std::string>());
  }
  return absl::OkStatus();
}

// [text], {"text": [text]}, or [{"text": text}].
absl::Status ReadReferences(const Json& json, std::vector<std::string>* references) {
  if (json.is_object()) {
    const auto text = json.find("text");
    if (text == json.end()) return Bad("\"answers\" has no \"text\"");
    return ReadTexts(*text, "answers", references);
  }
  if (json.is_array() && !json.empty() && json.front().is_object()) {
    for (const Json& item : json) {
      if (!item.is_object()) return Bad("\"answers\" mixes objects and texts");
      absl::StatusOr<std::string> text = TextAt(item, "text");
      if (!text.ok()) return text.status();
      references->push_back(*std::move(text));
    }
    return absl::OkStatus();
  }
  return ReadTexts(json, "answers", references);
}

absl::StatusOr<int> LevelOf(const Json& json) {
  if (!json.is_number_integer()) return Bad("a relevance is no whole number");
  const auto level = json.get<int64_t>();
  if (level < -1'000'000 || level > 1'000'000) {
    return Bad(Concat("the relevance ", level, " is out of range"));
  }
  return static_cast<int>(level);
}

absl::Status ReadDocuments(const Json& json, std::map<std::string, int>* documents) {
  if (!json.is_object() && !json.is_array()) {
    return Bad("\"documents\" is neither {id: relevance} nor [id]");
  }
  for (auto item = json.begin(); item != json.end(); ++item) {
    std::string id;
    int level = 1;
    if (json.is_object()) {
      id = item.key();
      const absl::StatusOr<int> read = LevelOf(item.value());
      if (!read.ok()) return read.status();
      level = *read;
    } else {
      if (!item->is_string()) return Bad("\"documents\" holds something that is no text");
      id = item->get<std::string>();
    }
    if (id.empty()) return Bad("\"documents\" holds an empty id");
    if (!documents->emplace(id, level).second) {
      return Bad(Concat("document \"", Escape(id), "\" is judged twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PassageJudgement> ReadPassage(const Json& json) {
  PassageJudgement passage;
  if (!json.is_object()) return Bad("a passage is no object");
  absl::StatusOr<std::string> document = TextAt(json, "document");
  if (!document.ok()) return document.status();
  absl::StatusOr<std::string> hash = TextAt(json, "source_hash");
  if (!hash.ok()) return hash.status();
  if (document->empty()) return Bad("a passage has no \"document\"");
  if (!IsContentHash(*hash)) return Bad("a passage's \"source_hash\" is no content hash");
  passage.document = *std::move(document);
  passage.source_hash = *std::move(hash);
  const auto source = json.find("source");
  if (source == json.end() || !source->is_array() || source->size() != 2 ||
      !(*source)[0].is_number_unsigned() || !(*source)[1].is_number_unsigned()) {
    return Bad("a passage's \"source\" is no [begin, end)");
  }
  passage.source = {(*source)[0].get<uint64_t>(), (*source)[1].get<uint64_t>()};
  if (passage.source.begin >= passage.source.end) return Bad("a passage's \"source\" is empty");
  if (const auto level = json.find("level"); level != json.end()) {
    const absl::StatusOr<int> read = LevelOf(*level);
    if (!read.ok()) return read.status();
    passage.level = *read;
  }
  return passage;
}

absl::Status ReadFlag(const Json& json, const char* key, bool* flag) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return absl::OkStatus();
  if (!found->is_boolean()) return Bad(Concat("\"", key, "\" is neither true nor false"));
  *flag = found->get<bool>();
  return absl::OkStatus();
}

absl::Status ReadLists(const Json& json, DatasetQuestion* question) {
  const auto read = [&](const char* key, auto take) {
    const auto found = json.find(key);
    return found == json.end() || found->is_null() ? absl::OkStatus() : take(*found);
  };
  absl::Status status =
      read("tags", [&](const Json& list) { return ReadTexts(list, "tags", &question->tags); });
  if (status.ok()) {
    status = read("answers",
                  [&](const Json& list) { return ReadReferences(list, &question->references); });
  }
  if (status.ok()) {
    status = read("documents",
                  [&](const Json& list) { return ReadDocuments(list, &question->documents); });
  }
  if (!status.ok()) return status;
  return read("passages", [&](const Json& list) -> absl::Status {
    if (!list.is_array()) return Bad("\"passages\" is no list");
    for (const Json& item : list) {
      absl::StatusOr<PassageJudgement> passage = ReadPassage(item);
      if (!passage.ok()) return passage.status();
      question->passages.push_back(*std::move(passage));
    }
    return absl::OkStatus();
  });
}

template <typename Texts>
void SortUnique(Texts* texts) {
  std::sort(texts->begin(), texts->end());
  texts->erase(std::unique(texts->begin(), texts->end()), texts->end());
}

absl::StatusOr<DatasetQuestion> ReadQuestion(const Json& json) {
  if (!json.is_object()) return Bad("it is no JSON object");
  const bool squad = json.contains("question");
  DatasetQuestion question;
  absl::StatusOr<std::string> id = TextAt(json, json.contains("_id") ? "_id" : "id");
  if (!id.ok()) return id.status();
  absl::StatusOr<std::string> text = TextAt(json, squad ? "question" : "text");
  if (!text.ok()) return text.status();
  question.id = *std::move(id);
  question.text = *std::move(text);
  if (absl::Status status = ReadLists(json, &question); !status.ok()) return status;
  absl::Status status = ReadFlag(json, squad ? "is_impossible" : "unanswerable",
                                 &question.unanswerable);
  if (!status.ok()) return status;
  // SQuAD 2.0 says "no answer" by an empty list; with is_impossible its answers are no references.
  if (squad && json.contains("answers") && question.references.empty()) {
    question.unanswerable = true;
  }
  if (squad && question.unanswerable) question.references.clear();
  SortUnique(&question.tags);
  // The same answer is often given by several annotators.
  std::set<std::string> seen;
  std::erase_if(question.references,
                [&](const std::string& reference) { return !seen.insert(reference).second; });
  return question;
}

absl::StatusOr<std::vector<DatasetQuestion>> ReadSquadFile(const Json& file) {
  std::vector<DatasetQuestion> questions;
  if (!file["data"].is_array()) return Bad("questions: \"data\" is no list");
  for (const Json& article : file["data"]) {
    const auto paragraphs = article.find("paragraphs");
    if (!article.is_object() || paragraphs == article.end() || !paragraphs->is_array()) {
      return Bad("questions: an article of \"data\" has no \"paragraphs\"");
    }
    const absl::StatusOr<std::string> title = TextAt(article, "title");
    if (!title.ok()) return title.status();
    for (const Json& paragraph : *paragraphs) {
      const auto list = paragraph.find("qas");
      if (!paragraph.is_object() || list == paragraph.end() || !list->is_array()) {
        return Bad("questions: a paragraph has no \"qas\"");
      }
      for (const Json& item : *list) {
        absl::StatusOr<DatasetQuestion> question = ReadQuestion(item);
        if (!question.ok()) return AtLine(1, question.status());
        if (!title->empty()) question->tags.push_back(*title);
        questions.push_back(*std::move(question));
      }
    }
  }
  return questions;
}

absl::Status CheckQuestion(const DatasetQuestion& question) {
  if (question.id.empty()) return Bad("it has no \"_id\" or \"id\"");
  if (question.id.size() > kMaxIdBytes) {
    return Bad(Concat("its id has ", question.id.size(), " bytes; the limit is ", kMaxIdBytes));
  }
  if (question.text.empty() || question.text.size() > QueryLimits::kMaxQueryTextBytes) {
    return Bad(Concat("its text has ", question.text.size(), " bytes; it takes 1 to ",
                      QueryLimits::kMaxQueryTextBytes));
  }
  if (question.unanswerable && !question.references.empty()) {
    return Bad("it is unanswerable and has answers");
  }
  if (question.tags.size() > DatasetLimits::kMaxTags) {
    return Bad(Concat("it has ", question.tags.size(), " tags, at most ", DatasetLimits::kMaxTags));
  }
  for (const std::string& tag : question.tags) {
    if (tag.empty() || tag.size() > DatasetLimits::kMaxTagBytes) {
      return Bad(Concat("a tag has ", tag.size(), " bytes; it takes 1 to ",
                        DatasetLimits::kMaxTagBytes));
    }
  }
  if (question.references.size() > DatasetLimits::kMaxReferences) {
    return Bad(Concat("it has ", question.references.size(), " answers, at most ",
                      DatasetLimits::kMaxReferences));
  }
  const size_t judged = std::max(question.documents.size(), question.passages.size());
  if (judged > DatasetLimits::kMaxJudgements) {
    return Bad(Concat("it has ", judged, " judgements, at most ", DatasetLimits::kMaxJudgements));
  }
  return absl::OkStatus();
}

Json ToJson(const DatasetQuestion& question) {
  Json json = {{"_id", question.id}, {"text", question.text}};
  if (!question.tags.empty()) json["tags"] = question.tags;
  if (!question.references.empty()) json["answers"] = question.references;
  if (question.unanswerable) json["unanswerable"] = true;
  for (const auto& [document, level] : question.documents) json["documents"][document] = level;
  for (const PassageJudgement& passage : question.passages) {
    json["passages"].push_back({{"document", passage.document},
                                {"source_hash", passage.source_hash},
                                {"source", {passage.source.begin, passage.source.end}},
                                {"level", passage.level}});
  }
  return json;
}

}  // namespace

absl::StatusOr<std::vector<DatasetQuestion>> ParseQuestions(std::string_view text) {
  if (text.size() > DatasetLimits::kMaxBytes) {
    return Bad(Concat("the questions have ", text.size(), " bytes; the limit is ",
                      DatasetLimits::kMaxBytes));
  }
  // SQuAD's file is one object, often on one line; a single line of JSONL has no "data".
  if (const Json whole = Json::parse(text, nullptr, /*allow_exceptions=*/false);
      whole.is_object() && whole.contains("data") && !whole.contains("text")) {
    return ReadSquadFile(whole);
  }
  std::vector<DatasetQuestion> questions;
  std::set<std::string> ids;
  for (uint64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view record = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (record.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    absl::StatusOr<DatasetQuestion> question =
        ReadQuestion(Json::parse(record, nullptr, /*allow_exceptions=*/false));
    if (!question.ok()) return AtLine(line, question.status());
    if (absl::Status status = CheckQuestion(*question); !status.ok()) return AtLine(line, status);
    if (!ids.insert(question->id).second) {
      return AtLine(line, Bad(Concat("the id \"", Escape(question->id), "\" stands twice")));
    }
    questions.push_back(*std::move(question));
  }
  return questions;
}

absl::Status AddJudgements(const Qrels& qrels, std::vector<DatasetQuestion>* questions) {
  std::unordered_map<std::string, DatasetQuestion*> by_id;
  for (DatasetQuestion& question : *questions) by_id.emplace(question.id, &question);
  for (const auto& [query, documents] : qrels) {
    const auto found = by_id.find(query);
    if (found == by_id.end()) {
      return Bad(Concat("judgements: query \"", Escape(query), "\" is none of the questions"));
    }
    for (const auto& [document, level] : documents) {
      if (!found->second->documents.emplace(document, level).second) {
        return Bad(Concat("judgements: document \"", Escape(document),
                          "\" is judged already by the question \"", Escape(query), "\""));
      }
    }
  }
  return absl::OkStatus();
}

void AddTag(std::string_view tag, std::vector<DatasetQuestion>* questions) {
  for (DatasetQuestion& question : *questions) {
    question.tags.emplace_back(tag);
    SortUnique(&question.tags);
  }
}

absl::Status CheckQuestions(const std::vector<DatasetQuestion>& questions) {
  if (questions.empty()) return Bad("there are no questions");
  if (questions.size() > DatasetLimits::kMaxQuestions) {
    return Bad(Concat("there are ", questions.size(), " questions, at most ",
                      DatasetLimits::kMaxQuestions));
  }
  std::set<std::string_view> ids;
  for (const DatasetQuestion& question : questions) {
    if (absl::Status status = CheckQuestion(question); !status.ok()) {
      return Bad(Concat("question \"", Escape(question.id), "\": ", ToStd(status.message())));
    }
    if (!ids.insert(question.id).second) {
      return Bad(Concat("the question id \"", Escape(question.id), "\" stands twice"));
    }
  }
  return absl::OkStatus();
}

std::string EncodeQuestions(const std::vector<DatasetQuestion>& questions) {
  std::string text;
  for (const DatasetQuestion& question : questions) {
    text += ToJson(question).dump(-1, ' ', false, Json::error_handler_t::replace);
    text += '\n';
  }
  return text;
}

}  // namespace vouch
