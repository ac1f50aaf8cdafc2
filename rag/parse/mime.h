#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vouch {

// Header fields of a message or part: names in lower case, values unfolded, in order.
struct MimeHeader {
  std::vector<std::pair<std::string, std::string>> fields = {};

  // The value of the first field of a name (in lower case); empty where there is none.
  std::string_view Find(std::string_view name) const;
};

// Takes the header off the front of a message or part, with the empty line that ends it. RFC 5322, section 2.2.
MimeHeader TakeHeader(std::string_view* message);

// "text/plain; charset=utf-8": the value in lower case and its parameters, RFC 2045, section 5.1, and RFC 2231 for
// parameters in pieces or with a charset.
struct MimeValue {
  std::string value = {};
  std::vector<std::pair<std::string, std::string>> parameters = {};  // names in lower case, UTF-8

  std::string_view Find(std::string_view name) const;
};
MimeValue ParseMimeValue(std::string_view text);

// Encoded words ("=?utf-8?B?…?=") as UTF-8, RFC 2047; what is none stays.
std::string DecodeEncodedWords(std::string_view text);

// Quoted-printable and Base64, RFC 2045, section 6.7 and 6.8. What is wrongly encoded is left out, or left as it is.
std::string DecodeQuotedPrintable(std::string_view text);
std::string DecodeBase64(std::string_view text);

// To UTF-8, from a charset by its MIME name; what cannot be converted is U+FFFD. An unknown charset: UTF-8 where the bytes
// are that, else windows-1252.
std::string CharsetToUtf8(std::string_view charset, std::string_view bytes);

}  // namespace vouch
