#include "rag/llm/sse_decoder.h"

#include <utility>

#include "storage/concat.h"

namespace vouch {

absl::Status SseDecoder::Feed(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (part.size() > kMaxEventBytes - line_.size() - data_.size()) {
      return absl::ResourceExhaustedError(
          Concat("an event of the stream is longer than ", kMaxEventBytes, " bytes"));
    }
    line_ += part;
    if (end == std::string_view::npos) return absl::OkStatus();
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (absl::Status status = EndLine(take); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SseDecoder::EndLine(const Take& take) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::string_view line = line_;
  if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    line_.clear();
    if (data_.empty()) return absl::OkStatus();
    std::string data = std::exchange(data_, {});
    data.pop_back();
    return take(data);
  }
  const size_t colon = line.find(':');
  if (line.substr(0, colon) == "data") {
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    data_ += value;
    data_ += '\n';
  }
  line_.clear();
  return absl::OkStatus();
}

std::string SseDecoder::TakeRest() {
  if (!line_.empty()) (void)EndLine([](std::string_view) { return absl::OkStatus(); });
  std::string rest = std::exchange(data_, {});
  if (!rest.empty()) rest.pop_back();
  return rest;
}

}  // namespace vouch
