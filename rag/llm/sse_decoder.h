#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace vouch {

// Server-sent events (HTML standard, section 9.2.6) from bytes in pieces of any size: lines end in
// LF, CR or CRLF; a byte order mark at the beginning, comments and other fields than `data` are
// left out; the data lines of an event are joined by LF. Bytes are hostile: an event takes at most
// kMaxEventBytes of memory.
class SseDecoder {
 public:
  static constexpr size_t kMaxEventBytes = size_t{1} << 20;
  using Take = std::function<absl::Status(std::string_view data)>;

  // Calls `take` with the data of each event that these bytes end; its error is passed on.
  // RESOURCE_EXHAUSTED: an event is longer than kMaxEventBytes. After an error nothing more is
  // decoded.
  absl::Status Feed(std::string_view bytes, const Take& take);
  // At the stream's end: what came of the event that no empty line has ended, its last line
  // included however that ends; empty where there is none.
  std::string TakeRest();

 private:
  absl::Status EndLine(const Take& take);

  std::string line_;        // what came of the line
  std::string data_;        // of the event so far, with an LF after each line
  bool first_line_ = true;  // a byte order mark may stand before it
  bool after_cr_ = false;   // an LF that comes next ends no line
};

}  // namespace vouch
