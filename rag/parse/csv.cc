#include "rag/parse/csv.h"

#include <algorithm>
#include <string>

#include "rag/parse/parser.h"
#include "rag/parse/text_builder.h"
#include "rag/parse/utf8.h"
#include "storage/concat.h"

namespace vouch {
namespace {

char FindDelimiter(std::string_view bytes) {
  size_t commas = 0;
  size_t semicolons = 0;
  size_t tabs = 0;
  bool quoted = false;
  for (const char c : bytes) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n' || c == '\r') break;
    commas += c == ',' ? 1 : 0;
    semicolons += c == ';' ? 1 : 0;
    tabs += c == '\t' ? 1 : 0;
  }
  if (tabs > commas && tabs >= semicolons) return '\t';
  return semicolons > commas ? ';' : ',';
}

class CsvReader {
 public:
  CsvReader(std::string_view bytes, TextBuilder* builder)
      : bytes_(bytes), builder_(*builder), at_(ByteOrderMarkSize(bytes)), delimiter_(FindDelimiter(bytes.substr(at_))) {}

  absl::Status Read() {
    for (bool first_row = true; at_ < bytes_.size(); first_row = false) {
      builder_.BeginBlock(Block::Kind::kTable, first_row ? 1 : 0);
      bool first = true;
      do {
        if (!first) builder_.AppendCellBorder();
        first = false;
        if (absl::Status status = ReadField(); !status.ok()) return status;
      } while (TakeDelimiter());
      builder_.EndBlock();
      TakeLineBreak();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadField() {
    if (at_ >= bytes_.size() || bytes_[at_] != '"') {
      const size_t end = EndOfPlain(at_);
      builder_.AppendCollapsed(at_, end);
      at_ = end;
      return absl::OkStatus();
    }
    const size_t first_line = line_;
    ++at_;
    while (true) {
      const size_t quote = bytes_.find('"', at_);
      if (quote == bytes_.npos) {
        return absl::InvalidArgumentError(Concat("the quoted field that begins in line ", first_line, " never ends"));
      }
      line_ += static_cast<size_t>(std::count(bytes_.begin() + at_, bytes_.begin() + quote, '\n'));
      builder_.AppendCollapsed(at_, quote);
      at_ = quote + 1;
      if (at_ >= bytes_.size() || bytes_[at_] != '"') break;
      builder_.AppendInexact("\"", quote, quote + 2);
      ++at_;
    }
    // Not in the RFC, but read by everyone: text after the closing quote.
    const size_t end = EndOfPlain(at_);
    builder_.AppendCollapsed(at_, end);
    at_ = end;
    return absl::OkStatus();
  }

  size_t EndOfPlain(size_t from) const {
    const char ends[] = {delimiter_, '\r', '\n'};
    return std::min(bytes_.find_first_of(std::string_view(ends, sizeof(ends)), from), bytes_.size());
  }

  bool TakeDelimiter() {
    if (at_ >= bytes_.size() || bytes_[at_] != delimiter_) return false;
    ++at_;
    return true;
  }

  void TakeLineBreak() {
    if (at_ < bytes_.size() && bytes_[at_] == '\r') ++at_;
    if (at_ < bytes_.size() && bytes_[at_] == '\n') ++at_;
    ++line_;
  }

  const std::string_view bytes_;
  TextBuilder& builder_;
  size_t at_;
  const char delimiter_;
  size_t line_ = 1;
};

}  // namespace

absl::StatusOr<ParsedDocument> ParseCsv(std::string_view bytes) {
  TextBuilder builder(bytes);
  if (absl::Status status = CsvReader(bytes, &builder).Read(); !status.ok()) return status;
  return builder.Finish("", std::string(ParserId(MediaType::kCsv)));
}

}  // namespace vouch
