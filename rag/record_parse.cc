#include "rag/record_parse.h"

namespace vouch {
namespace {

// Goes through brackets outside of strings; `visit(depth, at)` hears the depth after each one, and ends it by false.
template <typename Visit>
void ForBrackets(std::string_view text, Visit visit) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (!visit(++depth, at)) return;
    } else if (c == '}' || c == ']') {
      // More of them than were opened: no JSON, which the parser says.
      if (depth == 0 || !visit(--depth, at)) return;
    }
  }
}

}  // namespace

RecordJson ParseRecordJson(std::string_view text) {
  bool too_deep = false;
  ForBrackets(text, [&too_deep](size_t depth, size_t) {
    too_deep = depth > kMaxRecordDepth;
    return !too_deep;
  });
  if (too_deep) return RecordJson(RecordJson::value_t::discarded);
  return RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
}

size_t EndOfJson(std::string_view text) {
  if (!text.starts_with('{') && !text.starts_with('[')) return std::string_view::npos;
  size_t end = std::string_view::npos;
  ForBrackets(text, [&end](size_t depth, size_t at) {
    if (depth == 0) end = at + 1;
    return depth > 0;
  });
  return end;
}

}  // namespace vouch
