#include "api/cli/text_output.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace vouch {
namespace {

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Characters, for columns; good enough for scripts without wide characters.
size_t Width(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return !IsContinuation(byte); });
}

std::string OneLine(const std::string& text) {
  return absl::StrJoin(absl::StrSplit(text, absl::ByAnyChar(" \t\r\n\v\f"), absl::SkipEmpty()),
                       " ");
}

// Words of the query of three letters or more, in lower case ASCII.
std::vector<std::string> WordsOf(const std::string& query) {
  std::vector<std::string> words;
  for (absl::string_view word :
       absl::StrSplit(query, absl::ByAnyChar(" \t\r\n.,;:!?\"'()"), absl::SkipEmpty())) {
    if (word.size() >= 3) words.push_back(absl::AsciiStrToLower(word));
  }
  return words;
}

// Where a window of `size` bytes holds most of the words; 0 where none stands.
size_t BestWindow(const std::string& text, const std::vector<std::string>& words, size_t size) {
  const std::string lower = absl::AsciiStrToLower(text);
  size_t best_begin = 0;
  size_t best_count = 0;
  const size_t step = std::max<size_t>(size / 4, 1);
  for (size_t begin = 0; begin < lower.size(); begin += step) {
    const absl::string_view window = absl::string_view(lower).substr(begin, size);
    const size_t count = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
      return window.find(word) != absl::string_view::npos;
    });
    if (count > best_count) {
      best_count = count;
      best_begin = begin;
    }
    if (begin + size >= lower.size()) break;
  }
  return best_begin;
}

}  // namespace

std::string FormatTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& name : header) widths.push_back(Width(name));
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      out += cells[i];
      if (i + 1 < cells.size()) out.append(widths[i] - Width(cells[i]) + 2, ' ');
    }
    out += '\n';
  };
  add_line(header);
  for (const std::vector<std::string>& row : rows) add_line(row);
  return out;
}

std::string FormatTime(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMicros(time_us),
                          absl::UTCTimeZone());
}

std::string FormatCount(uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit < 3; ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string FormatPointId(const v1::PointId& id) {
  return id.id_case() == v1::PointId::kNumber ? absl::StrCat(id.number()) : id.text();
}

std::string FormatCounted(uint64_t count, const std::string& noun) {
  return absl::StrCat(FormatCount(count), " ", noun, count == 1 ? "" : "s");
}

std::string MakeSnippet(const std::string& text, const std::string& query, size_t max_bytes) {
  const std::string line = OneLine(text);
  if (line.size() <= max_bytes) return line;
  size_t begin = BestWindow(line, WordsOf(query), max_bytes);
  size_t end = std::min(begin + max_bytes, line.size());
  if (begin > 0) {
    const size_t space = line.find(' ', begin);
    if (space != std::string::npos && space < begin + max_bytes / 4) begin = space + 1;
    while (begin < end && IsContinuation(line[begin])) ++begin;
  }
  if (end < line.size()) {
    const size_t space = line.rfind(' ', end);
    if (space != std::string::npos && space > end - max_bytes / 4) end = space;
    while (end > begin && IsContinuation(line[end])) --end;
  }
  return absl::StrCat(begin > 0 ? "… " : "", line.substr(begin, end - begin),
                      end < line.size() ? " …" : "");
}

}  // namespace vouch
