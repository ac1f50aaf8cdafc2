#pragma once

#include <cstdint>
#include <string_view>

namespace vouch {

struct HtmlToken {
  enum class Kind : uint8_t { kText, kStartTag, kEndTag, kEnd };
  Kind kind = Kind::kEnd;
  uint64_t begin = 0;  // of the whole token in the source
  uint64_t end = 0;
  std::string_view name;        // of a tag, as written
  std::string_view class_name;  // value of a start tag's first class attribute, as written
  bool entities = true;         // text: character references count
};

// Cuts HTML into text and tags; comments, doctype and processing instructions are left out (HTML standard, section
// 13.2.5). After the start tags of script, style and the like their content is one text up to the end tag.
// Never fails; total work is linear in the source.
class HtmlTokenizer {
 public:
  HtmlTokenizer(std::string_view source, uint64_t begin, uint64_t end)
      : source_(source.substr(0, end)), at_(begin) {}

  HtmlToken Next();

 private:
  // At '<' of a tag's name, comment or the like: consumes it; false where nothing is to be given for it.
  bool TakeMarkup(HtmlToken* token);
  bool TakeTag(HtmlToken* token);
  void TakeAttribute(HtmlToken* token);
  void SkipComment();
  // The end of the raw text of element `raw_name_`.
  uint64_t FindRawTextEnd() const;
  bool StartsMarkup(uint64_t at) const;

  const std::string_view source_;
  uint64_t at_;
  std::string_view raw_name_;  // the element whose raw text comes next
};

}  // namespace vouch
