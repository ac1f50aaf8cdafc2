#include "rag/parse/json_lines.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "rag/parse/json_string.h"
#include "rag/parse/parser.h"
#include "rag/parse/plain_text.h"
#include "rag/parse/utf8.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxIdBytes = 512;
constexpr int kMaxJsonDepth = 64;

// Keeps the parser's message, without its own tag and position in characters.
class ErrorKeeper : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    std::string_view what = error.what();
    if (const size_t at = what.find("syntax error"); at != what.npos) what.remove_prefix(at);
    message = absl::StrCat(std::string(what), ", at byte ", position);
    return false;
  }

  std::string message;
};

absl::Status NotJson(std::string_view line) {
  ErrorKeeper keeper;
  Json::sax_parse(line.begin(), line.end(), &keeper);
  return absl::InvalidArgumentError(absl::StrCat(
      "not JSON", line.empty() || line.back() != '}' ? " (is the line cut off?)" : "", ": ",
      keeper.message));
}

absl::Status WrongType(std::string_view key, std::string_view wanted, const Json& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", std::string(key), "\" must be ", std::string(wanted), ", not ", value.type_name()));
}

absl::StatusOr<Json> ParseRecord(std::string_view line) {
  if (line.size() > ParseLimits::kMaxLineBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the record has ", line.size(),
                                                   " bytes; the limit is ", ParseLimits::kMaxLineBytes));
  }
  if (absl::Status status = CheckText(line); !status.ok()) return status;
  // Bounded before it is parsed: what holds the value walks it by recursion.
  if (const int depth = JsonDepth(line); depth > kMaxJsonDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("JSON nested ", depth, " deep; the limit is ", kMaxJsonDepth));
  }
  Json record = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (record.is_discarded()) return NotJson(line);
  if (!record.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a record must be a JSON object, not ", record.type_name()));
  }
  for (const char* key : {"title", "text"}) {
    const auto value = record.find(key);
    if (value != record.end() && !value->is_string() && !value->is_null()) {
      return WrongType(key, "a string", *value);
    }
  }
  if (!(record.contains("text") && record["text"].is_string()) &&
      !(record.contains("title") && record["title"].is_string())) {
    return absl::InvalidArgumentError("the record has neither \"text\" nor \"title\"");
  }
  return record;
}

absl::StatusOr<std::string> RecordId(const Json& record) {
  const auto value = record.find("_id");
  if (value == record.end()) return absl::InvalidArgumentError("the record has no \"_id\"");
  std::string id;
  if (value->is_string()) {
    id = value->get<std::string>();
  } else if (value->is_number_integer()) {
    id = value->dump();
  } else {
    return WrongType("_id", "a string or an integer", *value);
  }
  if (id.empty()) return absl::InvalidArgumentError("\"_id\" is empty");
  if (id.size() > kMaxIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"_id\" has ", id.size(), " bytes; the limit is ", kMaxIdBytes));
  }
  return id;
}

absl::StatusOr<Document> MakeDocument(std::string_view file_id, std::string_view line) {
  absl::StatusOr<Json> record = ParseRecord(line);
  if (!record.ok()) return record.status();
  absl::StatusOr<std::string> id = RecordId(*record);
  if (!id.ok()) return id.status();
  Document document;
  document.id = absl::StrCat(std::string(file_id), "#", *id);
  document.uri = std::string(file_id);
  document.media_type = MediaType::kJsonLines;
  document.bytes = std::string(line);
  document.external_id = *std::move(id);
  if (const auto metadata = record->find("metadata"); metadata != record->end() && !metadata->is_null()) {
    if (!metadata->is_object()) return WrongType("metadata", "an object", *metadata);
    document.metadata = metadata->dump();
  }
  return document;
}

// Makes a heading of a title that the text repeats as its first line or sentence.
void MarkTitle(std::string_view title, ParsedDocument* document) {
  constexpr std::string_view kEnd = " \t\r\n.";
  title = title.substr(0, title.find_last_not_of(kEnd) + 1);
  if (title.empty() || document->blocks.empty()) return;
  Block& first = document->blocks.front();
  const std::string_view text =
      std::string_view(document->text).substr(first.begin, first.end - first.begin);
  if (!absl::StartsWithIgnoreCase(absl::string_view(text.data(), text.size()),
                                  absl::string_view(title.data(), title.size()))) {
    return;
  }
  // Up to what follows; between the two stands a stop or a line break, or the title is only how a
  // sentence begins.
  const size_t next = std::min(text.find_first_not_of(kEnd, title.size()), text.size());
  const std::string_view between = text.substr(title.size(), next - title.size());
  if (next < text.size() && between.find_first_of(".\n") == between.npos) return;
  const size_t end = title.size() + between.substr(0, between.find('\n')).find_last_of('.') + 1;
  const Block heading{
      .kind = Block::Kind::kHeading, .level = 1, .begin = first.begin, .end = first.begin + end};
  if (next == text.size()) {
    first = heading;
    return;
  }
  first.begin += next;
  document->blocks.insert(document->blocks.begin(), heading);
}

}  // namespace

absl::StatusOr<ParsedDocument> ParseJsonRecord(std::string_view line) {
  absl::StatusOr<Json> record = ParseRecord(line);
  if (!record.ok()) return record.status();
  ParsedDocument document;
  document.parser = ParserId(MediaType::kJsonLines);
  if (JsonString title; FindJsonString(line, "title", &title)) document.title = std::move(title.text);
  if (JsonString text; FindJsonString(line, "text", &text)) {
    document.text = std::move(text.text);
    document.spans = std::move(text.spans);
  }
  document.blocks = FindParagraphs(document.text);
  MarkTitle(document.title, &document);
  return document;
}

absl::Status SplitJsonLines(std::string_view file_id, std::string_view bytes,
                            const std::function<absl::Status(Document&&)>& on_document,
                            const std::function<void(uint64_t line, const absl::Status&)>& on_error) {
  absl::flat_hash_map<std::string, uint64_t> lines;
  uint64_t number = 0;
  for (uint64_t at = ByteOrderMarkSize(bytes); at < bytes.size();) {
    ++number;
    const uint64_t end = std::min<uint64_t>(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) continue;
    absl::StatusOr<Document> document = MakeDocument(file_id, line);
    absl::Status error = document.status();
    if (document.ok()) {
      const auto [first, fresh] = lines.emplace(document->external_id, number);
      if (!fresh) {
        error = absl::AlreadyExistsError(
            absl::StrCat("\"_id\" \"", document->external_id, "\" stands in line ", first->second, " already"));
      }
    }
    if (!error.ok()) {
      on_error(number, error);
      continue;
    }
    if (absl::Status status = on_document(*std::move(document)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace vouch
